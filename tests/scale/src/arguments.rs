//! `[--name value …]`.

use std::collections::HashMap;
use std::str::FromStr;

/// What every argument is, for whoever misspells one.
const KNOWN: [&str; 11] = [
    "only",
    "jobs",
    "runs",
    "waiting",
    "studios",
    "stripe-limit",
    "pace",
    "program",
    "folder",
    "queues",
    "slots",
];

/// The arguments of one measurement.
#[derive(Debug)]
pub(crate) struct Arguments(HashMap<String, String>);

impl Arguments {
    /// Reads them; a name that nobody knows or that has no value is an error.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut values = HashMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").filter(|name| KNOWN.contains(name));
            let name =
                name.ok_or_else(|| format!("{word:?}: there are --{}", KNOWN.join(", --")))?;
            let value = words.next().ok_or_else(|| format!("--{name} has no value"))?;
            values.insert(name.to_owned(), value);
        }
        Ok(Self(values))
    }

    /// A value, or its default.
    pub(crate) fn get<T: FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        Ok(self.find(name)?.unwrap_or(default))
    }

    /// A value, where there is one.
    pub(crate) fn find<T: FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        let parse = |value: &String| {
            value.parse().map_err(|_error| format!("--{name} {value} is not a value for it"))
        };
        self.0.get(name).map(parse).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Arguments, String> {
        Arguments::parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn values_stand_behind_their_names() {
        let arguments = parse("--jobs 500 --only queues").unwrap();
        assert_eq!(arguments.get("jobs", 1), Ok(500));
        assert_eq!(arguments.get("runs", 7), Ok(7));
        assert_eq!(arguments.find::<usize>("stripe-limit"), Ok(None));
        assert!(arguments.get("only", 1).is_err());
    }

    #[test]
    fn what_is_misspelt_or_lacks_its_value_is_refused() {
        assert!(parse("--job 5").is_err_and(|error| error.contains("--jobs")));
        assert!(parse("jobs 5").is_err());
        assert_eq!(parse("--jobs").unwrap_err(), "--jobs has no value");
    }
}
