//! Looking for events of the inbox.

use autopilot_engine::{JobId, WorkspaceId};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Event, EventState};
use crate::state::provider::Provider;

/// Which events; what is not said is any.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this provider.
    pub provider: Option<Provider>,
    /// In this state.
    pub state: Option<EventState>,
    /// Of this type, or of all that begin with it where it ends in `*`.
    pub event_type: Option<String>,
    /// Of this workspace.
    pub workspace: Option<WorkspaceId>,
    /// Received at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Received before this time.
    pub until: Option<DateTime<Utc>>,
}

/// At most `limit` events that the filter lets through, the newest first.
///
/// # Errors
/// The database's.
pub async fn list(
    conn: &mut PgConnection,
    filter: &Filter,
    limit: u32,
) -> Result<Vec<Event>, sqlx::Error> {
    let kind = filter.event_type.as_deref();
    sqlx::query_as!(
        Event,
        r#"SELECT provider AS "provider: Provider", event_id, event_type, occurred_at, workspace_id AS "workspace: WorkspaceId",
                  payload, headers, received_at, state AS "state: EventState", reason, job_id AS "job: JobId",
                  processed_at
           FROM studio.inbox
           WHERE ($1::text IS NULL OR provider = $1) AND ($2::text IS NULL OR state = $2)
             AND ($3::text IS NULL OR CASE WHEN $3 LIKE '%*' THEN starts_with(event_type, rtrim($3, '*')) ELSE event_type = $3 END)
             AND ($4::uuid IS NULL OR workspace_id = $4)
             AND received_at >= coalesce($5, '-infinity'::timestamptz) AND received_at < coalesce($6, 'infinity'::timestamptz)
           ORDER BY received_at DESC, event_id LIMIT $7"#,
        filter.provider.map(Provider::name),
        filter.state.map(EventState::name),
        kind,
        filter.workspace.map(WorkspaceId::uuid),
        filter.since,
        filter.until,
        i64::from(limit)
    )
    .fetch_all(conn)
    .await
}

/// The events of this id, one at most of each provider.
///
/// # Errors
/// The database's.
pub async fn find(conn: &mut PgConnection, event_id: &str) -> Result<Vec<Event>, sqlx::Error> {
    let providers = Provider::ALL.map(Provider::name);
    sqlx::query_as!(
        Event,
        r#"SELECT provider AS "provider: Provider", event_id, event_type, occurred_at, workspace_id AS "workspace: WorkspaceId",
                  payload, headers, received_at, state AS "state: EventState", reason, job_id AS "job: JobId",
                  processed_at
           FROM studio.inbox WHERE provider = ANY ($1) AND event_id = $2 ORDER BY provider"#,
        &providers as &[&str],
        event_id
    )
    .fetch_all(conn)
    .await
}

/// At most `limit` events of these providers of which nobody knows whose they are, the oldest first; those behind `after`, by when it was received and its
/// id.
///
/// # Errors
/// The database's.
pub async fn unroutable(
    conn: &mut PgConnection,
    providers: &[Provider],
    after: Option<(DateTime<Utc>, &str)>,
    limit: u32,
) -> Result<Vec<Event>, sqlx::Error> {
    let (at, id) = after.unzip();
    let providers: Vec<&str> = providers.iter().map(|provider| provider.name()).collect();
    sqlx::query_as!(
        Event,
        r#"SELECT provider AS "provider: Provider", event_id, event_type, occurred_at, workspace_id AS "workspace: WorkspaceId",
                  payload, headers, received_at, state AS "state: EventState", reason, job_id AS "job: JobId",
                  processed_at
           FROM studio.inbox
           WHERE state = 'unroutable' AND provider = ANY ($4) AND ($1::timestamptz IS NULL OR (received_at, event_id) > ($1, $2))
           ORDER BY received_at, event_id LIMIT $3"#,
        at,
        id,
        i64::from(limit),
        &providers as &[&str]
    )
    .fetch_all(conn)
    .await
}
