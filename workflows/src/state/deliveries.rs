//! `studio.delivery`: what a studio's endpoints are told, and how each telling went.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::tenancy::Tenant;

/// Something that an endpoint is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Its id, which the endpoint knows it by however often it comes.
    pub id: Uuid,
    /// Whom it is told.
    pub endpoint: Uuid,
    /// What happened.
    pub event_type: String,
    /// Letter by letter what is posted.
    pub body: String,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// When the endpoint has taken it, if it has.
    pub delivered_at: Option<DateTime<Utc>>,
}

/// One post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// When.
    pub at: DateTime<Utc>,
    /// The status; none where no answer came.
    pub status: Option<i16>,
    /// Milliseconds.
    pub took_ms: i32,
    /// The beginning of the answer, or why there is none.
    pub answer: String,
}

/// Which deliveries; what is not said is any.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// To this endpoint.
    pub endpoint: Option<Uuid>,
    /// Of this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Before this time.
    pub until: Option<DateTime<Utc>>,
    /// Only what was not taken.
    pub is_open: bool,
}

/// Writes down what the endpoints that want to hear of it are told; the ids, one for each of them.
///
/// # Errors
/// The database's.
pub async fn tell(
    tenant: &mut Tenant<'_>,
    event_type: &str,
    body: &str,
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, sqlx::Error> {
    let endpoints = sqlx::query_scalar!(
        "SELECT id FROM studio.endpoint
         WHERE workspace_id = $1 AND disabled_why IS NULL AND (events = '{}' OR $2 = ANY (events)) ORDER BY id",
        tenant.workspace().uuid(),
        event_type
    )
    .fetch_all(tenant.conn())
    .await?;
    let ids: Vec<Uuid> = endpoints.iter().map(|_| Uuid::now_v7()).collect();
    if !ids.is_empty() {
        sqlx::query!(
            "INSERT INTO studio.delivery (workspace_id, id, endpoint_id, event_type, body, created_at)
             SELECT $1, id, endpoint, $4, $5, $6 FROM unnest($2::uuid[], $3::uuid[]) AS told(id, endpoint)",
            tenant.workspace().uuid(),
            &ids,
            &endpoints,
            event_type,
            body,
            now
        )
        .execute(tenant.conn())
        .await?;
    }
    Ok(ids)
}

/// The delivery, if there is one.
///
/// # Errors
/// The database's.
pub async fn get(tenant: &mut Tenant<'_>, id: Uuid) -> Result<Option<Delivery>, sqlx::Error> {
    sqlx::query_as!(
        Delivery,
        "SELECT id, endpoint_id AS endpoint, event_type, body, created_at, delivered_at
         FROM studio.delivery WHERE workspace_id = $1 AND id = $2",
        tenant.workspace().uuid(),
        id
    )
    .fetch_optional(tenant.conn())
    .await
}

/// At most `limit` deliveries that the filter lets through, the newest first.
///
/// # Errors
/// The database's.
pub async fn list(
    tenant: &mut Tenant<'_>,
    filter: Filter,
    limit: u32,
) -> Result<Vec<Delivery>, sqlx::Error> {
    sqlx::query_as!(
        Delivery,
        "SELECT id, endpoint_id AS endpoint, event_type, body, created_at, delivered_at
         FROM studio.delivery
         WHERE workspace_id = $1 AND ($2::uuid IS NULL OR endpoint_id = $2)
           AND created_at >= coalesce($3, '-infinity'::timestamptz) AND created_at < coalesce($4, 'infinity'::timestamptz)
           AND (NOT $5 OR delivered_at IS NULL)
         ORDER BY created_at DESC, id LIMIT $6",
        tenant.workspace().uuid(),
        filter.endpoint,
        filter.since,
        filter.until,
        filter.is_open,
        i64::from(limit)
    )
    .fetch_all(tenant.conn())
    .await
}

/// Forgets at most a hundred deliveries that are older than this.
///
/// # Errors
/// The database's.
pub async fn forget(tenant: &mut Tenant<'_>, older_than: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM studio.delivery WHERE workspace_id = $1 AND id = ANY (ARRAY(
             SELECT id FROM studio.delivery WHERE workspace_id = $1 AND created_at < $2 ORDER BY created_at LIMIT 100))",
        tenant.workspace().uuid(),
        older_than
    )
    .execute(tenant.conn())
    .await?;
    Ok(())
}

/// Writes down how a post went.
///
/// # Errors
/// The database's.
pub async fn attempted(
    tenant: &mut Tenant<'_>,
    id: Uuid,
    attempt: &Attempt,
    is_taken: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO studio.delivery_attempt (workspace_id, delivery_id, at, status, took_ms, answer)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        tenant.workspace().uuid(),
        id,
        attempt.at,
        attempt.status,
        attempt.took_ms,
        attempt.answer
    )
    .execute(tenant.conn())
    .await?;
    if is_taken {
        sqlx::query!(
            "UPDATE studio.delivery SET delivered_at = $3 WHERE workspace_id = $1 AND id = $2",
            tenant.workspace().uuid(),
            id,
            attempt.at
        )
        .execute(tenant.conn())
        .await?;
    }
    Ok(())
}

/// All posts of a delivery, the first one first.
///
/// # Errors
/// The database's.
pub async fn attempts(tenant: &mut Tenant<'_>, id: Uuid) -> Result<Vec<Attempt>, sqlx::Error> {
    sqlx::query_as!(
        Attempt,
        "SELECT at, status, took_ms, answer FROM studio.delivery_attempt
         WHERE workspace_id = $1 AND delivery_id = $2 ORDER BY at",
        tenant.workspace().uuid(),
        id
    )
    .fetch_all(tenant.conn())
    .await
}
