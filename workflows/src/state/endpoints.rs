//! `studio.endpoint`: where a studio is told what happens. Its secrets are sealed.

use autopilot_engine::secrets::{Place, Vault};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Serialize;
use uuid::Uuid;

use super::SealedError;
use crate::tenancy::Tenant;

/// An endpoint, without what it knows us by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// Its id.
    pub id: Uuid,
    /// Where to.
    pub url: String,
    /// The types of events that are told; none means all.
    pub events: Vec<String>,
    /// Why nothing is told any more, where that is so.
    pub disabled_why: Option<String>,
    /// When the first of the failures happened that no success has followed.
    pub failing_since: Option<DateTime<Utc>>,
    /// How many those are.
    pub failures: i32,
    /// Nothing is tried until then.
    pub open_until: Option<DateTime<Utc>>,
}

/// Makes an endpoint.
///
/// # Errors
/// The database's and the vault's.
pub async fn create(
    tenant: &mut Tenant<'_>,
    vault: &Vault,
    id: Uuid,
    url: &str,
    events: &[String],
    secret: &SecretString,
) -> Result<(), SealedError> {
    let sealed = vault.seal_text(&place(tenant, id), secret).await?;
    sqlx::query!(
        "INSERT INTO studio.endpoint (workspace_id, id, url, events, secret) VALUES ($1, $2, $3, $4, $5)",
        tenant.workspace().uuid(),
        id,
        url,
        events,
        sealed
    )
    .execute(tenant.conn())
    .await?;
    Ok(())
}

/// All endpoints, the oldest first.
///
/// # Errors
/// The database's.
pub async fn list(tenant: &mut Tenant<'_>) -> Result<Vec<Endpoint>, sqlx::Error> {
    sqlx::query_as!(
        Endpoint,
        "SELECT id, url, events, disabled_why, failing_since, failures, open_until
         FROM studio.endpoint WHERE workspace_id = $1 ORDER BY created_at, id",
        tenant.workspace().uuid()
    )
    .fetch_all(tenant.conn())
    .await
}

/// The endpoint, if there is one.
///
/// # Errors
/// The database's.
pub async fn get(tenant: &mut Tenant<'_>, id: Uuid) -> Result<Option<Endpoint>, sqlx::Error> {
    sqlx::query_as!(
        Endpoint,
        "SELECT id, url, events, disabled_why, failing_since, failures, open_until
         FROM studio.endpoint WHERE workspace_id = $1 AND id = $2",
        tenant.workspace().uuid(),
        id
    )
    .fetch_optional(tenant.conn())
    .await
}

