//! underway: a queue whose jobs may have steps; each step is a task of its own.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use anyhow::{Context, Result};
use jiff01::{Span, ToSpan};
use serde::{Deserialize, Serialize};
use sqlx08::postgres::PgPoolOptions;
use sqlx08::{PgPool, Postgres, Transaction};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use underway::{Job, Task, To, Worker};

use crate::database::Monitor;
use crate::handler::{self, Payload};
use crate::queue::{Goal, Queue};
use crate::workflow::Engine;

const UNFINISHED: &str = "SELECT EXISTS (SELECT FROM underway.task \
         WHERE state IN ('pending', 'in_progress'))";
const CONNECTIONS: u32 = 64;
const QUEUE: &str = "noop";
const JOB: &str = "seven_steps";

/// More slots raise the rate of a backlog; workflows and single jobs only contend more.
fn concurrency(goal: Goal) -> usize {
    match goal {
        Goal::Throughput => 32,
        Goal::Latency => 16,
    }
}

/// A worker takes one more slot into use at each poll, so a backlog wants a short one.
fn poll_milliseconds(goal: Goal) -> i64 {
    match goal {
        Goal::Throughput => 5,
        Goal::Latency => 100,
    }
}

/// A worker's task, and the worker to stop it by.
pub struct Running<T: Task> {
    worker: Worker<T>,
    task: JoinHandle<Result<()>>,
}

impl<T: Task + Sync> Running<T> {
    fn start(mut worker: Worker<T>, goal: Goal) -> Self {
        worker.set_concurrency_limit(concurrency(goal));
        let period: Span = poll_milliseconds(goal).milliseconds();
        let task = tokio::spawn({
            let worker = worker.clone();
            async move { Ok(worker.run_every(period).await?) }
        });
        Self { worker, task }
    }

    async fn stop(self) -> Result<()> {
        self.worker.shutdown();
        self.task.await?
    }
}

async fn migrated_pool(url: &str, connections: u32) -> Result<PgPool> {
    let pool = PgPoolOptions::new().max_connections(connections).connect(url).await?;
    // The future of underway's migrations is not `Send`, so no other thread may take it over.
    tokio::task::block_in_place(|| Handle::current().block_on(underway::run_migrations(&pool)))
        .context("cannot migrate")?;
    Ok(pool)
}

#[derive(Clone)]
pub struct Noop;

impl Task for Noop {
    type Input = Payload;
    type Output = ();

    async fn execute(
        &self,
        _: Transaction<'_, Postgres>,
        input: Self::Input,
    ) -> underway::task::Result<Self::Output> {
        handler::handle(input.n);
        Ok(())
    }
}

#[derive(Clone)]
pub struct UnderwayQueue {
    pool: PgPool,
    queue: Arc<underway::Queue<Noop>>,
    goal: Goal,
}

impl Queue for UnderwayQueue {
    const SYSTEM: &'static str = "underway";
    const PACKAGE: &'static str = "underway";
    type Worker = Running<Noop>;

    fn settings(goal: Goal) -> String {
        format!(
            "concurrency {}, LISTEN/NOTIFY and a poll every {} ms, bulk by enqueue_multi",
            concurrency(goal),
            poll_milliseconds(goal)
        )
    }

    async fn connect(url: &str, connections: u32, goal: Goal) -> Result<Self> {
        let pool = migrated_pool(url, connections).await?;
        let queue = underway::Queue::builder().name(QUEUE).pool(pool.clone()).build().await?;
        Ok(Self { pool, queue: Arc::new(queue), goal })
    }

    async fn enqueue(&self, n: i64) -> Result<()> {
        self.queue.enqueue(&self.pool, &Noop, &Payload { n }).await?;
        Ok(())
    }

    async fn enqueue_batch(&self, batch: Vec<i64>) -> Result<()> {
        let inputs: Vec<Payload> = batch.into_iter().map(|n| Payload { n }).collect();
        self.queue.enqueue_multi(&self.pool, &Noop, &inputs).await?;
        Ok(())
    }

    async fn unfinished(&self, monitor: &mut Monitor) -> Result<bool> {
        monitor.ask(UNFINISHED).await
    }

    async fn start_worker(&self) -> Result<Self::Worker> {
        Ok(Running::start(Worker::new(Arc::clone(&self.queue), Noop), self.goal))
    }

    async fn stop_worker(worker: Self::Worker) -> Result<()> {
        worker.stop().await
    }
}

/// Callers that wait for their workflow: underway has no call to await a job's end.
static WAITING: LazyLock<Mutex<HashMap<i64, oneshot::Sender<i64>>>> = LazyLock::new(Mutex::default);

/// What one step hands to the next.
#[derive(Debug, Serialize, Deserialize)]
struct Progress {
    n: i64,
    sum: i64,
}

impl Progress {
    fn after(self, step: i64) -> Self {
        Self { n: self.n, sum: self.sum + step }
    }
}

type SevenSteps = Job<Progress, ()>;

#[derive(Clone)]
pub struct UnderwayJobs {
    job: Arc<SevenSteps>,
    running: Arc<Running<SevenSteps>>,
}

async fn seven_steps(pool: &PgPool) -> Result<SevenSteps> {
    let job = Job::builder()
        .step(|_, progress: Progress| async move { To::next(progress.after(1)) })
        .step(|_, progress: Progress| async move { To::next(progress.after(2)) })
        .step(|_, progress: Progress| async move { To::next(progress.after(3)) })
        .step(|_, progress: Progress| async move { To::next(progress.after(4)) })
        .step(|_, progress: Progress| async move { To::next(progress.after(5)) })
        .step(|_, progress: Progress| async move { To::next(progress.after(6)) })
        .step(|_, progress: Progress| async move {
            let Progress { n, sum } = progress.after(7);
            if let Some(caller) = waiting().remove(&n) {
                let _ = caller.send(sum); // a caller that is gone needs no result
            }
            To::done()
        })
        .name(JOB)
        .pool(pool.clone())
        .build()
        .await?;
    Ok(job)
}

impl Engine for UnderwayJobs {
    const SYSTEM: &'static str = "underway";
    const PACKAGE: &'static str = "underway";

    fn settings() -> String {
        format!(
            "concurrency {}, LISTEN/NOTIFY and a poll every {} ms, pool of \
             {CONNECTIONS}; the last step tells the caller, just before its commit",
            concurrency(Goal::Latency),
            poll_milliseconds(Goal::Latency)
        )
    }

    async fn launch(url: &str) -> Result<Self> {
        let pool = migrated_pool(url, CONNECTIONS).await?;
        let running = Running::start(seven_steps(&pool).await?.worker(), Goal::Latency);
        // A job that works moves the step at which its own `enqueue` starts, so another enqueues.
        let job = seven_steps(&pool).await?;
        Ok(Self { job: Arc::new(job), running: Arc::new(running) })
    }

    async fn run(&self, n: i64) -> Result<i64> {
        let (sender, result) = oneshot::channel();
        waiting().insert(n, sender);
        self.job.enqueue(&Progress { n, sum: 0 }).await?;
        Ok(result.await?)
    }

    async fn stop(self) -> Result<()> {
        let running = Arc::into_inner(self.running).context("a caller still runs")?;
        running.stop().await
    }
}

fn waiting() -> std::sync::MutexGuard<'static, HashMap<i64, oneshot::Sender<i64>>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}
