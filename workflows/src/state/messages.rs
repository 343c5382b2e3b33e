//! `studio.message`: what is sent to members, written down before it is sent.

use autopilot_engine::WorkspaceId;
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::tenancy::Tenant;

/// How far a message has come. Statuses come twice and in any order; it never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum State {
    /// Written down; it may or may not have been sent.
    Intended,
    /// WhatsApp has it.
    Accepted,
    /// On its way.
    Sent,
    /// On the member's telephone.
    Delivered,
    /// Seen.
    Read,
    /// It will not arrive. The end.
    Failed,
    /// Not sent, on purpose. The end.
    Withheld,
}

/// A message as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its id here, which goes with it and comes back with each status.
    pub id: Uuid,
    /// To whom.
    pub contact: Uuid,
    /// What is sent.
    pub content: Value,
    /// How far it has come.
    pub state: State,
    /// WhatsApp's id of it, once that is known.
    pub message_id: Option<String>,
    /// Why it failed or was withheld.
    pub failure: Option<Value>,
}

/// The message, if there is one.
///
/// # Errors
/// The database's.
pub async fn get(tenant: &mut Tenant<'_>, id: Uuid) -> Result<Option<Message>, sqlx::Error> {
    sqlx::query_as!(
        Message,
        r#"SELECT id, contact_id AS contact, content, state AS "state: State", message_id, failure
           FROM studio.message WHERE workspace_id = $1 AND id = $2"#,
        tenant.workspace().uuid(),
        id
    )
    .fetch_optional(tenant.conn())
    .await
}

/// Since when it is not known whether the message was sent: since `now`, unless somebody asked before.
///
/// # Errors
/// The database's: among them a message that does not exist.
pub async fn doubt(
    tenant: &mut Tenant<'_>,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"UPDATE studio.message SET doubted_at = coalesce(doubted_at, $3) WHERE workspace_id = $1 AND id = $2
           RETURNING doubted_at AS "since!""#,
        tenant.workspace().uuid(),
        id,
        now
    )
    .fetch_one(tenant.conn())
    .await
}

/// Writes down that a message is to be sent. One that is there already stays as it is: what was written down first is sent.
///
/// # Errors
/// The database's: among them a contact that does not exist.
pub async fn intend(
    tenant: &mut Tenant<'_>,
    id: Uuid,
    contact: Uuid,
    content: &Value,
) -> Result<Message, sqlx::Error> {
    sqlx::query!(
        "INSERT INTO studio.message (workspace_id, id, contact_id, content) VALUES ($1, $2, $3, $4)
         ON CONFLICT (workspace_id, id) DO NOTHING",
        tenant.workspace().uuid(),
        id,
        contact,
        content
    )
    .execute(tenant.conn())
    .await?;
    get(tenant, id).await?.ok_or(sqlx::Error::RowNotFound)
}

/// The message has come so far, if that is farther than it had, and WhatsApp names it so. Whether it was.
///
/// # Errors
/// The database's.
pub async fn come_to(
    tenant: &mut Tenant<'_>,
    id: Uuid,
    state: State,
    message_id: Option<&str>,
    failure: Option<&Value>,
) -> Result<bool, sqlx::Error> {
    let changed = sqlx::query!(
        "UPDATE studio.message SET message_id = coalesce(message_id, $4), state = $3, failure = $5
         WHERE workspace_id = $1 AND id = $2 AND studio.message_rank($3) > studio.message_rank(state)",
        tenant.workspace().uuid(),
        id,
        state as State,
        message_id,
        failure
    )
    .execute(tenant.conn())
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// The message of ours that a status is about, by the id that went with it.
#[must_use]
pub fn named(text: &str) -> Option<(WorkspaceId, Uuid)> {
    let (workspace, id) = text.split_once('/')?;
    Some((workspace.parse().ok()?, id.parse().ok()?))
}

/// What goes with a message, to come back with each status.
#[must_use]
pub fn name(workspace: WorkspaceId, id: Uuid) -> String {
    format!("{workspace}/{id}")
}
