//! Taking what is due: the jobs of a schedule's ticks, the ticks themselves and the next one, in one transaction.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::Columns;
use crate::cron::{Overlap, Schedule, Tick};
use crate::enqueue::sealed::sealed;
use crate::enqueue::{EnqueueError, NewJob, enqueue};
use crate::failure::Failure;
use crate::loops::hints::Hint;
use crate::loops::listen::send_all;
use crate::secrets::Vault;

/// Why a tick has no job.
const OVERLAPS: &str = "the job of the tick before has not ended";

/// A schedule whose tick was not taken.
pub(super) struct Untaken {
    /// Empty where it could not be asked which is due.
    pub(super) schedule: String,
    pub(super) error: EnqueueError,
}

/// Enqueues the ticks of one schedule that is due; none where none is.
pub(super) async fn tick(
    pool: &PgPool,
    vault: Option<&Vault>,
    schedules: &[&Schedule],
) -> Result<Option<()>, Untaken> {
    let untaken =
        |schedule: &str, error: EnqueueError| Untaken { schedule: schedule.to_owned(), error };
    let unasked = |error: sqlx::Error| untaken("", EnqueueError::Database(error));
    let mut tx = pool.begin().await.map_err(unasked)?;
    let Columns { names, texts, zones, kinds } = Columns::of(schedules);
    let due = sqlx::query_file!("sql/cron/due.sql", &names, &texts, &zones, &kinds);
    let Some(due) = due.fetch_optional(&mut *tx).await.map_err(unasked)? else { return Ok(None) };
    let Some(schedule) = schedules.iter().find(|schedule| schedule.name == due.name) else {
        return Ok(None);
    };
    let ticks = match due.due_from {
        Some(from) => {
            let just_before = from - TimeDelta::microseconds(1);
            let all = schedule.calendar.between(just_before, due.now, schedule.missed.most());
            let mut ticks = schedule.missed.choose(all, due.now);
            // What was taken is not due again, though a text that changed in that moment, or a new primary's clock, says so.
            if due.last_at.is_some_and(|last| last >= from) {
                let taken = sqlx::query_file_scalar!("sql/cron/taken.sql", due.name, &ticks);
                let taken = taken.fetch_all(&mut *tx).await.map_err(unasked)?;
                ticks.retain(|tick| !taken.contains(tick));
            }
            ticks
        }
        None => Vec::new(),
    };
    let asked = due.asked.then_some(due.now).filter(|now| !ticks.contains(now));
    let ticks: Vec<DateTime<Utc>> = ticks.into_iter().chain(asked).collect();
    // A tick that was asked for is beside the others: what a pause has missed is still missed.
    let moved = (!due.paused).then_some(due.now);
    let taken = take(&mut tx, vault, schedule, &ticks, due.last_job, moved).await;
    let jobs = taken.map_err(|error| untaken(&due.name, error))?;
    tx.commit().await.map_err(|error| untaken(&due.name, error.into()))?;
    let hints: Vec<String> = jobs.iter().map(|job| Hint::from(job).payload()).collect();
    send_all(pool, &hints).await;
    Ok(Some(()))
}

/// Enqueues the jobs of these ticks and notes them. The schedule is due next after `moved`, if that is given.
async fn take(
    conn: &mut PgConnection,
    vault: Option<&Vault>,
    schedule: &Schedule,
    ticks: &[DateTime<Utc>],
    mut last: Option<Uuid>,
    moved: Option<DateTime<Utc>>,
) -> Result<Vec<NewJob>, EnqueueError> {
    let (mut ids, mut skipped, mut jobs) = (Vec::new(), Vec::new(), Vec::new());
    for at in ticks {
        if schedule.overlap == Overlap::Skip && is_live(conn, last).await? {
            ids.push(None);
            skipped.push(Some(OVERLAPS));
            continue;
        }
        let job = made(schedule, *at, vault).await?;
        // After a failover that lost the last commits the same tick is the same job.
        let job = if job.has_key() { job } else { job.named(&format!("{}\n{at}", schedule.name)) };
        let enqueued = enqueue(&mut *conn, std::slice::from_ref(&job)).await?;
        last = enqueued.first().map(|job| job.id().uuid());
        ids.push(last);
        skipped.push(None);
        jobs.push(job);
    }
    sqlx::query_file!(
        "sql/cron/tick.sql",
        schedule.name,
        ticks,
        &ids as &[Option<Uuid>],
        &skipped as &[Option<&str>],
        moved.and_then(|now| schedule.calendar.next(now)),
        last,
        moved.is_some()
    )
    .execute(conn)
    .await?;
    Ok(jobs)
}

/// The job of a tick.
async fn made(
    schedule: &Schedule,
    at: DateTime<Utc>,
    vault: Option<&Vault>,
) -> Result<NewJob, EnqueueError> {
    let job = (schedule.make)(Tick { at })?;
    sealed(job, vault).await.map_err(|Failure { message, action, .. }| EnqueueError::Invalid {
        kind: schedule.kind.clone(),
        problem: action.map_or_else(|| message.clone(), |action| format!("{message}; {action}")),
    })
}

async fn is_live(conn: &mut PgConnection, job: Option<Uuid>) -> Result<bool, sqlx::Error> {
    let Some(job) = job else { return Ok(false) };
    sqlx::query_file_scalar!("sql/cron/live.sql", job).fetch_one(conn).await
}
