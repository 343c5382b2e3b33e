//! How fast a backlog is worked off.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::Instant;

use crate::answer::{Figures, rounded};
use crate::args::Args;
use crate::database::Monitor;
use crate::handler;
use crate::queue::{Goal, Queue, wait_until_finished};

const CONNECTIONS: u32 = 32;
const BATCH: usize = 1_000;
/// Without a single handled job for so long, the run has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Enqueues untimed, then takes the time from the worker's start to the last durable completion.
pub async fn drain<Q: Queue>(url: &str, args: &Args) -> Result<Figures> {
    let jobs: i64 = args.get("jobs", 50_000)?;
    ensure!(jobs > 0, "`--jobs` must be positive");
    let queue = Q::connect(url, CONNECTIONS, Goal::Throughput).await?;
    let mut monitor = Monitor::connect(url).await?;
    let numbers: Vec<i64> = (1..=jobs).collect();
    for batch in numbers.chunks(BATCH) {
        queue.enqueue_batch(batch.to_vec()).await?;
    }
    eprintln!("{}: {jobs} jobs enqueued", Q::SYSTEM);

    let start = Instant::now();
    let worker = queue.start_worker().await?;
    wait_until_handled(u64::try_from(jobs)?).await?;
    eprintln!("{}: all handled after {:?}", Q::SYSTEM, start.elapsed());
    wait_until_finished(&queue, &mut monitor, Duration::from_millis(5), PATIENCE).await?;
    let elapsed = start.elapsed();
    Q::stop_worker(worker).await.context("the worker does not stop")?;

    Ok(Figures { rate: Some(rounded(jobs as f64 / elapsed.as_secs_f64())), ..Figures::default() })
}

/// Watches the handler's counter until it says `jobs`.
async fn wait_until_handled(jobs: u64) -> Result<()> {
    let mut last = (handler::handled(), Instant::now());
    loop {
        let handled = handler::handled();
        if handled >= jobs {
            return Ok(());
        }
        if handled != last.0 {
            last = (handled, Instant::now());
        }
        ensure!(last.1.elapsed() < PATIENCE, "the worker stands still at {handled} of {jobs} jobs");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
