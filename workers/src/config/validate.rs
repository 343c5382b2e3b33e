//! What must hold between keys, and what a single key's type cannot say.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tracing_subscriber::EnvFilter;

use super::source::{Problem, Severity, Source};
use super::units::format_duration;
use super::{Breakers, Config, Database, Endpoints, Http, Retry, SmtpTls, Worker, keyring, keys};

mod integrations;

/// A killed worker's jobs run elsewhere within this time (promise P5).
const RESCUE_WITHIN: Duration = Duration::from_secs(15);

/// The shortest API token that nobody guesses: 128 bits in hexadecimal.
const SHORTEST_TOKEN: usize = 32;

/// Every rule that the configuration breaks.
pub(super) fn validate(config: &Config, provenance: &BTreeMap<String, Source>) -> Vec<Problem> {
    let mut found = Findings { provenance, problems: Vec::new() };
    database(&config.database, &mut found);
    redis(config.redis.url.as_ref(), &mut found);
    http(&config.http, &mut found);
    endpoints(config.endpoints, &config.http, &mut found);
    worker(&config.worker, &mut found);
    retry(&config.retry, &mut found);
    breakers(&config.breakers, &mut found);
    if let Err(error) = config.log.filter.parse::<EnvFilter>() {
        found.error(
            "log.filter",
            format!("is not a filter: {error}"),
            "write for example \"info\"",
        );
    }
    if config.database.acquire_timeout >= config.http.request_timeout {
        found.error(
            "database.acquire_timeout",
            "is not shorter than http.request_timeout, so no request would ever be told to retry",
            "shorten it",
        );
    }
    integrations::validate(config, &mut found);
    for what in keyring::check(&config.encryption.keys) {
        found.error("encryption.keys", what, keyring::HOW);
    }
    found.problems
}

/// Collects problems, and knows where each key's value came from.
struct Findings<'a> {
    provenance: &'a BTreeMap<String, Source>,
    problems: Vec<Problem>,
}

impl Findings<'_> {
    fn error(&mut self, key: &str, what: impl Into<String>, fix: impl Into<String>) {
        self.add(Severity::Error, key, what.into(), fix.into());
    }

    fn warning(&mut self, key: &str, what: impl Into<String>, fix: impl Into<String>) {
        self.add(Severity::Warning, key, what.into(), fix.into());
    }

    fn add(&mut self, severity: Severity, key: &str, what: String, fix: String) {
        let source = self.provenance.get(key).cloned().unwrap_or(Source::Default);
        self.problems.push(Problem { severity, key: key.to_owned(), source, what, fix });
    }

    /// Names the variable to set, for keys that are missing.
    fn set(key: &str) -> String {
        format!("set {}", keys::variable(key))
    }
}

fn database(database: &Database, found: &mut Findings<'_>) {
    const KEY: &str = "database.url";
    const SHAPE: &str = "write postgres://user:password@host:port/name";
    match &database.url {
        None => found.error(KEY, "is not set", format!("{}; {SHAPE}", Findings::set(KEY))),
        Some(url) if !is_url(url, &["postgres", "postgresql"]) => {
            found.error(KEY, "is not the address of a Postgres database", SHAPE);
        }
        Some(_) => {}
    }
}

fn redis(url: Option<&SecretString>, found: &mut Findings<'_>) {
    if url.is_some_and(|url| autopilot_engine::Redis::new(url).is_err()) {
        found.error(
            "redis.url",
            "is not the address of a Redis server",
            "write redis://host:port, rediss://host:port for TLS, or unix:///path",
        );
    }
}

/// Whether a secret address has one of the schemes and a readable rest.
fn is_url(url: &SecretString, schemes: &[&str]) -> bool {
    let text = url.expose_secret();
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| schemes.contains(&scheme)) && url::Url::parse(text).is_ok()
}

/// Whether others can reach this process.
fn is_public(http: &Http) -> bool {
    !http.bind.ip().is_loopback()
}

