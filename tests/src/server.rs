//! A database server of its own for a trial, that may be killed.

use std::path::Path;
use std::time::{Duration, Instant};

use autopilot_postgres::{Cluster, Options};
use rustix::process::{Pid, Signal, kill_process};
use tokio::task::{block_in_place, spawn_blocking};

/// How long a server that has no room may fail to start again.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server in a folder.
pub(crate) struct Server {
    cluster: Cluster,
    pub(crate) url: String,
}

impl Server {
    /// Starts one with these settings, and a database.
    pub(crate) async fn start(folder: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start_as(folder, settings, false).await
    }

    /// The same for what need not outlive a crash: faster.
    pub(crate) async fn ephemeral(folder: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start_as(folder, settings, true).await
    }

    async fn start_as(folder: &Path, settings: &[(&str, &str)], ephemeral: bool) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let options = Options {
            database_url: None,
            state_dir: Some(folder.join("server")),
            install: true,
            ephemeral,
            lock_timeout: Duration::ZERO,
            settings: settings.iter().map(owned).collect(),
            ..Options::from_env()
        };
        let cluster = spawn_blocking(move || Cluster::start(&options)).await.expect("no panic");
        let cluster = cluster.expect("the server starts");
        block_in_place(|| cluster.ensure_database("chaos")).expect("the database is made");
        let url = cluster.url("chaos");
        Self { cluster, url }
    }

    /// Ends it as a crash does: all of its processes at once, or by a signal that nobody can handle to the first of them.
    pub(crate) fn crash(&mut self, by_kill: bool) {
        if by_kill {
            let pid = i32::try_from(self.cluster.pid()).ok().and_then(Pid::from_raw);
            // Who is gone already needs no signal.
            let _gone = pid.map(|pid| kill_process(pid, Signal::KILL));
        } else {
            block_in_place(|| self.cluster.crash());
        }
    }

    /// Starts it again, as whoever looks after servers does; it may have no room for that yet.
    pub(crate) fn restart(&mut self) {
        let until = Instant::now() + PATIENCE;
        while let Err(error) = block_in_place(|| self.cluster.restart()) {
            assert!(Instant::now() < until, "the server does not start again: {error:?}");
        }
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.cluster.exited().is_some()
    }
}