/// What signs for the endpoint at this time: its secret, and the one before while the endpoint changes over.
///
/// # Errors
/// The database's, and the vault's where one does not open.
pub async fn secrets(
    tenant: &mut Tenant<'_>,
    vault: &Vault,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<Vec<SecretString>, SealedError> {
    let row = sqlx::query!(
        "SELECT secret, CASE WHEN old_until > $3 THEN old_secret END AS old_secret
         FROM studio.endpoint WHERE workspace_id = $1 AND id = $2",
        tenant.workspace().uuid(),
        id,
        now
    )
    .fetch_optional(tenant.conn())
    .await?;
    let Some(row) = row else { return Ok(Vec::new()) };
    let mut secrets = Vec::new();
    for sealed in std::iter::once(row.secret).chain(row.old_secret) {
        secrets.push(vault.unseal_text(&place(tenant, id), &sealed).await?);
    }
    Ok(secrets)
}

/// Gives the endpoint another secret; the one before signs as well until `old_until`. Whether there is such an endpoint.
///
/// # Errors
/// The database's and the vault's.
pub async fn rotate(
    tenant: &mut Tenant<'_>,
    vault: &Vault,
    id: Uuid,
    secret: &SecretString,
    old_until: DateTime<Utc>,
) -> Result<bool, SealedError> {
    let sealed = vault.seal_text(&place(tenant, id), secret).await?;
    let rotated = sqlx::query!(
        "UPDATE studio.endpoint SET old_secret = secret, old_until = $4, secret = $3 WHERE workspace_id = $1 AND id = $2",
        tenant.workspace().uuid(),
        id,
        sealed,
        old_until
    )
    .execute(tenant.conn())
    .await?;
    Ok(rotated.rows_affected() == 1)
}

/// Tells nothing any more, for this reason; or, without one, tells again from now on. Whether there is such an endpoint.
///
/// # Errors
/// The database's.
pub async fn disable(
    tenant: &mut Tenant<'_>,
    id: Uuid,
    why: Option<&str>,
) -> Result<bool, sqlx::Error> {
    let changed = sqlx::query!(
        "UPDATE studio.endpoint SET disabled_why = $3, failing_since = NULL, failures = 0, open_until = NULL
         WHERE workspace_id = $1 AND id = $2",
        tenant.workspace().uuid(),
        id,
        why
    )
    .execute(tenant.conn())
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// The endpoint has answered well.
///
/// # Errors
/// The database's.
pub async fn answered(tenant: &mut Tenant<'_>, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE studio.endpoint SET failing_since = NULL, failures = 0, open_until = NULL
         WHERE workspace_id = $1 AND id = $2 AND failures > 0",
        tenant.workspace().uuid(),
        id
    )
    .execute(tenant.conn())
    .await?;
    Ok(())
}

/// So many failures in a row, and an endpoint is tried by one post at a time only.
pub const FAILED_IN_A_ROW: i32 = 5;

/// Whether this post may be the one that tries an endpoint that has failed in a row. Whoever may keeps all others away until `until`.
///
/// # Errors
/// The database's.
pub async fn may_try(
    tenant: &mut Tenant<'_>,
    id: Uuid,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query!(
        "UPDATE studio.endpoint SET open_until = $4
         WHERE workspace_id = $1 AND id = $2 AND (open_until IS NULL OR open_until <= $3)",
        tenant.workspace().uuid(),
        id,
        now,
        until
    )
    .execute(tenant.conn())
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// The endpoint has failed once more: how often in a row, and since when. From the fifth time on nothing is tried for a minute, and
/// twice as long with each that follows, an hour at most.
///
/// # Errors
/// The database's.
pub async fn failed(
    tenant: &mut Tenant<'_>,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<Endpoint>, sqlx::Error> {
    sqlx::query_as!(
        Endpoint,
        "UPDATE studio.endpoint
         SET failures = failures + 1, failing_since = coalesce(failing_since, $3),
             open_until = CASE WHEN failures + 1 >= $4
                 THEN $3 + least(interval '1 minute' * 2 ^ least(failures + 1 - $4, 10), interval '1 hour') END
         WHERE workspace_id = $1 AND id = $2
         RETURNING id, url, events, disabled_why, failing_since, failures, open_until",
        tenant.workspace().uuid(),
        id,
        now,
        FAILED_IN_A_ROW
    )
    .fetch_optional(tenant.conn())
    .await
}

/// Forgets the endpoint and what it was told.
///
/// # Errors
/// The database's.
pub async fn remove(tenant: &mut Tenant<'_>, id: Uuid) -> Result<bool, sqlx::Error> {
    let removed = sqlx::query!(
        "DELETE FROM studio.endpoint WHERE workspace_id = $1 AND id = $2",
        tenant.workspace().uuid(),
        id
    )
    .execute(tenant.conn())
    .await?;
    Ok(removed.rows_affected() == 1)
}

/// Both secrets of an endpoint stand for the same thing, one after the other.
fn place<'a>(tenant: &Tenant<'_>, id: Uuid) -> Place<'a> {
    let workspace = tenant.workspace();
    Place { workspace, table: "studio.endpoint", column: "secret", row: id.to_string().into() }
}
