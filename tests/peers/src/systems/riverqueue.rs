//! River for Rust: keeps finished jobs; batch completer (always on).

use std::time::Duration;

use anyhow::Result;
use riverqueue::migrate::PostgresMigrator;
use riverqueue::{
    BoxError, Client, Job, JobArgs, QueueConfig, RunHandle, WorkContext, WorkOutcome, Workers,
};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;

use crate::database::Monitor;
use crate::handler;
use crate::queue::{Goal, Queue};

const UNFINISHED: &str = "SELECT EXISTS (SELECT FROM river_job WHERE state IN \
         ('available', 'pending', 'retryable', 'running', 'scheduled'))";

/// The least that River allows. Producers fetch, and inserters notify, at most once in this time.
const FETCH_COOLDOWN: Duration = Duration::from_millis(1);

#[derive(Debug, Clone, Serialize, Deserialize, JobArgs)]
#[river(kind = "noop")]
struct Noop {
    n: i64,
}

async fn noop(_: WorkContext, job: Job<Noop>) -> Result<WorkOutcome, BoxError> {
    handler::handle(job.args.n);
    Ok(WorkOutcome::Complete)
}

#[derive(Clone)]
pub struct River {
    client: Client,
}

/// From a thousand free slots on, River fetches by two statements at once.
fn max_workers(goal: Goal) -> usize {
    match goal {
        Goal::Throughput => 2_000,
        Goal::Latency => 200,
    }
}

impl Queue for River {
    const SYSTEM: &'static str = "riverqueue";
    const PACKAGE: &'static str = "riverqueue";
    type Worker = RunHandle;

    fn settings(goal: Goal) -> String {
        let max_workers = max_workers(goal);
        match goal {
            Goal::Throughput => format!(
                "batch completer, max_workers {max_workers}, fetch cooldown 1 ms for the worker \
                 and the default 100 ms for notifications, bulk by insert_many"
            ),
            Goal::Latency => format!(
                "batch completer, max_workers {max_workers}, fetch cooldown 1 ms, \
                 LISTEN/NOTIFY, bulk by insert_many"
            ),
        }
    }

    async fn connect(url: &str, connections: u32, goal: Goal) -> Result<Self> {
        let pool = PgPoolOptions::new().max_connections(connections).connect(url).await?;
        PostgresMigrator::new(pool.clone()).migrate_up().await?;
        let mut workers = Workers::new();
        workers.add_fn(noop)?;
        let queue = QueueConfig::new(max_workers(goal)).with_fetch_cooldown(FETCH_COOLDOWN);
        let client = Client::builder(pool).workers(workers).queue("default", queue);
        let client = match goal {
            Goal::Throughput => client,
            Goal::Latency => client.fetch_cooldown(FETCH_COOLDOWN),
        };
        Ok(Self { client: client.build()? })
    }

    async fn enqueue(&self, n: i64) -> Result<()> {
        self.client.insert(Noop { n }).await?;
        Ok(())
    }

    async fn enqueue_batch(&self, batch: Vec<i64>) -> Result<()> {
        self.client.insert_many(batch.into_iter().map(|n| Noop { n })).await?;
        Ok(())
    }

    async fn unfinished(&self, monitor: &mut Monitor) -> Result<bool> {
        monitor.ask(UNFINISHED).await
    }

    async fn start_worker(&self) -> Result<Self::Worker> {
        Ok(self.client.start()?)
    }

    async fn stop_worker(mut worker: Self::Worker) -> Result<()> {
        Ok(worker.stop().await?)
    }
}
