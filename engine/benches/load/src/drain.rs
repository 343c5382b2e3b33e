//! A backlog of no-op jobs, worked off by one process.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use autopilot_engine::{Job, NewJob, Registry, Result, Run, enqueue};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgPool;
use tokio::sync::Notify;

use crate::arguments::Arguments;
use crate::fleet::{Fleet, Target, database, until_empty};
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

/// How the process that drains is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drain {
    slots: usize,
    batch: usize,
}

/// A drain whose last job has been handled; its end may still be on its way.
pub(crate) struct Handled {
    begun: Instant,
    fleet: Fleet,
}

impl Drain {
    pub(crate) fn of(arguments: &Arguments) -> std::result::Result<Self, String> {
        Ok(Self { slots: arguments.get("slots", 2_000)?, batch: arguments.get("claim", 1_000)? })
    }

    /// Runs a worker until so many jobs were handled.
    pub(crate) async fn run(self, pool: &PgPool, jobs: usize) -> Handled {
        let app = Arc::new(Counter { left: AtomicUsize::new(jobs), done: Notify::new() });
        let begun = Instant::now();
        let registry = Registry::new().register::<Noop>();
        let fleet = Fleet::start(pool, &app, registry, self.slots, self.batch);
        app.done.notified().await;
        Handled { begun, fleet }
    }
}

impl Handled {
    /// Stops the worker; the time from its start to now, where the caller has seen the last end in the database.
    pub(crate) async fn stop(self) -> std::result::Result<Duration, Box<dyn Error>> {
        let time = self.begun.elapsed();
        self.fleet.stop().await?;
        Ok(time)
    }
}

/// Measures how fast a backlog is worked off.
pub(crate) async fn measure(arguments: &Arguments) -> std::result::Result<(), Box<dyn Error>> {
    let jobs = arguments.get("jobs", 50_000)?;
    let drain = Drain::of(arguments)?;
    let pool = database(&Target::from_environment()?).await?;
    fill(&pool, jobs).await?;
    let handled = drain.run(&pool, jobs).await;
    until_empty(&pool).await?;
    let time = handled.stop().await?;
    all_are_kept(&pool, jobs).await?;
    let Drain { slots, batch } = drain;
    let settings = format!("one process, {slots} slots, claims of {batch}, history kept");
    report::answer("drain", &settings, json!({ "rate": rate(jobs, time) }));
    Ok(())
}

/// Fails unless so many jobs have ended.
pub(crate) async fn all_are_kept(
    pool: &PgPool,
    jobs: usize,
) -> std::result::Result<(), Box<dyn Error>> {
    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM engine.history").fetch_one(pool).await?;
    if usize::try_from(kept)? == jobs {
        return Ok(());
    }
    Err(format!("{jobs} jobs were enqueued and {kept} are in the history").into())
}

/// Enqueues so many in batches of a thousand, and answers how long that took.
pub(crate) async fn fill(
    pool: &PgPool,
    jobs: usize,
) -> std::result::Result<Duration, Box<dyn Error>> {
    let mut conn = pool.acquire().await?;
    let begun = Instant::now();
    for first in (0..jobs).step_by(1_000) {
        let batch: Vec<NewJob> = (first..jobs.min(first + 1_000))
            .map(|n| NewJob::of(&Noop { n: i64::try_from(n).unwrap_or_default() }))
            .collect::<std::result::Result<_, _>>()?;
        drop(enqueue(&mut conn, &batch).await?);
    }
    let took = begun.elapsed();
    sqlx::query("VACUUM ANALYZE engine.job").execute(&mut *conn).await?;
    Ok(took)
}
