//! `[schedules.NAME]`: jobs at the ticks of a clock. The one section whose tables are named by whoever writes the file, and
//! whose values are judged by what the program can run.

use std::collections::BTreeMap;

use autopilot_engine::{Registry, Schedule, ScheduleError, WrittenSchedule};
use serde_json::Value as Json;
use toml::{Table, Value};

use super::keys;
use super::source::{Problem, Severity, Source};

/// The section's name.
pub(super) const SECTION: &str = "schedules";

/// What a section adds up to.
#[derive(Debug, Clone, Default)]
pub(super) struct Section {
    /// The schedules that nothing is wrong with.
    pub(super) usable: Vec<Schedule>,
    /// Every key of every schedule, with its value and where that comes from.
    pub(super) settings: BTreeMap<String, (Json, Source)>,
    /// All that is wrong.
    pub(super) problems: Vec<Problem>,
}

impl Section {
    /// Reads the section of a file, for a program that can run what is registered.
    pub(super) fn read<A: Send + Sync + 'static>(
        section: Value,
        source: &Source,
        registry: &Registry<A>,
    ) -> Self {
        let mut read = Reader { source, registry, section: Self::default() };
        if let Value::Table(schedules) = section {
            schedules.into_iter().for_each(|(name, value)| read.schedule(&name, value));
        } else {
            let fix = format!("write [{SECTION}.NAME] with cron and kind");
            read.error(SECTION.to_owned(), "is no table".to_owned(), fix);
        }
        read.section
    }
}

struct Reader<'a, A> {
    source: &'a Source,
    registry: &'a Registry<A>,
    section: Section,
}

impl<A: Send + Sync + 'static> Reader<'_, A> {
    fn schedule(&mut self, name: &str, value: Value) {
        let path = path(name);
        let Value::Table(table) = value else {
            let fix = format!("write [{path}] with cron and kind");
            return self.error(path, "is no table".to_owned(), fix);
        };
        let (written, refused) = self.fields(&path, table);
        let said = |field: &str| written.contains_key(field);
        let is_missing = ["cron", "kind"].map(|field| (field, !said(field)));
        let from_file: Vec<String> = written.keys().cloned().collect();
        let written = parsed(written);
        for (field, value) in fields_of(&written) {
            let source =
                if from_file.contains(&field) { self.source.clone() } else { Source::Default };
            self.section.settings.insert(format!("{path}.{field}"), (value, source));
        }
        match self.registry.written_schedule(name, &written) {
            // What was refused stands at its default: that this is fine says nothing of what was meant.
            Ok(schedule) if refused.is_empty() => self.section.usable.push(schedule),
            Ok(_) => {}
            Err(wrong) => {
                for error in wrong {
                    let field = error.field();
                    if refused.iter().any(|told| Some(told.as_str()) == field) {
                        continue;
                    }
                    let missing = is_missing.contains(&(field.unwrap_or_default(), true));
                    self.wrong(&path, &written, &error, missing);
                }
            }
        }
    }

    /// The fields that are fit to be looked at further, and the names of those that are not, which are told here.
    fn fields(&mut self, path: &str, table: Table) -> (Table, Vec<String>) {
        let known: Vec<String> =
            fields_of(&WrittenSchedule::default()).map(|(field, _)| field).collect();
        let (mut written, mut refused) = (Table::new(), Vec::new());
        for (field, value) in table {
            let key = format!("{path}.{field}");
            if !known.contains(&field) {
                let fix = match keys::nearest(&field, known.iter().map(String::as_str)) {
                    Some(meant) => format!("did you mean {meant}?"),
                    None => format!("remove it; its keys are {}", known.join(", ")),
                };
                self.error(key, "is no key of a schedule".to_owned(), fix);
                continue;
            }
            let alone = Table::from_iter([(field.clone(), plain(value))]);
            match alone.clone().try_into::<WrittenSchedule>() {
                Ok(_accepted) => written.extend(alone),
                Err(error) => {
                    let fix = format!("correct {key} in {}", self.source);
                    self.error(key, error.message().to_owned(), fix);
                    refused.push(field);
                }
            }
        }
        (written, refused)
    }

    fn wrong(
        &mut self,
        path: &str,
        written: &WrittenSchedule,
        error: &ScheduleError,
        missing: bool,
    ) {
        let known = self.registry.known();
        let key = error.field().map_or_else(|| path.to_owned(), |field| format!("{path}.{field}"));
        let (what, fix) = match error.field() {
            Some("cron") if missing => {
                ("is not set".to_owned(), "write for example cron = \"0 3 * * *\"".to_owned())
            }
            Some("kind") if missing => ("is not set".to_owned(), format!("write one of {known}")),
            Some("kind") => {
                let kinds = self.registry.kinds();
                let meant = keys::nearest(&written.kind, kinds.iter().map(String::as_str));
                let meant = meant.map(|meant| format!("did you mean {meant}? "));
                let what = format!("is {:?}, which this program does not know", written.kind);
                (what, format!("{}it knows {known}", meant.unwrap_or_default()))
            }
            Some(_) => (format!("is wrong: {error}"), format!("correct it in {}", self.source)),
            None => (format!("cannot be used: {error}"), format!("rename it in {}", self.source)),
        };
        self.error(key, what, fix);
    }

    fn error(&mut self, key: String, what: String, fix: String) {
        let source = self.source.clone();
        self.section.problems.push(Problem { severity: Severity::Error, key, source, what, fix });
    }
}

/// The dotted key of a schedule, quoted as TOML would have it where the name needs that.
fn path(name: &str) -> String {
    let is_bare = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if !name.is_empty() && name.chars().all(is_bare) {
        format!("{SECTION}.{name}")
    } else {
        format!("{SECTION}.{name:?}")
    }
}

/// Dates and infinities as text: JSON has no word for them, and a payload becomes JSON.
fn plain(value: Value) -> Value {
    match value {
        Value::Datetime(at) => Value::String(at.to_string()),
        Value::Float(number) if !number.is_finite() => Value::String(number.to_string()),
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        Value::Table(table) => {
            Value::Table(table.into_iter().map(|(name, value)| (name, plain(value))).collect())
        }
        same @ (Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_)) => same,
    }
}

/// The names and values of all fields, those that nobody set included.
fn fields_of(written: &WrittenSchedule) -> impl Iterator<Item = (String, Json)> + use<> {
    let fields = match serde_json::to_value(written) {
        Ok(Json::Object(fields)) => fields,
        Ok(_) | Err(_) => serde_json::Map::new(),
    };
    fields.into_iter()
}

#[expect(
    clippy::expect_used,
    reason = "each field was accepted by itself, and fields are read one by one"
)]
fn parsed(written: Table) -> WrittenSchedule {
    written.try_into().expect("fields that were accepted one by one are accepted together")
}
