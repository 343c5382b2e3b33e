//! The address of a server we call, or of ourselves as the outside sees us.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// An address to which paths are appended: `https` (or `http` to this machine), without credentials, query,
/// fragment or a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct BaseUrl(String);

/// What is wrong with an address. The address itself stays out of it, for it may carry a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BaseUrlError {
    #[error("is not an address; write it as https://host")]
    Unreadable,
    #[error("must begin with https:// (http:// only for this machine)")]
    Scheme,
    #[error("carries a user name or password; remove what stands before the @")]
    Credentials,
    #[error("ends in `?…` or `#…`; remove that")]
    QueryOrFragment,
    #[error("ends in a slash; remove it")]
    Slash,
}

impl BaseUrl {
    /// The address, without a slash at its end.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a path follows the host.
    pub(crate) fn has_path(&self) -> bool {
        self.0.splitn(4, '/').count() > 3
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = BaseUrlError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        // The parser forgives what a signature does not: blanks, back slashes, a missing slash.
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(BaseUrlError::Unreadable);
        }
        let url = Url::parse(&text).map_err(|_reason_is_ours| BaseUrlError::Unreadable)?;
        let encrypted = match url.scheme() {
            "https" => true,
            "http" => is_loopback(&url),
            _ => false,
        };
        if !encrypted {
            return Err(BaseUrlError::Scheme);
        }
        if !text.starts_with(&format!("{}://", url.scheme())) {
            return Err(BaseUrlError::Unreadable);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Credentials);
        }
        if text.contains(['?', '#']) {
            return Err(BaseUrlError::QueryOrFragment);
        }
        if text.ends_with('/') {
            return Err(BaseUrlError::Slash);
        }
        Ok(Self(text))
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => Ipv4Addr::is_loopback(&address),
        Some(Host::Ipv6(address)) => Ipv6Addr::is_loopback(&address),
        None => false,
    }
}

/// `#[serde(with = "base_url::optional")]`: an empty text means "not set".
pub(crate) mod optional {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::BaseUrl;

    /// # Errors
    ///
    /// What is wrong with the address.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        source: D,
    ) -> Result<Option<BaseUrl>, D::Error> {
        let text = String::deserialize(source)?;
        if text.is_empty() {
            return Ok(None);
        }
        BaseUrl::try_from(text).map(Some).map_err(D::Error::custom)
    }

    /// # Errors
    ///
    /// Those of the serializer.
    pub(crate) fn serialize<S: Serializer>(
        url: &Option<BaseUrl>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        url.as_ref().map(BaseUrl::as_str).serialize(to)
    }
}

impl From<BaseUrl> for String {
    fn from(url: BaseUrl) -> Self {
        url.0
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_as_it_is_written() {
        for text in [
            "https://studio.example",
            "https://studio.example:8443",
            "https://api.openai.com/v1",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://localhost:3000",
        ] {
            let url = BaseUrl::try_from(text.to_owned()).map(String::from);
            assert_eq!(url, Ok(text.to_owned()));
        }
    }

    #[test]
    fn garbage_and_plain_text_across_the_network_are_refused() {
        for (text, error) in [
            ("http://studio.example", BaseUrlError::Scheme),
            ("http://localhost.evil.example", BaseUrlError::Scheme),
            ("http://10.0.0.1", BaseUrlError::Scheme),
            ("ftp://studio.example", BaseUrlError::Scheme),
            ("studio.example", BaseUrlError::Unreadable),
            ("https:studio.example", BaseUrlError::Unreadable),
            ("https://studio.example /", BaseUrlError::Unreadable),
            ("https://studio.example\\path", BaseUrlError::Unreadable),
            ("https://", BaseUrlError::Unreadable),
            ("https://user:secret@studio.example", BaseUrlError::Credentials),
            ("https://studio.example?x=1", BaseUrlError::QueryOrFragment),
            ("https://studio.example#top", BaseUrlError::QueryOrFragment),
            ("https://studio.example/", BaseUrlError::Slash),
            ("https://studio.example/v1/", BaseUrlError::Slash),
        ] {
            assert_eq!(BaseUrl::try_from(text.to_owned()), Err(error), "{text}");
        }
    }

    #[test]
    fn a_path_is_noticed() {
        let has_path = |text: &str| BaseUrl::try_from(text.to_owned()).map(|url| url.has_path());
        assert_eq!(has_path("https://studio.example"), Ok(false));
        assert_eq!(has_path("https://studio.example/hooks"), Ok(true));
    }
}
