//! How long our token lasts.
//!
//! Meta's published description of the API does not have this address, so no contract holds it. Whoever does not answer it as expected tells nothing.

use chrono::{DateTime, Utc};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::{Meaning, WhatsApp, WhatsAppError};

#[derive(Deserialize)]
struct Debugged {
    data: Token,
}

#[derive(Deserialize)]
struct Token {
    /// Seconds since 1970; 0 for one that does not expire.
    #[serde(default)]
    expires_at: i64,
}

impl WhatsApp {
    /// When our token expires; none for one that does not, and where Meta does not say.
    ///
    /// # Errors
    ///
    /// Where Meta does not answer, or refuses the token. Safe to repeat.
    pub(crate) async fn token_expiry(&self) -> Result<Option<DateTime<Utc>>, WhatsAppError> {
        let request = self
            .request(Method::GET, "debug_token", "")
            .query(&[("input_token", self.token.expose_secret())]);
        match self.call::<Debugged>("say when the token expires", request).await {
            Ok(Debugged { data: Token { expires_at: 0 } }) => Ok(None),
            Ok(debugged) => Ok(DateTime::from_timestamp(debugged.data.expires_at, 0)),
            Err(error) if error.meaning() == Some(Meaning::Token) => Err(error),
            Err(error @ WhatsAppError::Transport(_)) => Err(error),
            Err(
                WhatsAppError::Graph { .. }
                | WhatsAppError::Status { .. }
                | WhatsAppError::Unreadable { .. }
                | WhatsAppError::NotDone { .. },
            ) => Ok(None),
        }
    }
}
