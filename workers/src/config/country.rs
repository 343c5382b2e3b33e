//! A country, as providers name it.

use serde::{Deserialize, Serialize};

/// An ISO 3166-1 alpha-2 code: two capital letters. That it is assigned, the provider decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Country(String);

impl Country {
    /// The two letters.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Country {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
            Ok(Self(text))
        } else {
            Err(format!("`{text}` is not a country; write two capital letters, for example \"DE\""))
        }
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_two_capital_letters() {
        assert_eq!(Country::try_from("DE".to_owned()).map(String::from), Ok("DE".to_owned()));
        for text in ["", "D", "de", "DEU", "D1", "Ä"] {
            assert!(Country::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
