//! apalis with its Postgres backend: keeps finished jobs; large batches, NOTIFY beside a short poll.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use apalis::prelude::*;
use apalis_postgres::{Config, PostgresStorage, queries};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::database::Monitor;
use crate::handler::{self, Payload};
use crate::queue::{Goal, Queue};

const UNFINISHED: &str = "SELECT EXISTS (SELECT FROM apalis.jobs \
         WHERE status IN ('Pending', 'Queued', 'Running', 'Failed'))";
const QUEUE: &str = "noop";

async fn noop(job: Payload) -> Result<(), BoxDynError> {
    handler::handle(job.n);
    Ok(())
}

#[derive(Clone)]
pub struct Apalis {
    pool: PgPool,
    goal: Goal,
}

/// A worker's task, and what stops it.
pub struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), WorkerError>>,
}

/// The batch bounds both what a fetch claims and what a statement acknowledges.
fn batch_size(goal: Goal) -> usize {
    match goal {
        Goal::Throughput => 3_000,
        Goal::Latency => 200,
    }
}

/// The poll also finds jobs whose notification came while the worker was not listening for it.
fn poll_interval(goal: Goal) -> Duration {
    match goal {
        Goal::Throughput => Duration::from_millis(5),
        Goal::Latency => Duration::from_millis(50),
    }
}

impl Apalis {
    fn storage(&self) -> PostgresStorage<Payload> {
        let config =
            Config::default().queue(QUEUE).batch_size(batch_size(self.goal)).lock_tasks(false);
        PostgresStorage::new(&self.pool).with_config(config)
    }
}

impl Queue for Apalis {
    const SYSTEM: &'static str = "apalis-postgres";
    const PACKAGE: &'static str = "apalis-postgres";
    type Worker = Running;

    fn settings(goal: Goal) -> String {
        format!(
            "batch {}, no second lock, parallelize(tokio::spawn), LISTEN/NOTIFY and a poll every \
             {} ms, bulk by push_tasks",
            batch_size(goal),
            poll_interval(goal).as_millis()
        )
    }

    async fn connect(url: &str, connections: u32, goal: Goal) -> Result<Self> {
        let pool = PgPoolOptions::new().max_connections(connections).connect(url).await?;
        PostgresStorage::setup(&pool).await.context("cannot migrate")?;
        Ok(Self { pool, goal })
    }

    async fn enqueue(&self, n: i64) -> Result<()> {
        self.storage().push(Payload { n }).await.map_err(|error| anyhow!("cannot push: {error}"))
    }

    async fn enqueue_batch(&self, batch: Vec<i64>) -> Result<()> {
        let tasks = batch
            .into_iter()
            .map(|n| Ok(TaskBuilder::new(serde_json::to_vec(&Payload { n })?).build()))
            .collect::<Result<Vec<_>>>()?;
        let mut transaction = self.pool.begin().await?;
        queries::push_tasks(&mut *transaction, QUEUE, tasks).await?;
        Ok(transaction.commit().await?)
    }

    async fn unfinished(&self, monitor: &mut Monitor) -> Result<bool> {
        monitor.ask(UNFINISHED).await
    }

    async fn start_worker(&self) -> Result<Self::Worker> {
        let backend = self.storage().with_pubsub().poll_with_interval(poll_interval(self.goal));
        let worker = WorkerBuilder::new("peers").backend(backend).parallelize(tokio::spawn);
        let (stop, stopped) = oneshot::channel();
        let signal = async move {
            let _ = stopped.await; // a dropped sender is a stop as well
            Ok::<(), WorkerError>(())
        };
        let task = tokio::spawn(worker.build(noop).run_until(signal));
        Ok(Running { stop, task })
    }

    async fn stop_worker(worker: Self::Worker) -> Result<()> {
        drop(worker.stop);
        Ok(worker.task.await??)
    }
}
