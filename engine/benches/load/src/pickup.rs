//! From an enqueue in one process to the start of the job in another: idle, and under load.

use std::error::Error;
use std::time::Duration;

use autopilot_engine::{Enqueuer, NewJob};
use serde_json::json;
use sqlx::PgPool;
use tokio::time::Instant;

use crate::arguments::Arguments;
use crate::feed::Feed;
use crate::fleet::{Target, database, until_empty};
use crate::latency::{monotonic, percentile, rate, windows};
use crate::other::{Other, Stamped};
use crate::report;
use crate::watch::Watch;

/// So many jobs come before those that count.
const WARM_UP: usize = 20;

/// One job at a time, with pauses.
pub(crate) async fn idle(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let jobs = arguments.get("jobs", 500)?;
    let target = Target::from_environment()?;
    let pool = database(&target).await?;
    let mut latencies = latencies(&pool, &target, jobs).await?;
    report::answer(
        "pickup",
        "one Enqueuer, one worker process",
        json!({
            "p50_ms": percentile(&mut latencies, 50.0),
            "p99_ms": percentile(&mut latencies, 99.0),
        }),
    );
    Ok(())
}

/// The latencies of jobs that come one at a time to a worker process of their own.
pub(crate) async fn latencies(
    pool: &PgPool,
    target: &Target,
    jobs: usize,
) -> Result<Vec<i64>, Box<dyn Error>> {
    let other = Other::start(target, 100).await?;
    one_at_a_time(pool, target, WARM_UP + jobs).await?;
    let picked = other.stop(WARM_UP + jobs).await?.picked;
    Ok(picked.iter().skip(WARM_UP).map(|(due, began)| began - due).collect())
}

/// Enqueues one job at a time, 30 to 70 ms apart, and waits until all are worked off.
pub(crate) async fn one_at_a_time(
    pool: &PgPool,
    target: &Target,
    jobs: usize,
) -> Result<(), Box<dyn Error>> {
    let mut watch = Watch::from_now(target).await?;
    let enqueuer = Enqueuer::start(pool.clone());
    for _ in 0..jobs {
        let _job = enqueuer.enqueue(NewJob::of(&Stamped { due: monotonic() })?).await?;
        let spread = monotonic().unsigned_abs() / 1_000 % 40;
        tokio::time::sleep(Duration::from_millis(30 + spread)).await;
    }
    Ok(watch.until_worked_off().await?)
}

/// So many jobs a second, in an open loop.
pub(crate) async fn loaded(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let asked: usize = arguments.get("rate", 1_000)?;
    let time = Duration::from_secs(arguments.get("seconds", 60)?);
    let slots = arguments.get("slots", 2_000)?;
    let target = Target::from_environment()?;
    let pool = database(&target).await?;
    let other = Other::start(&target, slots).await?;
    let begun = Instant::now();
    let feed = Feed { interval: Duration::from_millis(10), batch: asked / 100, time };
    let sent = feed.run(&pool).await?.len();
    until_empty(&pool).await?;
    let took = begun.elapsed();
    let picked = other.stop(sent).await?.picked;
    let mut latencies: Vec<i64> = picked.iter().map(|(due, began)| began - due).collect();
    report::answer(
        "loaded-pickup",
        &format!("batches every 10 ms, one worker process with {slots} slots"),
        json!({
            "rate": rate(sent, took),
            "p50_ms": percentile(&mut latencies, 50.0),
            "p99_ms": percentile(&mut latencies, 99.0),
            "p99_by_window_ms": windows(&picked, Duration::from_secs(10), 99.0),
        }),
    );
    Ok(())
}
