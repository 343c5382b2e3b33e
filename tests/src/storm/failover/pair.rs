//! A primary and its hot standby, with a line between them that can be cut.

use std::path::Path;
use std::time::Duration;

use autopilot_engine::testing::eventually;
use autopilot_postgres::{Cluster, Options};
use tokio::task::{block_in_place, spawn_blocking};

use super::Replication;
use crate::Proxy;

/// What the standby is called at the primary.
const STANDBY: &str = "standby";

/// Two servers, both durable: what is lost is lost by the failover.
#[derive(Debug)]
pub(super) struct Pair {
    primary: Cluster,
    standby: Cluster,
    line: Proxy,
}

impl Pair {
    /// Starts both, and waits until the standby follows as it is to.
    pub(super) async fn start(folder: &Path, replication: Replication) -> Self {
        let options = |name: &str| Options {
            database_url: None,
            state_dir: Some(folder.join(name)),
            install: true,
            lock_timeout: Duration::ZERO,
            ..Options::from_env()
        };
        let (first, second) = (options("primary"), options("standby"));
        let primary = spawn_blocking(move || Cluster::start(&first)).await.expect("no panic");
        let primary = primary.expect("the primary starts");
        let line = Proxy::start(&primary.admin_url()).await;
        let port = line.port();
        let started = spawn_blocking(move || {
            let standby = primary.standby(&second, STANDBY, port);
            (primary, standby)
        });
        let (primary, standby) = started.await.expect("no panic");
        let pair = Self { primary, standby: standby.expect("the standby starts"), line };
        pair.follows("state = 'streaming'").await;
        if replication == Replication::Synchronous {
            pair.ask(&format!("ALTER SYSTEM SET synchronous_standby_names = {STANDBY}"));
            pair.ask("SELECT pg_reload_conf()");
            pair.follows("sync_state = 'sync'").await;
        }
        pair
    }

    /// Waits until the primary says this of its standby.
    async fn follows(&self, how: &str) {
        let sql = format!("SELECT count(*) FROM pg_stat_replication WHERE {how}");
        eventually("the standby follows", async || self.ask(&sql) == "1").await;
    }

    fn ask(&self, sql: &str) -> String {
        block_in_place(|| self.primary.query("postgres", sql)).expect("the primary answers")
    }

    /// The URL of a database at the primary, made if need be.
    pub(super) fn primary_url(&self, database: &str) -> String {
        block_in_place(|| self.primary.ensure_database(database)).expect("the database is made");
        self.primary.url(database)
    }

    pub(super) fn standby_url(&self, database: &str) -> String {
        self.standby.url(database)
    }

    /// What the primary writes from now on never reaches the standby.
    pub(super) fn cut_off(&self) {
        self.line.pass(false);
    }

    pub(super) fn kill_primary(&mut self) {
        self.primary.crash();
    }

    pub(super) fn promote(&self) {
        self.standby.promote().expect("the standby is promoted");
    }
}
