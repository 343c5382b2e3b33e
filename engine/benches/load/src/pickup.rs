//! From an enqueue in one process to the start of the job in another: idle, under load, and while a snapshot is held.

use std::error::Error;
use std::time::Duration;

use autopilot_engine::{Enqueuer, NewJob, Waker, enqueue};
use serde_json::json;
use sqlx::PgPool;
use tokio::time::Instant;

use crate::arguments::Arguments;
use crate::fleet::{database, until_empty};
use crate::latency::{monotonic, percentile, rate};
use crate::other::{Other, Stamped};
use crate::report;

/// One job at a time, with pauses.
pub(crate) async fn idle(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (jobs, warm_up) = (arguments.get("jobs", 500)?, 20);
    let pool = database().await?;
    let other = Other::start(100).await?;
    let enqueuer = Enqueuer::start(pool.clone());
    for _ in 0..warm_up + jobs {
        let _job = enqueuer.enqueue(NewJob::of(&Stamped { due: monotonic() })?).await?;
        let spread = monotonic().unsigned_abs() / 1_000 % 40;
        tokio::time::sleep(Duration::from_millis(30 + spread)).await;
    }
    until_empty(&pool).await?;
    let picked = other.stop(warm_up + jobs).await?;
    let mut latencies: Vec<i64> =
        picked.iter().skip(warm_up).map(|(due, began)| began - due).collect();
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

/// So many jobs a second, in an open loop.
pub(crate) async fn loaded(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let asked: usize = arguments.get("rate", 1_000)?;
    let time = Duration::from_secs(arguments.get("seconds", 60)?);
    let slots = arguments.get("slots", 2_000)?;
    let pool = database().await?;
    let other = Other::start(slots).await?;
    let begun = Instant::now();
    let sent = feed(&pool, Duration::from_millis(10), asked / 100, time).await?;
    until_empty(&pool).await?;
    let took = begun.elapsed();
    let picked = other.stop(sent).await?;
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

/// The same while somebody holds a snapshot open.
pub(crate) async fn under_a_snapshot(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let asked: u32 = arguments.get("rate", 800)?;
    let time = Duration::from_secs(arguments.get("seconds", 180)?);
    let window = Duration::from_secs(arguments.get("window", 30)?);
    let pool = database().await?;
    let other = Other::start(200).await?;
    let mut holder = pool.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *holder).await?;
    sqlx::query("SELECT count(*) FROM engine.job").execute(&mut *holder).await?;
    let sent = feed(&pool, Duration::from_secs(8) / asked, 8, time).await?;
    until_empty(&pool).await?;
    let picked = other.stop(sent).await?;
    let (dead, bytes): (i64, i64) = sqlx::query_as(
        "SELECT coalesce(sum(n_dead_tup), 0)::bigint, coalesce(sum(pg_total_relation_size(relid)), 0)::bigint
         FROM pg_stat_user_tables WHERE schemaname = 'engine'",
    )
    .fetch_one(&pool)
    .await?;
    holder.rollback().await?;
    report::answer(
        "snapshot",
        "batches of 8, one worker process, a snapshot held from the start",
        json!({
            "p50_by_window_ms": windows(&picked, window, 50.0),
            "p99_by_window_ms": windows(&picked, window, 99.0),
            "dead_tuples": dead,
            "bytes": bytes,
        }),
    );
    Ok(())
}

/// Enqueues a batch at each interval, whether or not the one before is done; how many jobs it enqueued.
async fn feed(
    pool: &PgPool,
    interval: Duration,
    batch: usize,
    time: Duration,
) -> Result<usize, Box<dyn Error>> {
    let mut conn = pool.acquire().await?;
    let waker = Waker::start(pool.clone());
    let (begun, stamp) = (Instant::now(), monotonic());
    let mut sent = 0;
    let mut at = Duration::ZERO;
    while at < time {
        tokio::time::sleep_until(begun + at).await;
        let due = stamp + i64::try_from(at.as_nanos())?;
        let jobs: Vec<NewJob> =
            (0..batch).map(|_| NewJob::of(&Stamped { due })).collect::<Result<_, _>>()?;
        sent += enqueue(&mut conn, &jobs).await?.len();
        waker.wake("default");
        at += interval;
    }
    Ok(sent)
}

/// A percentile in each window of time, by when the jobs were due.
fn windows(picked: &[(i64, i64)], window: Duration, percent: f64) -> Vec<f64> {
    let Some((start, _)) = picked.first() else { return Vec::new() };
    let window = i64::try_from(window.as_nanos()).unwrap_or(i64::MAX);
    let mut windows: Vec<Vec<i64>> = Vec::new();
    for (due, began) in picked {
        let place = usize::try_from((due - start) / window).unwrap_or_default();
        if windows.len() <= place {
            windows.resize(place + 1, Vec::new());
        }
        if let Some(latencies) = windows.get_mut(place) {
            latencies.push(began - due);
        }
    }
    windows.iter_mut().map(|latencies| percentile(latencies, percent)).collect()
}
