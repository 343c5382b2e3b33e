//! A backlog of no-op jobs, worked off by one process.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use autopilot_engine::{Job, NewJob, Registry, Result, Run, enqueue};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgPool;
use tokio::sync::Notify;

use crate::arguments::Arguments;
use crate::fleet::{Fleet, database, until_empty};
use crate::latency::rate;
use crate::report;

/// Counts what was handled.
pub(crate) struct Counter {
    left: AtomicUsize,
    done: Notify,
}

/// Does nothing.
#[derive(Serialize, Deserialize)]
pub(crate) struct Noop {
    n: i64,
}

impl Job for Noop {
    type App = Counter;
    const KIND: &'static str = "load.noop";

    async fn run(&self, run: &mut Run<'_, Counter>) -> Result {
        if run.app.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            run.app.done.notify_one();
        }
        Ok(())
    }
}

/// Measures how fast a backlog is worked off.
pub(crate) async fn measure(arguments: &Arguments) -> std::result::Result<(), Box<dyn Error>> {
    let jobs = arguments.get("jobs", 50_000)?;
    let (slots, batch) = (arguments.get("slots", 2_000)?, arguments.get("claim", 1_000)?);
    let pool = database().await?;
    fill(&pool, jobs).await?;
    let app = Arc::new(Counter { left: AtomicUsize::new(jobs), done: Notify::new() });
    let begun = Instant::now();
    let fleet = Fleet::start(&pool, &app, Registry::new().register::<Noop>(), slots, batch);
    app.done.notified().await;
    until_empty(&pool).await?;
    let time = begun.elapsed();
    fleet.stop().await?;
    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM engine.history").fetch_one(&pool).await?;
    if usize::try_from(kept)? != jobs {
        return Err(format!("{jobs} jobs were enqueued and {kept} are in the history").into());
    }
    let settings = format!("one process, {slots} slots, claims of {batch}, history kept");
    report::answer("drain", &settings, json!({ "rate": rate(jobs, time) }));
    Ok(())
}

/// Enqueues so many.
async fn fill(pool: &PgPool, jobs: usize) -> std::result::Result<(), Box<dyn Error>> {
    let mut conn = pool.acquire().await?;
    for first in (0..jobs).step_by(1_000) {
        let batch: Vec<NewJob> = (first..jobs.min(first + 1_000))
            .map(|n| NewJob::of(&Noop { n: i64::try_from(n).unwrap_or_default() }))
            .collect::<std::result::Result<_, _>>()?;
        drop(enqueue(&mut conn, &batch).await?);
    }
    sqlx::query("VACUUM ANALYZE engine.job").execute(&mut *conn).await?;
    Ok(())
}
