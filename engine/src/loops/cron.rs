//! Cron: whoever knows a schedule looks after it. A tick is enqueued in the transaction that notes it, under the lock of the
//! schedule's row, so that five processes and a crash still make one job of it. Of processes that know one by different texts,
//! those look after it that know it as the youngest does.

mod tick;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::cron::Schedule;
use crate::enqueue::EnqueueError;
use crate::ids::WorkerId;
use crate::secrets::Vault;
use crate::strain::Strains;
use tick::{Untaken, tick};

/// How often it is looked what an operator has asked for.
const LOOK: Duration = Duration::from_secs(5);

/// The pause after the database could not be asked, or would not take a tick.
const AGAIN: Duration = Duration::from_secs(2);

/// The pause while another process is at what is due.
const TAKEN: Duration = Duration::from_millis(250);

/// How long a process that drains waits for others to learn that they may look after its schedules.
const LET_GO: Duration = Duration::from_secs(1);

/// Looks after the schedules until it is stopped.
pub(crate) async fn run(
    pool: PgPool,
    worker: WorkerId,
    strains: Strains,
    vault: Option<Vault>,
    schedules: Arc<[Schedule]>,
    stop: CancellationToken,
) {
    if schedules.is_empty() {
        return;
    }
    while !stop.is_cancelled() {
        let pause = match round(&pool, worker, &strains, vault.as_ref(), &schedules).await {
            Ok(due_in) => due_in.min(LOOK),
            Err(error) => {
                strains.met(&error, &pool);
                tracing::warn!(%error, "could not look after the schedules, trying again");
                AGAIN
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Enqueues what is due; in how long the next is.
pub(super) async fn round(
    pool: &PgPool,
    worker: WorkerId,
    strains: &Strains,
    vault: Option<&Vault>,
    schedules: &[Schedule],
) -> Result<Duration, sqlx::Error> {
    let mut mine: Vec<&Schedule> = schedules.iter().collect();
    let mut next = look(pool, &mine).await?;
    if next.standing < mine.len() {
        keep(pool, worker, &mine).await?;
        next = look(pool, &mine).await?;
    }
    if !next.due_in.is_zero() {
        return Ok(next.due_in);
    }
    loop {
        match tick(pool, vault, &mine).await {
            Ok(None) => break,
            Ok(Some(())) => {}
            Err(Untaken { schedule, error: EnqueueError::Database(error) })
                if schedule.is_empty() || error.as_database_error().is_none() =>
            {
                tracing::debug!(schedule, "the database went away");
                return Err(error);
            }
            Err(Untaken { schedule, error }) => {
                if let EnqueueError::Database(error) = &error {
                    strains.met(error, pool);
                }
                tracing::error!(schedule, %error, "a tick could not be enqueued, trying again");
                mine.retain(|mine| mine.name != schedule);
            }
        }
    }
    if mine.len() < schedules.len() {
        return Ok(AGAIN);
    }
    Ok(look(pool, &mine).await?.due_in.max(TAKEN))
}

/// Schedules as they stand in the database.
struct Next {
    /// How many stand there as this process knows them.
    standing: usize,
    /// In how long the first of these is due, or should be looked at.
    due_in: Duration,
}

async fn look(pool: &PgPool, schedules: &[&Schedule]) -> Result<Next, sqlx::Error> {
    let Columns { names, texts, zones, kinds } = Columns::of(schedules);
    let found = sqlx::query_file!("sql/cron/due_in.sql", &names, &texts, &zones, &kinds)
        .fetch_one(pool)
        .await?;
    let in_seconds = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    Ok(Next {
        standing: usize::try_from(found.standing).unwrap_or(0),
        due_in: found.due_in.map_or(LOOK, in_seconds),
    })
}

/// Introduces the schedules; one that is new or has changed is due at its next tick from now.
async fn keep(pool: &PgPool, worker: WorkerId, schedules: &[&Schedule]) -> Result<(), sqlx::Error> {
    let now = sqlx::query_file_scalar!("sql/cron/now.sql").fetch_one(pool).await?;
    // A calendar that never fires is refused; one that has fired for the last time is kept as if in a century.
    let never = now + TimeDelta::days(36_500);
    let next: Vec<DateTime<Utc>> =
        schedules.iter().map(|schedule| schedule.calendar.next(now).unwrap_or(never)).collect();
    let Columns { names, texts, zones, kinds } = Columns::of(schedules);
    let mine = worker.uuid();
    sqlx::query_file!("sql/cron/keep.sql", &names, &texts, &zones, &kinds, &next, mine)
        .execute(pool)
        .await?;
    Ok(())
}

/// A process that drains looks after no schedule any more, long before it leaves.
pub(crate) async fn let_go(pool: &PgPool, worker: WorkerId) {
    let told = sqlx::query_file!("sql/cron/let_go.sql", worker.uuid()).execute(pool);
    match tokio::time::timeout(LET_GO, told).await {
        Ok(Ok(_told)) => {}
        Ok(Err(error)) => {
            tracing::debug!(%error, "the schedules are let go when the process leaves")
        }
        Err(elapsed) => {
            tracing::debug!(%elapsed, "the schedules are let go when the process leaves")
        }
    }
}

/// Schedules as statements take them.
struct Columns {
    names: Vec<String>,
    texts: Vec<String>,
    zones: Vec<String>,
    kinds: Vec<String>,
}

impl Columns {
    fn of(schedules: &[&Schedule]) -> Self {
        let column = |of: fn(&Schedule) -> &String| -> Vec<String> {
            schedules.iter().map(|schedule| of(schedule).clone()).collect()
        };
        Self {
            names: column(|schedule| &schedule.name),
            texts: column(|schedule| &schedule.text),
            zones: column(|schedule| &schedule.zone),
            kinds: column(|schedule| &schedule.kind),
        }
    }
}