fn endpoints(endpoints: Endpoints, http: &Http, found: &mut Findings<'_>) {
    if !endpoints.allow_private {
        return;
    }
    if is_public(http) {
        found.error(
            "endpoints.allow_private",
            format!("lets every studio reach our own network, and http.bind is {}, which others can reach", http.bind),
            "remove it: it is for development only",
        );
    } else {
        found.warning(
            "endpoints.allow_private",
            "lets every studio reach our own network",
            "remove it: it is for development only",
        );
    }
}

fn http(http: &Http, found: &mut Findings<'_>) {
    if http.public_base_url.as_ref().is_some_and(super::BaseUrl::has_path) {
        found.error(
            "http.public_base_url",
            "carries a path; callbacks are served from the root",
            "write only https://host",
        );
    }
    let is_public = is_public(http);
    match &http.api_token {
        None if is_public => found.error(
            "http.bind",
            format!("is {}, which others can reach, and there is no API token", http.bind),
            "set AUTOPILOT_API_TOKEN to what `openssl rand -hex 32` prints, or listen on 127.0.0.1",
        ),
        None => found.warning(
            "http.api_token",
            "is not set: the API refuses every request",
            Findings::set("http.api_token"),
        ),
        Some(token) => api_token(token.expose_secret(), found),
    }
    if http.public_base_url.is_none() {
        found.warning(
            "http.public_base_url",
            "is not set: callbacks of Twilio cannot be verified",
            Findings::set("http.public_base_url"),
        );
    }
}

fn api_token(token: &str, found: &mut Findings<'_>) {
    const FIX: &str = "set AUTOPILOT_API_TOKEN to what `openssl rand -hex 32` prints";
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        found.error("http.api_token", "has characters that no header can carry", FIX);
    } else if token.len() < SHORTEST_TOKEN {
        let what = format!("is shorter than {SHORTEST_TOKEN} characters");
        found.error("http.api_token", what, FIX);
    }
}

fn worker(worker: &Worker, found: &mut Findings<'_>) {
    let [beat, lease] = [worker.heartbeat_interval, worker.lease];
    if lease < beat * 3 {
        found.error(
            "worker.lease",
            format!(
                "is {}, shorter than three heartbeats of {}: one lost beat would move running jobs",
                format_duration(lease),
                format_duration(beat)
            ),
            format!("set it to at least {}", format_duration(beat * 3)),
        );
    }
    let rescue = lease + beat + worker.poll_max;
    if rescue > RESCUE_WITHIN {
        found.error(
            "worker.lease",
            format!(
                "is {}; with heartbeat_interval and poll_max a rescue takes {}, more than {}",
                format_duration(lease),
                format_duration(rescue),
                format_duration(RESCUE_WITHIN)
            ),
            "shorten one of the three",
        );
    }
    if worker.poll_min > worker.poll_max {
        found.error("worker.poll_min", "is longer than worker.poll_max", "swap them");
    }
    if worker.queues.values().all(|concurrency| *concurrency == 0) {
        found.error(
            "worker.queues",
            "are all 0: this worker would do nothing",
            "serve one of them",
        );
    }
}

/// The longest that nobody may notice that a provider is back.
const LONGEST_OUTAGE: Duration = Duration::from_secs(3600);

fn breakers(breakers: &Breakers, found: &mut Findings<'_>) {
    let second = Duration::from_secs(1);
    for (key, time) in
        [("breakers.open_for", breakers.open_for), ("breakers.patience", breakers.patience)]
    {
        if time < second {
            found.error(key, "is less than a second", "write for example \"60s\"");
        }
    }
    for (key, time) in
        [("breakers.open_for", breakers.open_for), ("breakers.spread", breakers.spread)]
    {
        if time > LONGEST_OUTAGE {
            found.error(
                key,
                "is more than an hour: so long nobody would notice that a provider is back",
                "shorten it",
            );
        }
    }
}

fn retry(retry: &Retry, found: &mut Findings<'_>) {
    if retry.base > retry.cap {
        found.error("retry.base", "is longer than retry.cap", "shorten it or lengthen retry.cap");
    }
}
