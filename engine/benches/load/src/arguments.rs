//! `<work> [--name value …]`.

use std::collections::HashMap;
use std::str::FromStr;

/// The arguments of one measurement.
pub(crate) struct Arguments {
    work: String,
    values: HashMap<String, String>,
}

impl Arguments {
    /// Reads them; a name without a value is an error.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let work = words.next().ok_or("usage: autopilot-load <work> [--name value …]")?;
        let mut values = HashMap::new();
        while let Some(word) = words.next() {
            let name =
                word.strip_prefix("--").ok_or_else(|| format!("{word:?} is no --name"))?.to_owned();
            let value = words.next().ok_or_else(|| format!("--{name} has no value"))?;
            values.insert(name, value);
        }
        Ok(Self { work, values })
    }

    /// What is to be measured.
    pub(crate) fn work(&self) -> &str {
        &self.work
    }

    /// A value, or its default.
    pub(crate) fn get<T: FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        self.values.get(name).map_or(Ok(default), |value| {
            value.parse().map_err(|_error| format!("--{name} {value} is not a value for it"))
        })
    }
}
