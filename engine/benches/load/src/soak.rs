//! A steady load for a long time, once without and once with a snapshot held: what grows, and whether anything is lost.

use std::error::Error;
use std::time::Duration;

use autopilot_engine::{JobId, NewJob};
use sqlx::PgPool;
use tokio::time::Instant;

use crate::arguments::Arguments;
use crate::feed::Feed;
use crate::fleet::{Target, database};
use crate::footprint::Footprint;
use crate::latency::by_window;
use crate::other::{Other, Stamped, StampedRun};
use crate::report;
use crate::snapshot::{Has, Held};
use crate::soak_report::{Pass, table};

/// How long what is left may take when nothing more comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The load.
#[derive(Debug, Clone, Copy)]
struct Load {
    minutes: u64,
    /// The length of one, which only a trial shortens.
    minute: Duration,
    feed: Feed,
    /// Every so many batches bring a run.
    ticks_a_run: usize,
}

/// Soaks for `--minutes` without and as long with a snapshot. Fails when anything is lost, after it has told all.
pub(crate) async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (minutes, runs) = (arguments.get("minutes", 10)?, arguments.get("runs", 5_usize)?);
    let minute = Duration::from_secs(arguments.get("minute-seconds", 60)?);
    let whole = minute * u32::try_from(minutes)?;
    let feed = Feed { time: whole, ..Feed::in_eights(arguments, 0)? };
    let ticks = usize::try_from(1_000 / feed.interval.as_millis().max(1))?;
    let load =
        Load { minutes, minute, feed, ticks_a_run: ticks.checked_div(runs).unwrap_or(0).max(1) };
    report::line(&format!(
        "# Soak: {} jobs a second, {runs} of them runs of seven steps, {minutes} minutes\n",
        ticks * feed.batch
    ));
    let mut problems = Vec::new();
    for held in [false, true] {
        let name = if held { "A snapshot held from the start" } else { "No snapshot held" };
        report::progress(name);
        let pass = pass(&load, held).await?;
        report::line(&format!("## {name}\n\n{}", table(&pass)));
        problems.extend(pass.problems.into_iter().map(|problem| format!("{name}: {problem}")));
    }
    if problems.is_empty() {
        report::line(
            "Every job that was enqueued is in the history, once, and every step of every run is there.",
        );
        return Ok(());
    }
    Err(problems.join("; ").into())
}

async fn pass(load: &Load, held: bool) -> Result<Pass, Box<dyn Error>> {
    let home = Target::from_environment()?;
    let target = home.beside("soak").await?;
    let pool = database(&target).await?;
    let snapshot = if held { Some(Held::open(&target, Has::Read).await?) } else { None };
    let other = Other::start(&target, 200).await?;
    let sampling = tokio::spawn(sample(pool.clone(), *load));
    let sent = load.feed.run_with(&pool, |tick, due| load.batch(tick, due)).await?;
    let footprints = sampling.await??;
    let mut problems = Vec::new();
    if !is_worked_off(&pool).await? {
        problems.push(format!("there is still work after {PATIENCE:?}"));
    }
    let seen = other.finish().await?;
    if seen.picked.len() != sent.len() {
        problems.push(format!("{} jobs were enqueued and {} begun", sent.len(), seen.picked.len()));
    }
    problems.extend(missing(&pool, &sent).await?);
    if let Some(snapshot) = snapshot {
        snapshot.release().await?;
    }
    pool.close().await;
    home.drop_beside(&target).await?;
    Ok(Pass { latencies: by_window(&seen.picked, load.minute), footprints, problems })
}

impl Load {
    /// Jobs, and now and then one of them a run.
    fn batch(&self, tick: usize, due: i64) -> Result<Vec<NewJob>, autopilot_engine::EnqueueError> {
        let runs = usize::from(tick.is_multiple_of(self.ticks_a_run));
        let jobs = (runs..self.feed.batch).map(|_| NewJob::of(&Stamped { due }));
        (0..runs).map(|_| NewJob::of(&StampedRun { due })).chain(jobs).collect()
    }
}

/// The tables at the end of each minute.
async fn sample(pool: PgPool, load: Load) -> Result<Vec<Footprint>, sqlx::Error> {
    let (begun, mut footprints) = (Instant::now(), Vec::new());
    for minute in (1..).take(usize::try_from(load.minutes).unwrap_or(usize::MAX)) {
        tokio::time::sleep_until(begun + load.minute * minute).await;
        footprints.push(Footprint::now(&pool).await?);
        report::progress(&format!("minute {minute} of {}", load.minutes));
    }
    Ok(footprints)
}

/// Whether no job is left, now or before long.
async fn is_worked_off(pool: &PgPool) -> Result<bool, sqlx::Error> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let left = sqlx::query_scalar("SELECT EXISTS (SELECT FROM engine.job)");
        if !left.fetch_one(pool).await? {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(false)
}

/// What of the jobs that were enqueued is not where it should be, in sentences.
async fn missing(pool: &PgPool, sent: &[JobId]) -> Result<Vec<String>, sqlx::Error> {
    let mut lost = 0;
    for ids in sent.chunks(10_000) {
        let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
        let sql = "SELECT count(*) FROM unnest($1::uuid[]) AS sent(id)
                   WHERE NOT EXISTS (SELECT FROM engine.history h WHERE h.id = sent.id AND h.outcome = 'completed')";
        lost += sqlx::query_scalar::<_, i64>(sql).bind(ids).fetch_one(pool).await?;
    }
    let (ended, runs, steps): (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM engine.history), (SELECT count(*) FROM engine.run),
                (SELECT count(*) FROM engine.step WHERE state = 'done')",
    )
    .fetch_one(pool)
    .await?;
    let mut problems = Vec::new();
    let all = i64::try_from(sent.len()).unwrap_or(i64::MAX);
    if lost > 0 {
        problems.push(format!("{lost} of {all} jobs are not completed in the history"));
    }
    if ended != all {
        problems.push(format!("{all} jobs were enqueued and {ended} rows are in the history"));
    }
    if steps != runs * 7 {
        problems.push(format!("{runs} runs have {steps} steps that are done"));
    }
    Ok(problems)
}
