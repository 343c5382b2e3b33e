//! `studio.inbox`: every verified webhook, once.
//!
//! An event is recorded in one transaction with the job that handles it, before the provider gets its answer: what
//! was acknowledged is never lost, and what is delivered twice is handled once.

use std::collections::HashSet;
use std::time::Duration;

use autopilot_engine::{JobId, WorkspaceId};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

mod search;

pub use search::{Filter, find, list, unroutable};

use super::provider::Provider;

/// A verified webhook, as it arrived, and what is to become of it.
#[derive(Debug, Clone, Copy)]
pub struct NewEvent<'a> {
    /// Who sent it.
    pub provider: Provider,
    /// The provider's id of it, or a digest of endpoint and body where the provider gives none.
    pub event_id: &'a str,
    /// The provider's word for what happened.
    pub event_type: &'a str,
    /// When it happened, where the provider says so.
    pub occurred_at: Option<DateTime<Utc>>,
    /// The raw bytes whose signature was verified.
    pub payload: &'a [u8],
    /// The headers worth keeping, as one object: no signatures and no credentials.
    pub headers: &'a Value,
    /// [`EventState::Received`] where a job is enqueued with it, else what it stays.
    pub state: EventState,
    /// Why, where that needs words.
    pub reason: Option<&'a str>,
    /// The job that is enqueued with it.
    pub job: Option<JobId>,
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
    /// Who sent it.
    pub provider: Provider,
    /// See [`NewEvent::event_id`].
    pub event_id: String,
    /// See [`NewEvent::event_type`].
    pub event_type: String,
    /// See [`NewEvent::occurred_at`].
    pub occurred_at: Option<DateTime<Utc>>,
    /// Whose event it is, where that is known.
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

/// Records the events that are not known yet, in one statement, and answers with their providers and ids.
///
/// Their jobs are to be enqueued in the same transaction. Of an event that is there twice, the first counts.
///
/// Of two deliveries at once, the second waits for the first's transaction. From here to its end, the caller's transaction
/// waits at most `patience` for anybody's lock; zero waits for ever.
///
/// # Errors
/// The database's; that patience ran out is one of them. Answer the provider with a 5xx then, so that it delivers again.
pub async fn record(
    conn: &mut PgConnection,
    events: &[NewEvent<'_>],
    patience: Duration,
) -> Result<HashSet<(Provider, String)>, sqlx::Error> {
    // Inserted in the order of their keys, so that two batches with the same events never wait for each other.
    let mut events: Vec<&NewEvent<'_>> = events.iter().collect();
    events.sort_by_key(|event| (event.provider.name(), event.event_id));
    let providers: Vec<&str> = events.iter().map(|event| event.provider.name()).collect();
    let ids: Vec<&str> = events.iter().map(|event| event.event_id).collect();
    let types: Vec<&str> = events.iter().map(|event| event.event_type).collect();
    let times: Vec<Option<DateTime<Utc>>> = events.iter().map(|event| event.occurred_at).collect();
    let payloads: Vec<&[u8]> = events.iter().map(|event| event.payload).collect();
    let headers: Vec<Json<&Value>> = events.iter().map(|event| Json(event.headers)).collect();
    let states: Vec<&str> = events.iter().map(|event| event.state.name()).collect();
    let reasons: Vec<Option<&str>> = events.iter().map(|event| event.reason).collect();
    let jobs: Vec<Option<Uuid>> = events.iter().map(|event| event.job.map(JobId::uuid)).collect();
    let new = sqlx::query!(
        r#"WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', $1, true))
         INSERT INTO studio.inbox
             (provider, event_id, event_type, occurred_at, payload, headers, state, reason, job_id, processed_at)
         SELECT provider, id, type, occurred_at, payload, headers, state, reason, job,
                CASE WHEN state <> 'received' THEN now() END
         FROM unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bytea[], $7::jsonb[], $8::text[], $9::text[], $10::uuid[])
             AS event(provider, id, type, occurred_at, payload, headers, state, reason, job)
         WHERE (SELECT count(*) FROM patience) = 1
         ON CONFLICT (provider, event_id) DO NOTHING
         RETURNING provider AS "provider: Provider", event_id"#,
        format!("{}ms", patience.as_millis()),
        &providers as &[&str],
        &ids as &[&str],
        &types as &[&str],
        &times as &[Option<DateTime<Utc>>],
        &payloads as &[&[u8]],
        &headers as &[Json<&Value>],
        &states as &[&str],
        &reasons as &[Option<&str>],
        &jobs as &[Option<Uuid>]
    )
    .fetch_all(conn)
    .await?;
    Ok(new.into_iter().map(|row| (row.provider, row.event_id)).collect())
}

/// The event of that id, if it was recorded.
///
/// # Errors
/// The database's.
pub async fn get(
    conn: &mut PgConnection,
    provider: Provider,
    event_id: &str,
) -> Result<Option<Event>, sqlx::Error> {
    sqlx::query_as!(
        Event,
        r#"SELECT provider AS "provider: Provider", event_id, event_type, occurred_at, workspace_id AS "workspace: WorkspaceId",
                  payload, headers, received_at, state AS "state: EventState", reason, job_id AS "job: JobId",
                  processed_at
           FROM studio.inbox WHERE provider = $1 AND event_id = $2"#,
        provider as Provider,
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
    provider: Provider,
    event_id: &str,
    mark: &Mark<'_>,
) -> Result<bool, sqlx::Error> {
    let updated = sqlx::query!(
        "UPDATE studio.inbox
         SET state = $3, reason = $4, workspace_id = coalesce($5, workspace_id),
             job_id = coalesce($6, job_id),
             processed_at = CASE WHEN $3 <> 'received' THEN now() END
         WHERE provider = $1 AND event_id = $2 AND state <> 'processed'",
        provider as Provider,
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

/// Forgets at most `limit` of the events that were received longer ago than this and that nothing is to be done about: those that were handled, and strangers'
/// messages. How many.
///
/// # Errors
/// The database's.
pub async fn forget(
    conn: &mut PgConnection,
    kept: Duration,
    limit: u32,
) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "DELETE FROM studio.inbox WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM studio.inbox
             WHERE received_at < engine.now() - make_interval(secs => $1) AND (state IN ('processed', 'ignored') OR state = 'unroutable' AND provider = 'whatsapp')
             LIMIT $2))",
        kept.as_secs_f64(),
        i64::from(limit)
    )
    .execute(conn)
    .await?;
    Ok(forgotten.rows_affected())
}
