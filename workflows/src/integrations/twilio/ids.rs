//! Twilio's ids: two letters for the kind and 32 hexadecimal digits, parsed once.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text is not an id of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a Twilio {kind} id: it begins with {prefix} and has 32 hexadecimal digits")]
pub struct NotASid {
    kind: &'static str,
    prefix: &'static str,
}

fn is_sid(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|digits| {
        digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

macro_rules! sid {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as Twilio writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotASid;

            fn try_from(text: String) -> Result<Self, NotASid> {
                if is_sid(&text, $prefix) {
                    Ok(Self(text))
                } else {
                    Err(NotASid { kind: $kind, prefix: $prefix })
                }
            }
        }

        impl FromStr for $name {
            type Err = NotASid;

            fn from_str(text: &str) -> Result<Self, NotASid> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(sid: $name) -> Self {
                sid.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

sid!(
    /// An account or subaccount, `AC…`.
    AccountSid, "account", "AC"
);
sid!(
    /// An API key, `SK…`.
    KeySid, "API key", "SK"
);
sid!(
    /// A bought telephone number, `PN…`.
    NumberSid, "telephone number", "PN"
);
sid!(
    /// A registered address, `AD…`.
    AddressSid, "address", "AD"
);
sid!(
    /// A regulatory bundle, `BU…`.
    BundleSid, "regulatory bundle", "BU"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_another_kind_or_length_is_refused() {
        let hex = "0123456789abcdefABCDEF0123456789";
        assert!(format!("AC{hex}").parse::<AccountSid>().is_ok());
        for bad in
            [format!("SK{hex}"), hex.to_owned(), format!("AC{hex}0"), format!("AC{}/", &hex[1..])]
        {
            let error = bad.parse::<AccountSid>().unwrap_err();
            assert!(error.to_string().contains("account"), "{bad}: {error}");
        }
    }
}
