//! Meta's webhook signature: HMAC-SHA256 with the app's secret over the bytes of the body as they arrived.
//!
//! There is no time in it: what keeps a delivery from being taken twice is the inbox's unique key.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// The name of the header, as HTTP libraries spell it.
pub(crate) const HEADER: &str = "x-hub-signature-256";

/// Why a webhook was not believed. None of these says which secret was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    /// There is no such header.
    #[error("the request has no X-Hub-Signature-256 header")]
    Missing,
    /// The header is not `sha256=…`.
    #[error("the X-Hub-Signature-256 header is not sha256= and 64 hexadecimal digits")]
    Malformed,
    /// No secret makes this signature of this body.
    #[error(
        "the signature does not match; check that WHATSAPP_APP_SECRET is the secret of the app, not a token"
    )]
    Mismatch,
}

/// Believes a webhook if one of the secrets signed its body.
///
/// # Errors
///
/// Why it is not believed.
pub(crate) fn verify(
    header: Option<&str>,
    body: &[u8],
    secrets: &[SecretString],
) -> Result<(), SignatureError> {
    let digits = header
        .ok_or(SignatureError::Missing)?
        .strip_prefix("sha256=")
        .ok_or(SignatureError::Malformed)?;
    let mut signature = [0; 32];
    hex::decode_to_slice(digits, &mut signature).map_err(|_not_hex| SignatureError::Malformed)?;
    let mut matched = false;
    for secret in secrets {
        // No early exit: the time taken does not say which of the secrets it was.
        matched |= mac(secret, body).verify_slice(&signature).is_ok();
    }
    if matched { Ok(()) } else { Err(SignatureError::Mismatch) }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
fn mac(secret: &SecretString, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes keys of every length");
    mac.update(body);
    mac
}
