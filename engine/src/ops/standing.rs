//! How many workspaces stand at once: what was set aside, what is not called, what waits.
//!
//! Each statement touches rows in proportion to the workspaces that it is asked about, or to what is not well, and never to all that there are.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::runs::RunView;
use crate::ids::{JobId, WorkspaceId};

/// A job that was set aside and waits for a person.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Letter {
    /// The job.
    pub id: JobId,
    /// Its tenant.
    pub workspace: WorkspaceId,
    /// Its kind.
    pub kind: String,
    /// `failed`, `quarantined`, `review`, `undecodable` or `undone`.
    pub reason: String,
    /// Class, code, message and the next action.
    pub failure: Value,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// When it was set aside.
    pub died_at: DateTime<Utc>,
}

/// A step that waits.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Waits {
    /// Its run.
    pub job: JobId,
    /// The step.
    pub step: String,
    /// What it waits for, in its own words.
    pub reason: String,
    /// When it looks again, at the latest.
    pub until: DateTime<Utc>,
    /// The breaker that it waits for, `service` or `service/workspace`, if it does.
    pub breaker: Option<String>,
}

/// A service that is not called for one workspace.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct OwnBreaker {
    /// `service/workspace`.
    pub key: String,
    /// The service.
    pub service: String,
    /// For whom it is not called.
    pub workspace: WorkspaceId,
    /// The last failure, or what an operator said.
    pub reason: String,
    /// Since when nobody calls.
    pub opened_at: DateTime<Utc>,
    /// When it is tried next; none where an operator has to reset it.
    pub tried_at: Option<DateTime<Utc>>,
    /// An operator opened it.
    pub tripped: bool,
}

/// A workspace that something is wrong with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unwell {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Its run of the kind that was asked about was set aside, and none has begun since.
    pub is_run: bool,
}

/// The age of a queue.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct QueueAge {
    /// The queue.
    pub queue: String,
    /// For how long its oldest ready job has been due, in seconds.
    pub seconds: f64,
}

/// How many jobs of a kind were set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Letters {
    /// The kind.
    pub kind: String,
    /// How many.
    pub jobs: i64,
    /// When the first of them was.
    pub oldest: DateTime<Utc>,
}

/// Who runs jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Workers {
    /// Processes that have said something within their lease.
    pub alive: i64,
    /// Processes that have not.
    pub silent: i64,
    /// The database's clock, by which everything else is judged.
    pub now: DateTime<Utc>,
}

fn uuids(workspaces: &[WorkspaceId]) -> Vec<Uuid> {
    workspaces.iter().map(|workspace| workspace.uuid()).collect()
}

/// The newest run of a kind in each of these workspaces that has one, in no order.
///
/// # Errors
/// When the database refuses.
pub async fn runs(
    conn: &mut PgConnection,
    workspaces: &[WorkspaceId],
    kind: &str,
) -> Result<Vec<RunView>, sqlx::Error> {
    RunView::newest(conn, &uuids(workspaces), kind).await
}

/// The steps of these runs that wait, those that look again first in front.
///
/// # Errors
/// When the database refuses.
pub async fn waits(conn: &mut PgConnection, runs: &[&RunView]) -> Result<Vec<Waits>, sqlx::Error> {
    let ids: Vec<Uuid> = runs.iter().map(|run| run.id.uuid()).collect();
    let born: Vec<DateTime<Utc>> = runs.iter().map(|run| run.created_at).collect();
    sqlx::query_file_as!(Waits, "sql/standing/waits.sql", &ids, &born).fetch_all(conn).await
}

/// What a step of a run gave, if it has ended and is not sealed.
///
/// # Errors
/// When the database refuses.
pub async fn output(
    conn: &mut PgConnection,
    run: &RunView,
    step: &str,
) -> Result<Option<Value>, sqlx::Error> {
    let id = run.id.uuid();
    let output = sqlx::query_file_scalar!("sql/standing/output.sql", id, run.created_at, step);
    Ok(output.fetch_optional(conn).await?.flatten())
}

/// What was set aside in these workspaces, the newest first, at most so many of each.
///
/// # Errors
/// When the database refuses.
pub async fn letters(
    conn: &mut PgConnection,
    workspaces: &[WorkspaceId],
    most: i64,
) -> Result<Vec<Letter>, sqlx::Error> {
    sqlx::query_file_as!(Letter, "sql/standing/letters.sql", &uuids(workspaces), most)
        .fetch_all(conn)
        .await
}

/// The breakers of these services that are open for one of these workspaces alone.
///
/// # Errors
/// When the database refuses.
pub async fn own_breakers(
    conn: &mut PgConnection,
    workspaces: &[WorkspaceId],
    services: &[&str],
) -> Result<Vec<OwnBreaker>, sqlx::Error> {
    let services: Vec<String> = services.iter().map(|&service| service.to_owned()).collect();
    sqlx::query_file_as!(OwnBreaker, "sql/standing/own_breakers.sql", &uuids(workspaces), &services)
        .fetch_all(conn)
        .await
}

/// The workspaces with something set aside, an open breaker of their own, or a run of this kind that waits for an open breaker.
///
/// # Errors
/// When the database refuses.
pub async fn unwell(conn: &mut PgConnection, kind: &str) -> Result<Vec<Unwell>, sqlx::Error> {
    sqlx::query_file_as!(Unwell, "sql/standing/unwell.sql", kind).fetch_all(conn).await
}

/// The queues in which something is ready, the oldest first; of a thousand lanes at most.
///
/// # Errors
/// When the database refuses.
pub async fn queues(conn: &mut PgConnection) -> Result<Vec<QueueAge>, sqlx::Error> {
    sqlx::query_file_as!(QueueAge, "sql/standing/queues.sql").fetch_all(conn).await
}

/// How many jobs of each kind were set aside, the most first.
///
/// # Errors
/// When the database refuses.
pub async fn letters_by_kind(conn: &mut PgConnection) -> Result<Vec<Letters>, sqlx::Error> {
    sqlx::query_file_as!(Letters, "sql/standing/letters_by_kind.sql").fetch_all(conn).await
}

/// Who runs jobs, and what time it is.
///
/// # Errors
/// When the database refuses.
pub async fn workers(conn: &mut PgConnection) -> Result<Workers, sqlx::Error> {
    sqlx::query_file_as!(Workers, "sql/standing/workers.sql").fetch_one(conn).await
}

/// The breakers, `service` or `service/workspace`, that were closed after a point in time: what failed because of them may be tried again.
///
/// # Errors
/// When the database refuses.
pub async fn breakers_closed_since(
    conn: &mut PgConnection,
    since: DateTime<Utc>,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_file_scalar!("sql/breaker/closed_since.sql", since).fetch_all(conn).await
}
