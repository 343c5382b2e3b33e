//! A worker process of a test, which can be stopped in good order or killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::pooler;
use super::wait::{PATIENCE, eventually};
use crate::worker::WorkerError;

/// A worker that runs in this process as if it were one of its own.
#[must_use = "a process runs until it is stopped or killed"]
pub struct Process {
    stop: CancellationToken,
    pool: PgPool,
    alive: Arc<AtomicI64>,
    task: JoinHandle<Result<(), WorkerError>>,
}

impl Process {
    /// A process that has just been started; `alive` counts those of its world that were neither stopped nor killed.
    pub(crate) fn new(
        task: JoinHandle<Result<(), WorkerError>>,
        stop: CancellationToken,
        pool: PgPool,
        alive: Arc<AtomicI64>,
    ) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self { stop, pool, alive, task }
    }

    /// Asks it to stop, and waits until it has drained.
    ///
    /// # Panics
    /// When it does not end in time, or ends with an error.
    pub async fn stop(self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
        self.stop.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.expect("the worker drains in time").expect("the worker does not panic").unwrap();
    }

    /// Asks it to stop and does not wait.
    pub fn ask_to_stop(&self) {
        self.stop.cancel();
    }

    /// Kills it: nothing more is written, and nobody is told. Its heart has stopped when this returns: a last beat on
    /// its way would make it look alive at whatever time the clock is moved to.
    ///
    /// # Panics
    /// When its heart goes on.
    pub async fn kill(self) {
        let alive = self.alive.fetch_sub(1, Ordering::Relaxed) - 1;
        self.task.abort();
        drop(self.task.await);
        eventually("its heart stops", async || hearts(&self.pool).await <= alive).await;
    }
}

/// How many hearts beat in a database.
async fn hearts(pool: &PgPool) -> i64 {
    let (hearts, beats): (i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE state = 'active') FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE '%heartbeat'",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    let Some(way) = pooler::way() else { return hearts };
    let options = pool.connect_options();
    beats + pooler::hearts(&way, options.get_database().unwrap_or_default()).await
}
