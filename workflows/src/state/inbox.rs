//! `studio.inbox`: every verified webhook, once.
//!
//! An event is recorded in one transaction with the job that handles it, before the provider gets its answer: what
//! was acknowledged is never lost, and what is delivered twice is handled once.

use autopilot_engine::{JobId, WorkspaceId};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;

/// A verified webhook, as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct NewEvent<'a> {
    /// Who sent it.
    pub provider: &'a str,
    /// The provider's id of it, or a digest of endpoint and body where the provider gives none.
    pub event_id: &'a str,
    /// The provider's word for what happened.
    pub event_type: &'a str,
    /// Whose event it is, where that is known.
    pub workspace: Option<WorkspaceId>,
    /// The raw bytes whose signature was verified.
    pub payload: &'a [u8],
    /// The headers worth keeping, as one object: no signatures and no credentials.
    pub headers: &'a Value,
    /// The job that handles it, where it was enqueued with it.
    pub job: Option<JobId>,
}

/// What came of recording an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Recorded {
    /// It was not known: enqueue its job in the same transaction.
    New,
    /// It was known: nothing was written, and there is nothing to do but to answer.
    Duplicate,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum EventState {
    /// Recorded, not yet handled.
    Received,
    /// Handled. It stays so.
    Processed,
    /// Nobody knows whose event it is: an operator has to look.
    Unroutable,
    /// Of no interest.
    Ignored,
    /// Handling it failed for good: an operator has to look.
    Failed,
}

impl EventState {
    /// As it stands in rows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Processed => "processed",
            Self::Unroutable => "unroutable",
            Self::Ignored => "ignored",
            Self::Failed => "failed",
        }
    }
}

/// An event of the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// See [`NewEvent::provider`].
    pub provider: String,
    /// See [`NewEvent::event_id`].
    pub event_id: String,
    /// See [`NewEvent::event_type`].
    pub event_type: String,
    /// See [`NewEvent::workspace`].
    pub workspace: Option<WorkspaceId>,
    /// See [`NewEvent::payload`].
    pub payload: Vec<u8>,
    /// See [`NewEvent::headers`].
    pub headers: Value,
    /// When it was recorded, by the database's clock.
    pub received_at: DateTime<Utc>,
    /// What became of it.
    pub state: EventState,
    /// Why, where that needs words.
    pub reason: Option<String>,
    /// The job that handles it, if one does.
    pub job: Option<JobId>,
    /// When it left [`EventState::Received`].
    pub processed_at: Option<DateTime<Utc>>,
}

/// What to write down about an event.
#[derive(Debug, Clone, Copy)]
pub struct Mark<'a> {
    /// What became of it.
    pub state: EventState,
    /// Why, in place of the reason before.
    pub reason: Option<&'a str>,
    /// Whose event it turned out to be; `None` leaves what is there.
    pub workspace: Option<WorkspaceId>,
    /// The job that handles it; `None` leaves what is there.
    pub job: Option<JobId>,
}

/// Records an event unless it is known. Of two deliveries at once, the second waits for the first's transaction.
///
/// # Errors
/// The database's. Answer the provider with a 5xx then, so that it delivers again.
pub async fn record(
    conn: &mut PgConnection,
    event: &NewEvent<'_>,
) -> Result<Recorded, sqlx::Error> {
    let inserted = sqlx::query!(
        "INSERT INTO studio.inbox
             (provider, event_id, event_type, workspace_id, payload, headers, job_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (provider, event_id) DO NOTHING",
        event.provider,
        event.event_id,
        event.event_type,
        event.workspace.map(WorkspaceId::uuid),
        event.payload,
        event.headers,
        event.job.map(JobId::uuid)
    )
    .execute(conn)
    .await?;
    Ok(if inserted.rows_affected() == 1 { Recorded::New } else { Recorded::Duplicate })
}

/// The event of that id, if it was recorded.
///
/// # Errors
/// The database's.
pub async fn get(
    conn: &mut PgConnection,
    provider: &str,
    event_id: &str,
) -> Result<Option<Event>, sqlx::Error> {
    sqlx::query_as!(
        Event,
        r#"SELECT provider, event_id, event_type, workspace_id AS "workspace: WorkspaceId", payload,
                  headers, received_at, state AS "state: EventState", reason, job_id AS "job: JobId",
                  processed_at
           FROM studio.inbox WHERE provider = $1 AND event_id = $2"#,
        provider,
        event_id
    )
    .fetch_optional(conn)
    .await
}

/// Writes down what became of an event, and says whether that was written: not for one that is unknown, nor for
/// one that was processed already, so that a late failure never undoes it.
///
/// # Errors
/// The database's.
pub async fn mark(
    conn: &mut PgConnection,
    provider: &str,
    event_id: &str,
    mark: &Mark<'_>,
) -> Result<bool, sqlx::Error> {
    let updated = sqlx::query!(
        "UPDATE studio.inbox
         SET state = $3, reason = $4, workspace_id = coalesce($5, workspace_id),
             job_id = coalesce($6, job_id),
             processed_at = CASE WHEN $3 <> 'received' THEN now() END
         WHERE provider = $1 AND event_id = $2 AND state <> 'processed'",
        provider,
        event_id,
        mark.state as EventState,
        mark.reason,
        mark.workspace.map(WorkspaceId::uuid),
        mark.job.map(JobId::uuid)
    )
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// At most `limit` events, of one state or of all, the newest first.
///
/// # Errors
/// The database's.
pub async fn list(
    conn: &mut PgConnection,
    state: Option<EventState>,
    limit: u32,
) -> Result<Vec<Event>, sqlx::Error> {
    sqlx::query_as!(
        Event,
        r#"SELECT provider, event_id, event_type, workspace_id AS "workspace: WorkspaceId", payload,
                  headers, received_at, state AS "state: EventState", reason, job_id AS "job: JobId",
                  processed_at
           FROM studio.inbox WHERE $1::text IS NULL OR state = $1
           ORDER BY received_at DESC, event_id LIMIT $2"#,
        state.map(EventState::name),
        i64::from(limit)
    )
    .fetch_all(conn)
    .await
}

/// At most `limit` events of which nobody knows whose they are, the oldest first.
///
/// # Errors
/// The database's.
pub async fn unroutable(conn: &mut PgConnection, limit: u32) -> Result<Vec<Event>, sqlx::Error> {
    sqlx::query_as!(
        Event,
        r#"SELECT provider, event_id, event_type, workspace_id AS "workspace: WorkspaceId", payload,
                  headers, received_at, state AS "state: EventState", reason, job_id AS "job: JobId",
                  processed_at
           FROM studio.inbox WHERE state = 'unroutable' ORDER BY received_at LIMIT $1"#,
        i64::from(limit)
    )
    .fetch_all(conn)
    .await
}
