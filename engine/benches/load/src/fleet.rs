//! The database and the worker that the measurements share.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use autopilot_engine::{MIGRATOR, Registry, Starter, Worker, WorkerConfig, WorkerError};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The pool of `DATABASE_URL`, migrated.
pub(crate) async fn database() -> Result<PgPool, Box<dyn Error>> {
    let pool = connect().await?;
    MIGRATOR.run(&pool).await?;
    Ok(pool)
}

/// The pool of `DATABASE_URL`.
pub(crate) async fn connect() -> Result<PgPool, Box<dyn Error>> {
    let url = std::env::var("DATABASE_URL").map_err(|_error| "DATABASE_URL is not set")?;
    Ok(PgPoolOptions::new().max_connections(16).connect(&url).await?)
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
