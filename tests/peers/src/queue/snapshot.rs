//! A steady rate while old snapshots keep every dead row version: one from the start, or readers that overlap.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::task::JoinSet;

use crate::answer::Figures;
use crate::args::Args;
use crate::database::{HeldSnapshot, read_over_and_over};
use crate::queue::pickup::{Bench, Load, by_window};
use crate::queue::{Goal, Queue};

/// One snapshot, from the start to the end.
pub async fn one<Q: Queue>(url: &str, args: &Args) -> Result<Figures> {
    migrate::<Q>(url).await?;
    let held = HeldSnapshot::open(url).await?;
    let figures = load::<Q>(url, args, 180).await?;
    held.release().await?;
    Ok(figures)
}

/// Readers that each hold a snapshot for some time and then take a new one, in turn.
pub async fn overlapping<Q: Queue>(url: &str, args: &Args) -> Result<Figures> {
    let readers: u32 = args.get("readers", 3)?;
    let hold = Duration::from_secs(args.get("hold", 120)?);
    ensure!(readers > 0 && !hold.is_zero(), "`--readers` and `--hold` must be positive");
    migrate::<Q>(url).await?;
    let mut reading = JoinSet::new();
    for reader in 0..readers {
        reading.spawn(read_over_and_over(url.to_owned(), hold * reader / readers, hold));
    }
    let figures = load::<Q>(url, args, 300).await?;
    if let Some(ended) = reading.try_join_next() {
        ended??;
    }
    reading.shutdown().await;
    Ok(figures)
}

/// The schema must be there before the snapshot, as it would be in production.
async fn migrate<Q: Queue>(url: &str) -> Result<()> {
    drop(Q::connect(url, 1, Goal::Latency).await?);
    Ok(())
}

async fn load<Q: Queue>(url: &str, args: &Args, seconds: u64) -> Result<Figures> {
    let load = Load::from_args(args, 800, seconds)?;
    let window = Duration::from_secs(args.get("window", 30)?);
    ensure!(!window.is_zero(), "`--window` must be positive");
    let bench = Bench::<Q>::start(url).await?;
    let start = load.produce(&bench.queue).await?;
    let (samples, mut monitor) = bench.finish().await?;
    let (dead_tuples, bytes) = monitor.footprint().await?;
    Ok(Figures {
        p50_by_window_ms: Some(by_window(&samples, start, window, 0.5)),
        p99_by_window_ms: Some(by_window(&samples, start, window, 0.99)),
        dead_tuples: Some(dead_tuples),
        bytes: Some(bytes),
        ..Figures::default()
    })
}
