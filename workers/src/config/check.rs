//! What `config check` shows: every effective value, where it comes from, and what is wrong.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::source::{Problem, Severity, Source};
use super::{Config, keys};

/// The effective configuration. Its `Display` is for people, its JSON for machines; neither holds a secret, for
/// the fields that are secret show themselves as `set`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report<'a> {
    values: BTreeMap<String, Setting<'a>>,
    problems: &'a [Problem],
}

#[derive(Debug, Clone, Serialize)]
struct Setting<'a> {
    /// The value, `set` for a secret, null where nothing is set.
    value: Value,
    source: &'a Source,
    /// The variable that sets it; none where only a file does.
    variable: Option<String>,
}

impl<'a> Report<'a> {
    pub(super) fn new(
        config: &Config,
        provenance: &'a BTreeMap<String, Source>,
        schedules: &'a BTreeMap<String, (Value, Source)>,
        problems: &'a [Problem],
    ) -> Self {
        let shown = serde_json::to_value(config).unwrap_or_default();
        let values = provenance.iter().map(|(key, source)| {
            let value = shown.pointer(&format!("/{}", key.replace('.', "/")));
            let value = value.cloned().unwrap_or_default();
            (key.clone(), Setting { value, source, variable: Some(keys::variable(key)) })
        });
        let scheduled = schedules.iter().map(|(key, (value, source))| {
            (key.clone(), Setting { value: value.clone(), source, variable: None })
        });
        let values = values.chain(scheduled).collect();
        Self { values, problems }
    }

    /// Whether a process would start with this configuration.
    pub(crate) fn is_accepted(&self) -> bool {
        self.problems.iter().all(|problem| problem.severity == Severity::Warning)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, setting) in &self.values {
            let value = match &setting.value {
                Value::Null => "not set".to_owned(),
                Value::String(text) => text.clone(),
                other
                @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                    other.to_string()
                }
            };
            writeln!(f, "{key:<34} {value:<34} {}", setting.source)?;
        }
        if !self.problems.is_empty() {
            writeln!(f)?;
        }
        self.problems.iter().try_for_each(|problem| writeln!(f, "{problem}"))
    }
}
