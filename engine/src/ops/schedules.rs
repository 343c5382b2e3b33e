//! Schedules, as an operator sees them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use super::OpsError;

/// A schedule.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ScheduleView {
    /// Its name.
    pub name: String,
    /// When it ticks, as cron writes it.
    pub cron: String,
    /// The zone whose local time that is.
    pub zone: String,
    /// The kind of its jobs.
    pub kind: String,
    /// Whether somebody has paused it.
    pub paused: bool,
    /// Why, in his words.
    pub reason: Option<String>,
    /// Its next tick; none where it never ticks again.
    pub next_at: Option<DateTime<Utc>>,
    /// Its last tick.
    pub last_at: Option<DateTime<Utc>>,
    /// The job of the last tick that had one.
    pub last_job: Option<Uuid>,
    /// Whether a living process looks after it.
    pub known: bool,
}

/// All schedules, by name.
///
/// # Errors
/// When the database refuses.
pub async fn list(pool: &PgPool) -> Result<Vec<ScheduleView>, OpsError> {
    Ok(sqlx::query_file_as!(ScheduleView, "sql/cron/list.sql").fetch_all(pool).await?)
}

/// Pauses a schedule, with the reason. What is due meanwhile is missed, and its own policy says what becomes of it.
///
/// # Errors
/// When there is no such schedule, or the database refuses.
pub async fn pause(pool: &PgPool, name: &str, reason: &str) -> Result<(), OpsError> {
    set_paused(pool, name, true, Some(reason)).await
}

/// Lets a paused schedule go on.
///
/// # Errors
/// When there is no such schedule, or the database refuses.
pub async fn resume(pool: &PgPool, name: &str) -> Result<(), OpsError> {
    set_paused(pool, name, false, None).await
}

async fn set_paused(
    pool: &PgPool,
    name: &str,
    paused: bool,
    reason: Option<&str>,
) -> Result<(), OpsError> {
    let found = sqlx::query_file!("sql/cron/pause.sql", name, paused, reason).execute(pool).await?;
    if found.rows_affected() == 0 {
        known(pool, name).await?;
    }
    Ok(())
}

/// Asks for a tick now, beside the others and also while it is paused. Whoever looks after it enqueues it, within five seconds.
///
/// # Errors
/// When there is no such schedule, when no living process looks after it, or the database refuses.
pub async fn run_now(pool: &PgPool, name: &str) -> Result<(), OpsError> {
    if !known(pool, name).await?.known {
        return Err(OpsError::Invalid(format!(
            "no living worker looks after schedule {name:?}: start one that has it in its code or its settings"
        )));
    }
    sqlx::query_file!("sql/cron/hasten.sql", name).execute(pool).await?;
    Ok(())
}

/// Forgets a schedule that is not in the code any more, with its ticks.
///
/// # Errors
/// When there is none, when a living process looks after it, or the database refuses.
pub async fn remove(pool: &PgPool, name: &str) -> Result<(), OpsError> {
    let gone = sqlx::query_file_scalar!("sql/cron/remove.sql", name).fetch_one(pool).await?;
    if gone > 0 {
        return Ok(());
    }
    known(pool, name).await?;
    Err(OpsError::Invalid(format!(
        "a living worker looks after schedule {name:?}: take it out of its code or its settings first"
    )))
}

/// The schedule of that name.
async fn known(pool: &PgPool, name: &str) -> Result<ScheduleView, OpsError> {
    let mut schedules = list(pool).await?;
    match schedules.iter().position(|schedule| schedule.name == name) {
        Some(place) => Ok(schedules.swap_remove(place)),
        None => Err(OpsError::Unknown {
            what: "schedule",
            name: name.to_owned(),
            known: schedules.into_iter().map(|schedule| schedule.name).collect(),
        }),
    }
}
