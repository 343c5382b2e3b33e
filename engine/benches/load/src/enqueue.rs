//! Enqueueing: one row a call by many callers, and in batches.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use autopilot_engine::{Enqueuer, Job, NewJob, Result, Run, enqueue};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::JoinSet;

use crate::arguments::Arguments;
use crate::fleet::{Target, database};
use crate::latency::{percentile, rate};
use crate::report;

/// Is never run.
#[derive(Serialize, Deserialize)]
struct Waiting {
    n: i64,
}

impl Job for Waiting {
    type App = ();
    const KIND: &'static str = "load.waiting";

    async fn run(&self, _: &mut Run<'_, ()>) -> Result {
        Ok(())
    }
}

/// Many callers, one job a call, each answered after the commit.
pub(crate) async fn single(arguments: &Arguments) -> std::result::Result<(), Box<dyn Error>> {
    let callers = arguments.get("callers", 64)?;
    let time = Duration::from_secs(arguments.get("seconds", 5)?);
    let pool = database(&Target::from_environment()?).await?;
    let enqueuer = Enqueuer::start(pool.clone());
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for n in 0..callers {
        let enqueuer = enqueuer.clone();
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while begun.elapsed() < time {
                let call = Instant::now();
                let job = NewJob::of(&Waiting { n })?;
                let _job = enqueuer.enqueue(job).await?;
                latencies.push(i64::try_from(call.elapsed().as_nanos()).unwrap_or(i64::MAX));
            }
            Ok::<_, autopilot_engine::EnqueueError>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(task) = tasks.join_next().await {
        latencies.extend(task??);
    }
    let took = begun.elapsed();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM engine.job").fetch_one(&pool).await?;
    if usize::try_from(rows)? != latencies.len() {
        return Err(format!("{} calls returned and {rows} rows are there", latencies.len()).into());
    }
    report::answer(
        "enqueue-single",
        &format!("{callers} callers, one Enqueuer, hints on"),
        json!({
            "rate": rate(latencies.len(), took),
            "p50_ms": percentile(&mut latencies, 50.0),
            "p99_ms": percentile(&mut latencies, 99.0),
        }),
    );
    Ok(())
}

/// A few callers, many jobs a call.
pub(crate) async fn batches(arguments: &Arguments) -> std::result::Result<(), Box<dyn Error>> {
    let (callers, batch) = (arguments.get("callers", 4)?, arguments.get("batch", 500)?);
    let time = Duration::from_secs(arguments.get("seconds", 5)?);
    let pool = Arc::new(database(&Target::from_environment()?).await?);
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let pool = Arc::clone(&pool);
        tasks.spawn(async move {
            let mut rows = 0;
            let mut conn = pool.acquire().await?;
            while begun.elapsed() < time {
                let jobs: Vec<NewJob> = (0..batch)
                    .map(|n| NewJob::of(&Waiting { n }))
                    .collect::<std::result::Result<_, _>>()?;
                rows += enqueue(&mut conn, &jobs).await?.len();
            }
            Ok::<_, autopilot_engine::EnqueueError>(rows)
        });
    }
    let mut rows = 0;
    while let Some(task) = tasks.join_next().await {
        rows += task??;
    }
    let settings = format!("{callers} callers, {batch} jobs a call, a transaction each");
    report::answer("enqueue-batch", &settings, json!({ "rate": rate(rows, begun.elapsed()) }));
    Ok(())
}
