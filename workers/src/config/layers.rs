//! The defaults, then the file, then the environment: who set each key, and what nobody could have meant.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::Config;
use super::keys::{self, Flat, PREFIX};
use super::schedules;
use super::source::{File, Problem, Severity, Source};

/// The value of every key and where it comes from, as the layers are laid over each other.
pub(crate) struct Layers {
    defaults: Flat,
    pub(crate) values: Flat,
    pub(crate) provenance: BTreeMap<String, Source>,
    /// The section whose keys the file itself names, as it is written there.
    pub(crate) schedules: Option<(Value, Source)>,
    pub(crate) problems: Vec<Problem>,
}

impl Layers {
    /// Nothing but the defaults.
    pub(crate) fn new(defaults: Table) -> Self {
        let defaults = keys::flatten(defaults);
        Self {
            values: defaults.clone(),
            provenance: defaults.keys().map(|key| (key.clone(), Source::Default)).collect(),
            defaults,
            schedules: None,
            problems: Vec::new(),
        }
    }

    /// Lays a file over what is there.
    pub(crate) fn file(&mut self, file: &File) {
        let source = Source::File(file.path.clone());
        let mut table = match file.text.parse::<Table>() {
            Ok(table) => table,
            Err(error) => {
                // Only the message: the error's own display quotes the line, which may hold a secret.
                let what = format!("is not TOML: {}{}", error.message(), line(&file.text, &error));
                return self.error("", source, what, String::new());
            }
        };
        if let Some(section) = table.remove(schedules::SECTION) {
            self.schedules = Some((section, source.clone()));
        }
        for (key, value) in keys::flatten(table) {
            if self.defaults.contains_key(&key) {
                self.set(&key, value, source.clone());
            } else {
                let fix = self.did_you_mean(&key);
                self.error(&key, source.clone(), "is no key of worker.toml".to_owned(), fix);
            }
        }
    }

    /// Lays the environment over what is there. An empty variable counts as not set, and so do blanks around
    /// a value: both are accidents of shells and of files mounted as variables.
    pub(crate) fn environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        let names: BTreeMap<String, String> =
            self.defaults.keys().map(|key| (keys::variable(key), key.clone())).collect();
        for (name, text) in variables {
            let text = text.trim();
            let source = Source::Variable(name.clone());
            match names.get(&name) {
                Some(_) if text.is_empty() => {}
                Some(key) if text.contains(char::REPLACEMENT_CHARACTER) => {
                    self.error(
                        key,
                        source,
                        "is not UTF-8 text".to_owned(),
                        format!("set {name} anew"),
                    );
                }
                Some(key) => match self.parse(key, text) {
                    Ok(value) => self.set(key, value, source),
                    Err(what) => self.error(key, source, what, format!("correct {name}")),
                },
                None if name.starts_with(PREFIX) => self.unknown_variable(&name, &names),
                None => {}
            }
        }
    }

    /// Reads a variable as the TOML type that the default has.
    fn parse(&self, key: &str, text: &str) -> Result<Value, String> {
        match self.defaults.get(key) {
            Some(Value::Integer(_)) => text
                .parse()
                .map(Value::Integer)
                .map_err(|_not_a_number| format!("`{text}` is not a whole number")),
            Some(Value::Boolean(_)) => text
                .parse()
                .map(Value::Boolean)
                .map_err(|_neither| format!("`{text}` is neither true nor false")),
            Some(Value::Array(_)) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Ok(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
            }
            Some(Value::String(_) | Value::Float(_) | Value::Datetime(_) | Value::Table(_))
            | None => Ok(Value::String(text.to_owned())),
        }
    }

    /// Takes a value if the configuration accepts it beside the defaults; otherwise the default stays, so that
    /// the remaining values are still looked at and all problems are told at once.
    fn set(&mut self, key: &str, value: Value, source: Source) {
        let mut trial = self.defaults.clone();
        trial.insert(key.to_owned(), value.clone());
        match keys::nest(&trial).try_into::<Config>() {
            Ok(_accepted) => {
                self.values.insert(key.to_owned(), value);
                self.provenance.insert(key.to_owned(), source);
            }
            Err(error) => {
                let fix = match &source {
                    Source::Variable(name) => format!("correct {name}"),
                    Source::File(path) => format!("correct {key} in {}", path.display()),
                    Source::Default => "this is a defect of the defaults".to_owned(),
                };
                self.error(key, source, error.message().to_owned(), fix);
            }
        }
    }

    fn unknown_variable(&mut self, name: &str, names: &BTreeMap<String, String>) {
        let key = name.trim_start_matches(PREFIX).to_ascii_lowercase().replace("__", ".");
        let is_schedule = key.split('.').next() == Some(schedules::SECTION);
        if is_schedule {
            let what = "is not read: schedules have no variables".to_owned();
            let fix = "write them into a file and name it with --config".to_owned();
            return self.error(name, Source::Variable(name.to_owned()), what, fix);
        }
        let (what, fix) = if self.defaults.contains_key(&key) {
            // Two names for one key would need a rule for which of them wins.
            (format!("is not read: {key} has a variable of its own"), keys::variable(&key))
        } else {
            let meant = keys::nearest(&key, self.defaults.keys().map(String::as_str));
            ("sets no key of worker.toml".to_owned(), meant.map(keys::variable).unwrap_or_default())
        };
        let fix =
            if names.contains_key(&fix) { format!("use {fix}") } else { format!("remove {name}") };
        self.error(name, Source::Variable(name.to_owned()), what, fix);
    }

    fn did_you_mean(&self, key: &str) -> String {
        match keys::nearest(key, self.defaults.keys().map(String::as_str)) {
            Some(meant) => format!("did you mean {meant}?"),
            None => "remove it; worker.toml in the source names every key".to_owned(),
        }
    }

    fn error(&mut self, key: &str, source: Source, what: String, fix: String) {
        let key = key.to_owned();
        self.problems.push(Problem { severity: Severity::Error, key, source, what, fix });
    }
}

/// `, line 3` where the error knows its place.
fn line(text: &str, error: &toml::de::Error) -> String {
    error
        .span()
        .and_then(|span| text.get(..span.start))
        .map(|before| format!(", line {}", before.matches('\n').count() + 1))
        .unwrap_or_default()
}
