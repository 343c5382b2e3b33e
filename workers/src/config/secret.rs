//! Secrets in the configuration: read as text, shown as `set` or `not set`, never printed.
//!
//! Errors here name the shape that was expected and never the value that was found.

use secrecy::SecretString;
use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};
use toml::Value;

/// `#[serde(with = "secret")]`: an optional secret, where an empty text means "not set".
///
/// # Errors
///
/// When the value is not text; the value itself stays out of the message.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    source: D,
) -> Result<Option<SecretString>, D::Error> {
    text(Value::deserialize(source)?).map_err(D::Error::custom)
}

/// `set`, or null where there is none.
///
/// # Errors
///
/// Those of the serializer.
pub(crate) fn serialize<S: Serializer>(
    secret: &Option<SecretString>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(_) => to.serialize_some("set"),
        None => to.serialize_none(),
    }
}

fn text(value: Value) -> Result<Option<SecretString>, &'static str> {
    match value {
        Value::String(text) => Ok((!text.is_empty()).then(|| SecretString::from(text))),
        Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Array(_)
        | Value::Table(_) => Err("is not text; write it in quotes"),
    }
}

/// `#[serde(with = "secret::list")]`: several secrets, of which empty ones do not count.
pub(crate) mod list {
    use secrecy::SecretString;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};
    use toml::Value;

    /// # Errors
    ///
    /// When the value is not a list of text; the value itself stays out of the message.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        source: D,
    ) -> Result<Vec<SecretString>, D::Error> {
        let Value::Array(items) = Value::deserialize(source)? else {
            return Err(D::Error::custom("is not a list; write it as [\"…\"]"));
        };
        let secrets: Result<Vec<_>, _> = items.into_iter().map(super::text).collect();
        Ok(secrets.map_err(D::Error::custom)?.into_iter().flatten().collect())
    }

    /// How many are set, or null where there is none.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub(crate) fn serialize<S: Serializer>(
        secrets: &[SecretString],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match secrets.len() {
            0 => to.serialize_none(),
            1 => to.serialize_some("set"),
            many => to.serialize_some(&format!("{many} set")),
        }
    }
}
