//! Whose webhooks are received.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Who tells us something.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Provider {
    /// Payments.
    Stripe,
    /// Calls and text messages.
    Twilio,
    /// Members' messages.
    Whatsapp,
}

/// No provider has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no webhooks come from {0:?}: it is stripe, twilio or whatsapp")]
pub struct NoProvider(String);

impl Provider {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Stripe, Self::Twilio, Self::Whatsapp];

    /// As it stands in rows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Twilio => "twilio",
            Self::Whatsapp => "whatsapp",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Provider {
    type Err = NoProvider;

    fn from_str(name: &str) -> Result<Self, NoProvider> {
        let found = Self::ALL.into_iter().find(|provider| provider.name() == name);
        found.ok_or_else(|| NoProvider(name.to_owned()))
    }
}
