//! The database and the worker that the measurements share.

use std::error::Error;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use autopilot_engine::{MIGRATOR, Registry, Starter, Worker, WorkerConfig, WorkerError};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, PgPool};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A database to put load on.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    options: PgConnectOptions,
}

impl Target {
    /// The database of `DATABASE_URL`.
    pub(crate) fn from_environment() -> Result<Self, Box<dyn Error>> {
        let url = std::env::var("DATABASE_URL").map_err(|_error| "DATABASE_URL is not set")?;
        Ok(Self { options: PgConnectOptions::from_str(&url)?.ssl_mode(PgSslMode::Disable) })
    }

    /// As another process of ours is told it.
    pub(crate) fn url(&self) -> String {
        self.options.to_url_lossy().to_string()
    }

    /// Where the server listens.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.options.get_host(), self.options.get_port())
    }

    /// The same database through a relay on the loopback.
    pub(crate) fn through(&self, port: u16) -> Self {
        Self { options: self.options.clone().host("127.0.0.1").port(port) }
    }

    /// A database of the same server that is named after this one; dropped and made anew where it is there already.
    pub(crate) async fn beside(&self, suffix: &str) -> Result<Self, Box<dyn Error>> {
        let name = format!("{}_{suffix}", self.options.get_database().ok_or("no database named")?);
        let beside = Self { options: self.options.clone().database(&name) };
        self.drop_beside(&beside).await?;
        self.execute(format!("CREATE DATABASE \"{name}\"")).await?;
        Ok(beside)
    }

    /// Drops a database that [`beside`](Self::beside) made.
    pub(crate) async fn drop_beside(&self, beside: &Self) -> Result<(), Box<dyn Error>> {
        let name = beside.options.get_database().ok_or("no database named")?;
        self.execute(format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).await
    }

    async fn execute(&self, sql: String) -> Result<(), Box<dyn Error>> {
        let mut connection = self.connect().await?;
        connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await?;
        Ok(connection.close().await?)
    }

    /// A connection of its own.
    pub(crate) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        self.options.connect().await
    }

    /// A pool of connections.
    pub(crate) async fn pool(&self) -> Result<PgPool, sqlx::Error> {
        PgPoolOptions::new().max_connections(16).connect_with(self.options.clone()).await
    }
}

/// The pool of a database, migrated.
pub(crate) async fn database(target: &Target) -> Result<PgPool, Box<dyn Error>> {
    let pool = target.pool().await?;
    MIGRATOR.run(&pool).await?;
    Ok(pool)
}

/// A worker that runs in this process.
pub(crate) struct Fleet {
    /// Starts jobs in this process.
    pub(crate) starter: Starter,
    stop: CancellationToken,
    task: JoinHandle<Result<(), WorkerError>>,
}

impl Fleet {
    /// Starts a worker with so many slots.
    pub(crate) fn start<A: Send + Sync + 'static>(
        pool: &PgPool,
        app: &Arc<A>,
        registry: Registry<A>,
        slots: usize,
        batch: usize,
    ) -> Self {
        let config = WorkerConfig {
            queues: vec![("default".to_owned(), slots)],
            claim_batch: batch,
            ..WorkerConfig::default()
        };
        let worker = Worker::new(pool.clone(), Arc::clone(app), Arc::new(registry), config);
        let starter = worker.starter();
        let stop = CancellationToken::new();
        let task = tokio::spawn(worker.run_until(stop.clone()));
        Self { starter, stop, task }
    }

    /// Drains it.
    pub(crate) async fn stop(self) -> Result<(), Box<dyn Error>> {
        self.stop.cancel();
        Ok(self.task.await??)
    }
}

/// Waits until no job is left.
pub(crate) async fn until_empty(pool: &PgPool) -> Result<(), sqlx::Error> {
    loop {
        let left: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM engine.job)").fetch_one(pool).await?;
        if !left {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
