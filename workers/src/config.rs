//! Configuration: `worker.toml` as the defaults, a file over it, the environment over that.
//!
//! The result is one plain value and, for every key, where it came from. All problems are told at once, each with
//! the key, its source and what to do. Nothing here ever prints a secret: they are shown as `set` or `not set`.

mod base_url;
mod check;
mod country;
mod integrations;
mod keyring;
mod keys;
mod layers;
mod schedules;
mod secret;
mod sections;
mod source;
#[cfg(test)]
mod tests;
mod units;
mod validate;

use std::collections::BTreeMap;
use std::fmt;

use autopilot_engine::{Registry, Schedule};
use serde::{Deserialize, Serialize};
use toml::Table;

pub(crate) use self::base_url::BaseUrl;
pub(crate) use self::check::Report;
pub(crate) use self::integrations::{OpenAi, Smtp, SmtpTls, Stripe, Twilio, WhatsApp};
pub(crate) use self::sections::{
    Breakers, Database, Encryption, Endpoints, Http, Log, LogFormat, Pooler, Provisioning, Redis,
    Retry, Worker,
};
pub(crate) use self::source::{File, Problem, Severity, Source, environment};
pub(crate) use self::units::parse_duration;

/// The defaults: every key with its documentation.
const DEFAULTS: &str = include_str!("../../worker.toml");

/// Everything that can be set. The keys, their units, defaults and reasons stand in `worker.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) database: Database,
    pub(crate) redis: Redis,
    pub(crate) http: Http,
    pub(crate) log: Log,
    pub(crate) worker: Worker,
    pub(crate) retry: Retry,
    pub(crate) breakers: Breakers,
    pub(crate) stripe: Stripe,
    pub(crate) twilio: Twilio,
    pub(crate) whatsapp: WhatsApp,
    pub(crate) openai: OpenAi,
    pub(crate) smtp: Smtp,
    pub(crate) provisioning: Provisioning,
    pub(crate) endpoints: Endpoints,
    pub(crate) encryption: Encryption,
    /// Read apart from the keys that `worker.toml` names, see [`schedules`].
    #[serde(skip)]
    pub(crate) schedules: Vec<Schedule>,
}

/// What the sources add up to: a configuration that may still be wrong, and everything known about it.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    config: Config,
    provenance: BTreeMap<String, Source>,
    schedules: BTreeMap<String, (serde_json::Value, Source)>,
    problems: Vec<Problem>,
}

impl Config {
    /// Lays the file and the environment over the defaults. Pure: it reads nothing but its arguments, and an
    /// unusable value becomes a [`Problem`] while its key keeps the default. Schedules are judged by what is registered.
    pub(crate) fn load<A: Send + Sync + 'static>(
        file: Option<&File>,
        environment: impl Iterator<Item = (String, String)>,
        registry: &Registry<A>,
    ) -> Loaded {
        let mut layers = layers::Layers::new(defaults());
        if let Some(file) = file {
            layers.file(file);
        }
        layers.environment(environment);
        let mut config = parsed(keys::nest(&layers.values));
        let mut problems = layers.problems;
        let schedules = layers
            .schedules
            .map(|(section, source)| schedules::Section::read(section, &source, registry));
        let schedules = schedules.unwrap_or_default();
        config.schedules = schedules.usable;
        problems.extend(schedules.problems);
        problems.extend(validate::validate(&config, &layers.provenance));
        problems.sort_by_key(|problem| problem.severity);
        let (provenance, schedules) = (layers.provenance, schedules.settings);
        Loaded { config, provenance, schedules, problems }
    }
}

impl Loaded {
    /// The configuration, if a process may start with it.
    ///
    /// # Errors
    ///
    /// All errors at once. Warnings are no obstacle.
    pub(crate) fn accept(self) -> Result<Config, Rejected> {
        let (errors, _warnings): (Vec<_>, Vec<_>) =
            self.problems.into_iter().partition(|problem| problem.severity == Severity::Error);
        if errors.is_empty() { Ok(self.config) } else { Err(Rejected(errors)) }
    }

    /// The configuration as far as it could be read, for those who only look.
    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    /// Everything that is wrong or odd, errors first.
    pub(crate) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What `config check` shows.
    pub(crate) fn report(&self) -> Report<'_> {
        Report::new(&self.config, &self.provenance, &self.schedules, &self.problems)
    }
}

/// A configuration that no process may start with: every error in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejected(Vec<Problem>);

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is wrong")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Rejected {}

#[expect(clippy::expect_used, reason = "the text is compiled in and a test parses it")]
fn defaults() -> Table {
    DEFAULTS.parse().expect("worker.toml is TOML")
}

#[expect(
    clippy::expect_used,
    reason = "each value was accepted beside the defaults, and fields are read one by one"
)]
fn parsed(values: Table) -> Config {
    values.try_into().expect("values that were accepted one by one are accepted together")
}
