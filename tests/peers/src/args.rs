//! The `--name value` arguments of a work.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Context, Result, bail};

/// The arguments behind the work's name. Every work has a default for each, so none is required.
#[derive(Debug, Default)]
pub struct Args {
    values: BTreeMap<String, String>,
}

impl Args {
    /// Reads `--name value` pairs; anything else is an error that names the argument.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut values = BTreeMap::new();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let Some(name) = argument.strip_prefix("--") else {
                bail!("expected `--name value`, found `{argument}`");
            };
            let value = arguments.next().with_context(|| format!("`--{name}` lacks a value"))?;
            values.insert(name.to_owned(), value);
        }
        Ok(Self { values })
    }

    /// The value of `--name`, or `default` where it is not given.
    pub fn get<T>(&self, name: &str, default: T) -> Result<T>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        match self.values.get(name) {
            None => Ok(default),
            Some(value) => {
                value.parse().with_context(|| format!("`--{name} {value}` is not a number"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Args;

    #[test]
    fn a_given_value_wins_over_the_default() {
        let args = Args::parse(["--jobs".to_owned(), "7".to_owned()]).unwrap();
        assert_eq!(args.get("jobs", 50_000_u64).unwrap(), 7);
        assert_eq!(args.get("seconds", 5_u64).unwrap(), 5);
    }

    #[test]
    fn an_argument_without_its_value_is_refused() {
        assert!(Args::parse(["--jobs".to_owned()]).is_err());
        assert!(Args::parse(["7".to_owned()]).is_err());
    }
}
