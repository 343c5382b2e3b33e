//! Meta's ids: digits only, parsed once, so that none can climb out of its place in a path.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text is not an id of the Graph API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a {0}: it has digits only; copy it from WhatsApp Manager")]
pub struct NotAGraphId(&'static str);

macro_rules! graph_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The digits.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAGraphId;

            fn try_from(text: String) -> Result<Self, NotAGraphId> {
                if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
                    Ok(Self(text))
                } else {
                    Err(NotAGraphId($kind))
                }
            }
        }

        impl FromStr for $name {
            type Err = NotAGraphId;

            fn from_str(text: &str) -> Result<Self, NotAGraphId> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

graph_id!(
    /// A number of the Cloud API. Not the telephone number itself.
    PhoneNumberId, "phone number id"
);
graph_id!(
    /// A WhatsApp business account (WABA), which owns numbers and templates.
    WabaId, "business account id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_are_an_id() {
        assert!("106853218861309".parse::<PhoneNumberId>().is_ok());
        for bad in ["", "1/../2", "+49", "12 ", "１２"] {
            assert!(bad.parse::<WabaId>().is_err(), "{bad}");
        }
    }
}
