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

use crate::database::Monitor;
use crate::handler;
use crate::queue::{Goal, Queue};

const UNFINISHED: &str = "SELECT EXISTS (SELECT FROM graphile_worker._private_jobs)";
const SCHEMA: &str = "graphile_worker";
const COMPLETION_DELAY: Duration = Duration::from_millis(5);

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

/// What a goal asks of the worker; the crate's guide names these three as the knobs to tune.
struct Tuning {
    concurrency: usize,
    local_queues: usize,
    /// Jobs that each local queue fetches and holds.
    size: usize,
}

impl Tuning {
    fn of(goal: Goal) -> Self {
        match goal {
            Goal::Throughput => Self { concurrency: 100, local_queues: 2, size: 1_250 },
            Goal::Latency => Self { concurrency: 16, local_queues: 1, size: 500 },
        }
    }
}

impl Queue for GraphileWorker {
    const SYSTEM: &'static str = "graphile_worker";
    const PACKAGE: &'static str = "graphile_worker";
    type Worker = Running;

    fn settings(goal: Goal) -> String {
        let Tuning { concurrency, local_queues, size } = Tuning::of(goal);
        format!(
            "{local_queues} local queue(s) of {size}, completion batched for 5 ms, concurrency \
             {concurrency}, LISTEN/NOTIFY, bulk by add_raw_jobs; finished jobs are deleted"
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

    async fn unfinished(&self, monitor: &mut Monitor) -> Result<bool> {
        monitor.ask(UNFINISHED).await
    }

    async fn start_worker(&self) -> Result<Self::Worker> {
        let Tuning { concurrency, local_queues, size } = Tuning::of(self.goal);
        let local_queue =
            LocalQueueConfig::default().with_size(size).with_queue_count(local_queues);
        let worker = WorkerOptions::default()
            .pg_pool(self.pool.clone())
            .schema(SCHEMA)
            .concurrency(concurrency)
            .complete_job_batch_delay(COMPLETION_DELAY)
            .fail_job_batch_delay(COMPLETION_DELAY)
            .local_queue(local_queue)
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
