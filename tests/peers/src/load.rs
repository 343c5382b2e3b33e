//! Load from callers that each wait for their call before they make the next.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clock;

/// `callers` tasks call `call` with a running number until `duration` has passed.
///
/// Returns the latency of each call in nanoseconds and the time until the last call returned.
pub async fn closed_loop<F, R>(
    callers: u32,
    duration: Duration,
    call: F,
) -> Result<(Vec<i64>, Duration)>
where
    F: Fn(i64) -> R + Send + Sync + 'static,
    R: Future<Output = Result<()>> + Send,
{
    ensure!(callers > 0, "at least one caller is needed");
    let call = Arc::new(call);
    let number = Arc::new(AtomicI64::new(1));
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (call, number) = (Arc::clone(&call), Arc::clone(&number));
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while start.elapsed() < duration {
                let before = clock::now();
                call(number.fetch_add(1, Ordering::Relaxed)).await?;
                latencies.push(clock::now() - before);
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(task) = tasks.join_next().await {
        latencies.extend(task??);
    }
    Ok((latencies, start.elapsed()))
}
