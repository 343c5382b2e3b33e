//! Durable runs of seven steps that do nothing: what the steps themselves cost.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use autopilot_engine::{Ended, Job, NewJob, Planned, Registry, Result, Run};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::arguments::Arguments;
use crate::fleet::{Fleet, Target, database, until_empty};
use crate::latency::{percentile, rate};
use crate::report;

/// A bell for each caller: rung when its run's end is committed.
pub(crate) struct Bells {
    bells: Vec<Notify>,
}

/// Seven steps, each durable before the next begins.
#[derive(Serialize, Deserialize)]
pub(crate) struct Seven {
    caller: usize,
}

impl Job for Seven {
    type App = Bells;
    const KIND: &'static str = "load.seven";
    const STEPS: &'static [Planned] = &[
        Planned::new("one", 1),
        Planned::new("two", 1),
        Planned::new("three", 1),
        Planned::new("four", 1),
        Planned::new("five", 1),
        Planned::new("six", 1),
        Planned::new("seven", 1),
    ];

    async fn run(&self, run: &mut Run<'_, Bells>) -> Result {
        for (number, step) in Self::STEPS.iter().enumerate() {
            let answer: usize = run.step(step.name, async |_| Ok(number)).await?;
            debug_assert_eq!(answer, number);
        }
        let caller = self.caller;
        run.when_ended(move |app, ended| {
            if let (Ended::Completed, Some(bell)) = (ended, app.bells.get(caller)) {
                bell.notify_one();
            }
        });
        Ok(())
    }
}

/// Starts runs and waits for their ends.
struct Callers {
    pool: PgPool,
    app: Arc<Bells>,
    fleet: Fleet,
}

impl Callers {
    fn new(pool: &PgPool, callers: usize) -> Arc<Self> {
        let app = Arc::new(Bells { bells: (0..callers).map(|_| Notify::new()).collect() });
        let registry = Registry::new().register::<Seven>();
        // A run's slot is free a moment after its end is told.
        let fleet = Fleet::start(pool, &app, registry, callers * 2, callers);
        Arc::new(Self { pool: pool.clone(), app, fleet })
    }

    /// One run, from the call to its committed end, in nanoseconds.
    async fn run(&self, caller: usize) -> std::result::Result<i64, Box<dyn Error + Send + Sync>> {
        let begun = Instant::now();
        let _job = self.fleet.starter.start(NewJob::of(&Seven { caller })?).await?;
        if let Some(bell) = self.app.bells.get(caller) {
            bell.notified().await;
        }
        Ok(i64::try_from(begun.elapsed().as_nanos())?)
    }

    /// Every run is completed, and every step of it is there.
    async fn check(&self, runs: usize) -> std::result::Result<(), Box<dyn Error>> {
        until_empty(&self.pool).await?;
        let (completed, steps): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM engine.history WHERE outcome = 'completed'),
                    (SELECT count(*) FROM engine.step WHERE state = 'done')",
        )
        .fetch_one(&self.pool)
        .await?;
        if (usize::try_from(completed)?, usize::try_from(steps)?) == (runs, runs * 7) {
            return Ok(());
        }
        Err(format!("{runs} runs ended, {completed} are completed with {steps} steps").into())
    }
}

/// Many runs at a time.
pub(crate) async fn together(arguments: &Arguments) -> std::result::Result<(), Box<dyn Error>> {
    let concurrency = arguments.get("concurrency", 64)?;
    let time = Duration::from_secs(arguments.get("seconds", 10)?);
    let callers = Callers::new(&database(&Target::from_environment()?).await?, concurrency);
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in 0..concurrency {
        let callers = Arc::clone(&callers);
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while begun.elapsed() < time {
                latencies.push(callers.run(caller).await?);
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(task) = tasks.join_next().await {
        latencies.extend(task?.map_err(|error| error.to_string())?);
    }
    let took = begun.elapsed();
    callers.check(latencies.len()).await?;
    Arc::into_inner(callers).ok_or("a caller is left")?.fleet.stop().await?;
    report::answer(
        "workflow",
        &format!("one process, {concurrency} runs at a time, 7 steps each"),
        json!({
            "rate": rate(latencies.len(), took),
            "p50_ms": percentile(&mut latencies, 50.0),
            "p99_ms": percentile(&mut latencies, 99.0),
        }),
    );
    Ok(())
}

/// One run at a time.
pub(crate) async fn alone(arguments: &Arguments) -> std::result::Result<(), Box<dyn Error>> {
    let (runs, warm_up) = (arguments.get("runs", 500)?, 50);
    let callers = Callers::new(&database(&Target::from_environment()?).await?, 1);
    let mut latencies = Vec::new();
    for _ in 0..warm_up + runs {
        latencies.push(callers.run(0).await.map_err(|error| error.to_string())?);
    }
    callers.check(latencies.len()).await?;
    Arc::into_inner(callers).ok_or("a caller is left")?.fleet.stop().await?;
    latencies.drain(..warm_up);
    report::answer(
        "workflow-alone",
        "one process, one run at a time, 7 steps each",
        json!({
            "p50_ms": percentile(&mut latencies, 50.0),
            "p99_ms": percentile(&mut latencies, 99.0),
        }),
    );
    Ok(())
}
