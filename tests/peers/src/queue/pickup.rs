//! How long a job waits for its handler, on an idle queue and under load.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::Instant;

use crate::answer::{Figures, rounded};
use crate::args::Args;
use crate::clock;
use crate::database::Monitor;
use crate::handler::{Sample, WARM_UP};
use crate::queue::worker_process::WorkerProcess;
use crate::queue::{Goal, Queue, wait_until_finished};

const CONNECTIONS: u32 = 4;
const WARM_UPS: u32 = 20;
/// The open loop enqueues one batch a tick.
const TICK: Duration = Duration::from_millis(10);
const TICKS_PER_SECOND: u64 = 100;
const POLL: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(120);

/// One job at a time on an idle queue.
pub async fn idle<Q: Queue>(url: &str, args: &Args) -> Result<Figures> {
    let jobs: u32 = args.get("jobs", 500)?;
    let bench = Bench::<Q>::start(url).await?;
    for _ in 0..jobs {
        pause().await;
        bench.queue.enqueue(clock::now()).await?;
    }
    let (samples, _) = bench.finish().await?;
    ensure!(samples.len() == jobs as usize, "{} of {jobs} jobs were handled", samples.len());
    let mut latencies = latencies(&samples);
    Ok(Figures {
        p50_ms: clock::percentile_ms(&mut latencies, 0.5),
        p99_ms: clock::percentile_ms(&mut latencies, 0.99),
        ..Figures::default()
    })
}

/// A steady rate in an open loop.
pub async fn loaded<Q: Queue>(url: &str, args: &Args) -> Result<Figures> {
    let load = Load::from_args(args, 1_000, 60)?;
    let bench = Bench::<Q>::start(url).await?;
    let start = load.produce(&bench.queue).await?;
    let (samples, _) = bench.finish().await?;
    let mut latencies = latencies(&samples);
    let last = samples.iter().map(|sample| sample.started).max().context("nothing was handled")?;
    let handled = samples.len() as f64 / ((last - start) as f64 / 1e9);
    Ok(Figures {
        rate: Some(rounded(handled)),
        p50_ms: clock::percentile_ms(&mut latencies, 0.5),
        p99_ms: clock::percentile_ms(&mut latencies, 0.99),
        p99_by_window_ms: Some(by_window(&samples, start, Duration::from_secs(10), 0.99)),
        ..Figures::default()
    })
}

/// A producer in this process and a worker, already warm, in another.
pub(super) struct Bench<Q> {
    pub(super) queue: Q,
    worker: WorkerProcess,
    monitor: Monitor,
}

impl<Q: Queue> Bench<Q> {
    pub(super) async fn start(url: &str) -> Result<Self> {
        Self::start_through(url, url).await
    }

    /// The worker's process takes another way to the same database.
    pub(super) async fn start_through(url: &str, way: &str) -> Result<Self> {
        let queue = Q::connect(url, CONNECTIONS, Goal::Latency).await?;
        let worker = WorkerProcess::start(Q::SYSTEM, way).await?;
        let mut monitor = Monitor::connect(url).await?;
        for _ in 0..WARM_UPS {
            queue.enqueue(WARM_UP).await?;
            pause().await;
        }
        wait_until_finished(&queue, &mut monitor, POLL, PATIENCE).await?;
        eprintln!("{}: warm", Q::SYSTEM);
        Ok(Self { queue, worker, monitor })
    }

    pub(super) async fn finish(mut self) -> Result<(Vec<Sample>, Monitor)> {
        wait_until_finished(&self.queue, &mut self.monitor, POLL, PATIENCE).await?;
        Ok((self.worker.stop().await?, self.monitor))
    }
}

/// How much the open loop enqueues, and for how long.
pub(super) struct Load {
    rate: u64,
    seconds: u64,
}

impl Load {
    pub(super) fn from_args(args: &Args, rate: u64, seconds: u64) -> Result<Self> {
        let load = Self { rate: args.get("rate", rate)?, seconds: args.get("seconds", seconds)? };
        ensure!(load.rate > 0 && load.seconds > 0, "`--rate` and `--seconds` must be positive");
        Ok(load)
    }

    /// Enqueues a batch every tick; late batches follow at once. Returns the moment of the first.
    ///
    /// Gives up after twice the time: a system that cannot take the rate has shown so by then.
    pub(super) async fn produce<Q: Queue>(&self, queue: &Q) -> Result<i64> {
        let (start, begun) = (clock::now(), Instant::now());
        let (mut offset, mut enqueued) = (Duration::ZERO, 0);
        for tick in 1..=self.seconds * TICKS_PER_SECOND {
            let due = start + clock::nanoseconds(offset);
            tokio::time::sleep_until(begun + offset).await;
            if begun.elapsed() > Duration::from_secs(2 * self.seconds) {
                eprintln!("{}: gave up at {enqueued} jobs, too slow", Q::SYSTEM);
                break;
            }
            let size = self.rate * tick / TICKS_PER_SECOND - enqueued;
            if size > 0 {
                queue.enqueue_batch(vec![due; usize::try_from(size)?]).await?;
                enqueued += size;
            }
            offset += TICK;
        }
        Ok(start)
    }
}

/// 30 to 70 ms, so that enqueues do not fall into step with a poll.
async fn pause() {
    tokio::time::sleep(Duration::from_micros(rand::random_range(30_000..70_000))).await;
}

fn latencies(samples: &[Sample]) -> Vec<i64> {
    samples.iter().map(|sample| sample.started - sample.due).collect()
}

/// A percentile for each window of due times. Windows without a sample are left out.
pub(super) fn by_window(
    samples: &[Sample],
    start: i64,
    window: Duration,
    percentile: f64,
) -> Vec<f64> {
    let mut windows = std::collections::BTreeMap::<i64, Vec<i64>>::new();
    for sample in samples {
        let index = (sample.due - start) / clock::nanoseconds(window).max(1);
        windows.entry(index).or_default().push(sample.started - sample.due);
    }
    windows
        .into_values()
        .filter_map(|mut latencies| clock::percentile_ms(&mut latencies, percentile))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_fall_into_the_window_of_their_due_time() {
        let second = 1_000_000_000;
        let samples = [
            Sample { due: 5 * second, started: 6 * second },
            Sample { due: 14 * second, started: 30 * second },
            Sample { due: 15 * second, started: 17 * second },
        ];
        let p99 = by_window(&samples, 5 * second, Duration::from_secs(10), 0.99);
        assert_eq!(p99, [16_000.0, 2_000.0]);
    }
}
