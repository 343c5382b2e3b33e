//! How fast jobs come in, with no worker running.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::answer::{Figures, rounded};
use crate::args::Args;
use crate::clock;
use crate::load::closed_loop;
use crate::queue::{Goal, Queue};

const MOST_CONNECTIONS: u32 = 64;

/// Many callers, one job a call.
pub async fn single<Q: Queue>(url: &str, args: &Args) -> Result<Figures> {
    let callers: u32 = args.get("callers", 64)?;
    let seconds = Duration::from_secs(args.get("seconds", 5)?);
    let queue = Q::connect(url, callers.min(MOST_CONNECTIONS), Goal::Throughput).await?;
    let (mut latencies, elapsed) = closed_loop(callers, seconds, move |n| {
        let queue = queue.clone();
        async move { queue.enqueue(n).await }
    })
    .await?;
    Ok(Figures {
        rate: Some(rounded(latencies.len() as f64 / elapsed.as_secs_f64())),
        p50_ms: clock::percentile_ms(&mut latencies, 0.5),
        p99_ms: clock::percentile_ms(&mut latencies, 0.99),
        ..Figures::default()
    })
}

/// A few callers, many jobs a call.
pub async fn batch<Q: Queue>(url: &str, args: &Args) -> Result<Figures> {
    let size: i64 = args.get("batch", 500)?;
    ensure!(size > 0, "`--batch` must be positive");
    let callers: u32 = args.get("callers", 4)?;
    let seconds = Duration::from_secs(args.get("seconds", 5)?);
    let queue = Q::connect(url, callers.min(MOST_CONNECTIONS), Goal::Throughput).await?;
    let (calls, elapsed) = closed_loop(callers, seconds, move |n| {
        let queue = queue.clone();
        let first = n * size;
        async move { queue.enqueue_batch((first..first + size).collect()).await }
    })
    .await?;
    let rows = calls.len() as f64 * size as f64;
    Ok(Figures { rate: Some(rounded(rows / elapsed.as_secs_f64())), ..Figures::default() })
}
