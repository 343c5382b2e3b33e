//! The works of a job queue, over the few operations in which the queues differ.

mod drain;
mod enqueue;
mod idle;
mod pickup;
mod snapshot;
mod worker_process;

use std::future::Future;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use crate::answer::Figures;
use crate::args::Args;
use crate::database::Monitor;
use crate::{NotOffered, Outcome};

pub use worker_process::WORKER;

/// All works that a queue can be asked for.
pub const WORKS: &[&str] = &[
    "drain",
    "enqueue-single",
    "enqueue-batch",
    "pickup",
    "loaded-pickup",
    "snapshot",
    "planetscale",
    "idle",
];

/// What the settings of a system may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Jobs per second: large batches, high concurrency.
    Throughput,
    /// The time from the enqueue call to the handler's start.
    Latency,
}

/// A job queue under test. Cloning shares its connection pool.
pub trait Queue: Clone + Send + Sync + 'static {
    /// The name in answers.
    const SYSTEM: &'static str;
    /// The package in Cargo.lock whose version the answers name.
    const PACKAGE: &'static str;
    /// A running worker.
    type Worker: Send;

    /// The settings as an answer states them.
    fn settings(goal: Goal) -> String;

    /// Opens a pool of at most `connections` and migrates the schema.
    fn connect(
        url: &str,
        connections: u32,
        goal: Goal,
    ) -> impl Future<Output = Result<Self>> + Send;

    /// Enqueues one job through the system's public call for one.
    fn enqueue(&self, n: i64) -> impl Future<Output = Result<()>> + Send;

    /// Enqueues one job per number through the system's bulk call, in one commit.
    fn enqueue_batch(&self, batch: Vec<i64>) -> impl Future<Output = Result<()>> + Send;

    /// Does the database hold an unfinished job?
    fn unfinished(&self, monitor: &mut Monitor) -> impl Future<Output = Result<bool>> + Send;

    /// Starts a worker whose jobs call [`crate::handler::handle`].
    fn start_worker(&self) -> impl Future<Output = Result<Self::Worker>> + Send;

    /// Stops the worker gracefully.
    fn stop_worker(worker: Self::Worker) -> impl Future<Output = Result<()>> + Send;
}

/// Runs one work with a queue.
pub async fn run<Q: Queue>(work: &str, url: &str, args: &Args) -> Outcome {
    let (goal, figures): (Goal, Figures) = match work {
        "drain" => (Goal::Throughput, drain::drain::<Q>(url, args).await?),
        "enqueue-single" => (Goal::Throughput, enqueue::single::<Q>(url, args).await?),
        "enqueue-batch" => (Goal::Throughput, enqueue::batch::<Q>(url, args).await?),
        "pickup" => (Goal::Latency, pickup::idle::<Q>(url, args).await?),
        "loaded-pickup" => (Goal::Latency, pickup::loaded::<Q>(url, args).await?),
        "snapshot" => (Goal::Latency, snapshot::one::<Q>(url, args).await?),
        "planetscale" => (Goal::Latency, snapshot::overlapping::<Q>(url, args).await?),
        "idle" => (Goal::Latency, idle::measure::<Q>(url, args).await?),
        WORKER => return worker_process::serve::<Q>(url).await.map(|()| None),
        _ => return Err(NotOffered { system: Q::SYSTEM, work: work.to_owned() }.into()),
    };
    Ok(Some(figures.of(Q::SYSTEM, Q::PACKAGE, work, Q::settings(goal))?))
}

/// Polls until the database shows no unfinished job.
///
/// Fails after `patience`: the system has lost jobs or stands still.
async fn wait_until_finished<Q: Queue>(
    queue: &Q,
    monitor: &mut Monitor,
    interval: Duration,
    patience: Duration,
) -> Result<()> {
    let deadline = Instant::now() + patience;
    while queue.unfinished(monitor).await? {
        ensure!(
            Instant::now() < deadline,
            "the table still shows unfinished jobs after {} s",
            patience.as_secs()
        );
        tokio::time::sleep(interval).await;
    }
    Ok(())
}
