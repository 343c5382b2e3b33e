//! The sections of `worker.toml` that say how the process itself works. What each knob means, its unit and
//! its default stand there and only there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::base_url::{self, BaseUrl};
use super::{country::Country, secret, units};

/// `[database]`: Postgres, where everything lives.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    #[serde(with = "secret")]
    pub(crate) url: Option<SecretString>,
    pub(crate) max_connections: NonZeroU32,
    #[serde(with = "units::duration")]
    pub(crate) acquire_timeout: Duration,
    pub(crate) pooler: Pooler,
    pub(crate) statement_cache: NonZeroUsize,
    pub(crate) listen: bool,
}

impl Database {
    /// Whether hints of new jobs are listened for: behind a pooler nobody would hear them.
    pub(crate) fn listens(&self) -> bool {
        self.listen && self.pooler == Pooler::None
    }
}

/// What stands between this process and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pooler {
    /// Nothing, or a pooler that keeps a connection for each of its clients.
    None,
    /// A pooler that gives each transaction a connection.
    Transaction,
}

/// `[redis]`: sheds contention, decides nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redis {
    #[serde(with = "secret")]
    pub(crate) url: Option<SecretString>,
}

/// `[http]`: the server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    pub(crate) bind: SocketAddr,
    #[serde(with = "base_url::optional")]
    pub(crate) public_base_url: Option<BaseUrl>,
    #[serde(with = "secret")]
    pub(crate) api_token: Option<SecretString>,
    #[serde(with = "units::size")]
    pub(crate) body_limit: usize,
    #[serde(with = "units::duration")]
    pub(crate) request_timeout: Duration,
    pub(crate) max_concurrent_requests: NonZeroUsize,
}

/// `[endpoints]`: where studios are told what happens.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Endpoints {
    pub(crate) allow_private: bool,
}

/// `[log]`: what is written to standard error, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) filter: String,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// One object a line, for machines.
    Json,
}

/// `[worker]`: claiming, the lease and the drain.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Worker {
    #[serde(with = "units::duration")]
    pub(crate) heartbeat_interval: Duration,
    #[serde(with = "units::duration")]
    pub(crate) lease: Duration,
    #[serde(with = "units::duration")]
    pub(crate) poll_min: Duration,
    #[serde(with = "units::duration")]
    pub(crate) poll_max: Duration,
    #[serde(with = "units::duration")]
    pub(crate) drain_grace: Duration,
    #[serde(with = "units::duration")]
    pub(crate) ageing: Duration,
    pub(crate) claim_batch: NonZeroU32,
    pub(crate) processes: NonZeroU32,
    /// Attempts at once, by queue. The queues are those that `worker.toml` names, so a misspelt one is noticed.
    pub(crate) queues: BTreeMap<String, usize>,
}

/// `[retry]`: the policy of a job that states none of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retry {
    pub(crate) retries: u32,
    #[serde(with = "units::duration")]
    pub(crate) base: Duration,
    #[serde(with = "units::duration")]
    pub(crate) cap: Duration,
    pub(crate) rate_limited_factor: NonZeroU32,
}

/// `[breakers]`: when a provider that fails is called no more.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Breakers {
    pub(crate) failures: NonZeroU32,
    #[serde(with = "units::duration")]
    pub(crate) open_for: Duration,
    #[serde(with = "units::duration")]
    pub(crate) spread: Duration,
    #[serde(with = "units::duration")]
    pub(crate) patience: Duration,
    pub(crate) retries: NonZeroU32,
}

/// `[provisioning]`: what a studio's set-up assumes where the studio says nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Provisioning {
    pub(crate) default_country: Country,
    pub(crate) regulated_countries: Vec<Country>,
    pub(crate) number_search_limit: NonZeroU32,
    #[serde(with = "units::duration")]
    pub(crate) bundle_check_interval: Duration,
    #[serde(with = "units::duration")]
    pub(crate) settle: Duration,
}

/// `[encryption]`: the keyring that seals credentials.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Encryption {
    /// `id:key` pairs as they were given; [`super::keyring::check`] has looked at each.
    #[serde(with = "secret::list")]
    pub(crate) keys: Vec<SecretString>,
}
