//! Finds what TLS said inside the errors that libraries wrap around it.

use std::error::Error;
use std::io;

/// The TLS error at the bottom of `error`, if TLS is what failed.
///
/// An I/O error does not name the error that it wraps as its source, so each is opened; and they
/// come nested, one around the other.
pub(crate) fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.and_then(|inner| tls_error(inner)).or_else(|| error.source().and_then(tls_error))
}

#[cfg(test)]
mod tests {
    use rustls::{CertificateError, Error as TlsError};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn a_tls_error_is_found_however_deep_it_lies() {
        let expired = || TlsError::InvalidCertificate(CertificateError::Expired);
        let once = || io::Error::new(io::ErrorKind::InvalidData, expired());
        let twice = || io::Error::other(once());
        assert_eq!(tls_error(&expired()), Some(&expired()));
        assert_eq!(tls_error(&once()), Some(&expired()));
        assert_eq!(tls_error(&twice()), Some(&expired()));
        assert_eq!(tls_error(&Outer(twice())), Some(&expired()));
        assert_eq!(tls_error(&Outer(io::Error::other("refused"))), None);
    }
}
