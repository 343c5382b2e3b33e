//! What a caller may choose about a cluster.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

/// What a caller may choose about a cluster. The defaults make a durable cluster in the default
/// state directory, from the best Postgres that is installed, and never install one.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the cluster lives. Default: `/var/lib/autopilot` for root, else
    /// `$XDG_STATE_HOME/autopilot` or `~/.local/state/autopilot`.
    pub state_dir: Option<PathBuf>,
    /// Turns off fsync, `synchronous_commit` and `full_page_writes`: for tests only, since a power
    /// failure may then destroy the data. It has a data directory of its own. Default: off.
    pub ephemeral: bool,
    /// Server settings, as (name, value), over the ones a private cluster has by itself. They hold for
    /// the run and are not written into the data. What makes the cluster private or its data durable
    /// cannot be set: that is [`Error::OwnSetting`](crate::Error::OwnSetting). Default: none.
    pub settings: Vec<(String, String)>,
    /// A database that exists already. [`Database::open`](crate::Database::open) uses it and starts
    /// nothing; [`Cluster::start`](crate::Cluster::start) does not look at it. Default: none.
    pub database_url: Option<String>,
    /// The directory that holds `postgres` and `initdb`; a wrong one is an error, not a hint.
    /// Default: `PATH`, then the places where packages put them, highest version first.
    pub bin_dir: Option<PathBuf>,
    /// Whom the server runs as when we are root, which Postgres refuses to run as. Default: the
    /// owner of the data, else the first of `autopilot`, `postgres`, `nobody` that exists.
    pub user: Option<String>,
    /// May install Debian's or Ubuntu's package when no Postgres is found and we are root or sudo
    /// asks no password. Default: no.
    pub install: bool,
    /// How long to wait for another process to give up the state directory. Default: 5 seconds.
    pub lock_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            state_dir: None,
            ephemeral: false,
            settings: Vec::new(),
            database_url: None,
            bin_dir: None,
            user: None,
            install: false,
            lock_timeout: Duration::from_secs(5),
        }
    }
}

impl Options {
    /// The defaults, with `DATABASE_URL`, `AUTOPILOT_PG_BIN` and `AUTOPILOT_PG_USER` of the
    /// environment over them. A variable that is empty counts as not set.
    pub fn from_env() -> Self {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            database_url: variable("DATABASE_URL"),
            bin_dir: variable("AUTOPILOT_PG_BIN").map(PathBuf::from),
            user: variable("AUTOPILOT_PG_USER"),
            ..Self::default()
        }
    }
}
