//! `graphile_worker`: deletes finished jobs; local queue and batched completion.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, RawJobSpec, TaskHandler, Worker,
    WorkerContext, WorkerOptions, WorkerUtils,
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinHandle;

use crate::handler;
use crate::queue::{Goal, Queue};

const SCHEMA: &str = "graphile_worker";
const COMPLETION_DELAY: Duration = Duration::from_millis(5);
const LOCAL_QUEUE: usize = 500;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Noop {
    n: i64,
}

impl TaskHandler for Noop {
    const IDENTIFIER: &'static str = "noop";

    async fn run(self, _: WorkerContext) -> impl IntoTaskHandlerResult {
        handler::handle(self.n);
        Ok::<(), String>(())
    }
}

#[derive(Clone)]
pub struct GraphileWorker {
    pool: PgPool,
    utils: Arc<WorkerUtils>,
    goal: Goal,
}

/// A worker and the task that it runs in.
pub struct Running {
    worker: Arc<Worker>,
    task: JoinHandle<Result<()>>,
}

fn concurrency(goal: Goal) -> usize {
    match goal {
        Goal::Throughput => 24,
        Goal::Latency => 16,
    }
}

impl Queue for GraphileWorker {
    const SYSTEM: &'static str = "graphile_worker";
    const PACKAGE: &'static str = "graphile_worker";
    const UNFINISHED: &'static str = "SELECT EXISTS (SELECT FROM graphile_worker._private_jobs)";
    type Worker = Running;

    fn settings(goal: Goal) -> String {
        let concurrency = concurrency(goal);
        format!(
            "local queue {LOCAL_QUEUE}, completion batched for 5 ms, concurrency {concurrency}, \
             LISTEN/NOTIFY, bulk by add_raw_jobs; finished jobs are deleted"
        )
    }

    async fn connect(url: &str, connections: u32, goal: Goal) -> Result<Self> {
        let pool = PgPoolOptions::new().max_connections(connections).connect(url).await?;
        let utils = Arc::new(WorkerUtils::new(pool.clone(), SCHEMA));
        utils.migrate().await.context("cannot migrate")?;
        Ok(Self { pool, utils, goal })
    }

    async fn enqueue(&self, n: i64) -> Result<()> {
        self.utils.add_job(Noop { n }, JobSpec::default()).await?;
        Ok(())
    }

    async fn enqueue_batch(&self, batch: Vec<i64>) -> Result<()> {
        let jobs = batch
            .into_iter()
            .map(|n| {
                Ok(RawJobSpec {
                    identifier: Noop::IDENTIFIER.to_owned(),
                    payload: serde_json::to_value(Noop { n })?,
                    spec: JobSpec::default(),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        self.utils.add_raw_jobs(&jobs).await?;
        Ok(())
    }

    async fn start_worker(&self) -> Result<Self::Worker> {
        let worker = WorkerOptions::default()
            .pg_pool(self.pool.clone())
            .schema(SCHEMA)
            .concurrency(concurrency(self.goal))
            .complete_job_batch_delay(COMPLETION_DELAY)
            .fail_job_batch_delay(COMPLETION_DELAY)
            .local_queue(LocalQueueConfig::default().with_size(LOCAL_QUEUE))
            .define_job::<Noop>()
            .init()
            .await
            .context("cannot start the worker")?;
        let worker = Arc::new(worker);
        let task = tokio::spawn({
            let worker = Arc::clone(&worker);
            async move { Ok(worker.run().await?) }
        });
        Ok(Running { worker, task })
    }

    async fn stop_worker(worker: Self::Worker) -> Result<()> {
        worker.worker.request_shutdown();
        worker.task.await?
    }
}
