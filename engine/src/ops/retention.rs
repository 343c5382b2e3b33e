//! For how long the ends of jobs are kept, by queue and by how they ended; and the partitions that come and go with it.

use std::ops::RangeInclusive;
use std::time::Duration;

use chrono::NaiveDate;
use serde::Serialize;
use sqlx::PgPool;

use super::OpsError;

/// How a job can have ended that is in the history. What was set aside stays until somebody has decided.
const OUTCOMES: [&str; 3] = ["completed", "degraded", "cancelled"];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A day, for that is the smallest partition; ten years.
const KEEP: RangeInclusive<Duration> = DAY..=Duration::from_secs(3660 * 24 * 60 * 60);

/// The longest name of a queue, in bytes.
const LONGEST: usize = 200;

/// For so long a change of a table waits for those who use it. Whoever comes after it waits as long.
const PATIENCE: &str = "200ms";

/// For how long ends are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The queue; none where it stands for all that have no rule of their own.
    pub queue: Option<String>,
    /// `completed`, `degraded` or `cancelled`.
    pub outcome: String,
    /// In seconds, counted from the end of the job.
    pub seconds: i64,
    /// The day, in UTC, on which goes what ends now.
    pub goes: NaiveDate,
}

/// Room that is given back as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Partition {
    /// `history`: ends that go on the same day; `month`: runs, steps, failures, tags and outputs of the jobs of a month.
    pub what: String,
    /// The day on which it goes, or the first of the month in which its jobs were created; none for what came while there was
    /// no partition for it.
    pub day: Option<NaiveDate>,
    /// With its indexes.
    pub bytes: i64,
    /// As of its last analysis.
    pub rows: i64,
}

/// What was done to the partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tended {
    /// How many were made: days of the history and months.
    pub made: usize,
    /// How many were dropped.
    pub dropped: usize,
    /// How many are left for later, because somebody was using the table.
    pub later: usize,
}

/// For how long ends are kept, the rules for all queues first.
///
/// # Errors
/// When the database refuses.
pub async fn rules(pool: &PgPool) -> Result<Vec<Rule>, OpsError> {
    Ok(sqlx::query_file_as!(Rule, "sql/retention/rules.sql").fetch_all(pool).await?)
}

/// Keeps what ends so in a queue, in all that have no rule of their own where none is named, for at least so long.
///
/// It holds for
/// jobs that end from now on; returns the day on which those go that end now: the next day up to ten days, the next Monday up
/// to a hundred, the first of the next month beyond.
///
/// # Errors
/// When there is no such outcome, or it would be for less than a day or more than 3660 days; when the database refuses, for
/// example because the history is locked for longer than 200 ms.
pub async fn set(
    pool: &PgPool,
    queue: Option<&str>,
    outcome: &str,
    keep: Duration,
) -> Result<NaiveDate, OpsError> {
    let queue = checked(queue, outcome)?;
    if !KEEP.contains(&keep) {
        return Err(OpsError::Invalid(format!(
            "ends are kept for 1 to 3660 days, not for {} seconds",
            keep.as_secs()
        )));
    }
    let mut tx = pool.begin().await?;
    sqlx::query_file!("sql/retention/patience.sql", PATIENCE).fetch_one(&mut *tx).await?;
    let seconds = keep.as_secs_f64();
    sqlx::query_file!("sql/retention/make_for.sql", seconds).fetch_one(&mut *tx).await?;
    let goes = sqlx::query_file_scalar!("sql/retention/set.sql", queue, outcome, seconds)
        .fetch_one(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(goes)
}

/// Keeps what ends so in a queue for as long as that of all queues, from now on. Whether it had a rule of its own.
///
/// # Errors
/// When there is no such outcome, or the database refuses.
pub async fn unset(pool: &PgPool, queue: &str, outcome: &str) -> Result<bool, OpsError> {
    let queue = checked(Some(queue), outcome)?;
    let gone = sqlx::query_file!("sql/retention/unset.sql", queue, outcome).execute(pool).await?;
    Ok(gone.rows_affected() > 0)
}

fn checked<'q>(queue: Option<&'q str>, outcome: &str) -> Result<&'q str, OpsError> {
    if !OUTCOMES.contains(&outcome) {
        return Err(OpsError::Unknown {
            what: "outcome",
            name: outcome.to_owned(),
            known: OUTCOMES.map(ToOwned::to_owned).to_vec(),
        });
    }
    match queue {
        None => Ok(""),
        Some(queue) if queue.is_empty() || queue.len() > LONGEST => Err(OpsError::Invalid(
            format!("the name of a queue has 1 to {LONGEST} bytes, not {}", queue.len()),
        )),
        Some(queue) => Ok(queue),
    }
}

/// What takes how much room.
///
/// # Errors
/// When the database refuses.
pub async fn partitions(pool: &PgPool) -> Result<Vec<Partition>, OpsError> {
    Ok(sqlx::query_file_as!(Partition, "sql/retention/tables.sql").fetch_all(pool).await?)
}

/// Makes the partitions that will be needed and drops those whose time has come.
///
/// Every worker does it at its start and once a minute; it waits for nobody, and what somebody is using is left for the next time. It needs the owner of the tables, or
/// one who was granted the functions `engine.make_day`, `make_month`, `drop_day` and `drop_month`.
///
/// # Errors
/// When the database refuses.
pub async fn tend(pool: &PgPool) -> Result<Tended, OpsError> {
    Ok(tend_some(pool, true).await?)
}

/// Without `months`, those are not looked at: that reads all of the history.
pub(crate) async fn tend_some(pool: &PgPool, months: bool) -> Result<Tended, sqlx::Error> {
    let mut tended = Tended::default();
    for missing in sqlx::query_file!("sql/retention/missing.sql").fetch_all(pool).await? {
        let made = changed(pool, &missing.what, missing.day).await?;
        *(if made { &mut tended.made } else { &mut tended.later }) += 1;
    }
    sqlx::query_file!("sql/retention/turn.sql").execute(pool).await?;
    for over in sqlx::query_file!("sql/retention/over.sql", months).fetch_all(pool).await? {
        let dropped = changed(pool, &over.what, over.day).await?;
        *(if dropped { &mut tended.dropped } else { &mut tended.later }) += 1;
        if dropped {
            tracing::info!(what = over.what, day = %over.day, "retention: a partition is gone");
        }
    }
    Ok(tended)
}

/// Makes or drops a partition; false where somebody was using the table.
async fn changed(pool: &PgPool, what: &str, day: NaiveDate) -> Result<bool, sqlx::Error> {
    let mut tx = pool.begin().await?;
    sqlx::query_file!("sql/retention/patience.sql", PATIENCE).fetch_one(&mut *tx).await?;
    match sqlx::query_file!("sql/retention/change.sql", what, day).fetch_one(&mut *tx).await {
        Ok(_) => {
            tx.commit().await?;
            Ok(true)
        }
        Err(error) if is_locked(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// `lock_not_available`.
fn is_locked(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).as_deref() == Some("55P03")
}
