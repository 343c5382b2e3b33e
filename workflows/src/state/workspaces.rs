//! `studio.workspace`: the studios, who pays for each, and which are due for provisioning.

mod bind;
mod checks;

use autopilot_engine::WorkspaceId;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

pub use bind::{BindError, bind_customer};
pub use checks::{
    Checked, Sweep, check_after_check, check_after_run, check_again, check_too, check_who_fails,
    check_who_is_due, check_who_lacks, sweep, take_due,
};

/// A workspace that was paid or changed, and is not fully provisioned since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The mark to settle: when it was last paid or changed.
    pub since: DateTime<Utc>,
    /// How its last provisioning run ended, if there was one.
    pub last_outcome: Option<String>,
}

/// A workspace as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// The workspace.
    pub id: WorkspaceId,
    /// When it was registered, by the database's clock.
    pub created_at: DateTime<Utc>,
    /// Since when it is due for provisioning, if it is.
    pub due_since: Option<DateTime<Utc>>,
    /// How its last provisioning run ended, if there was one.
    pub last_outcome: Option<String>,
}

/// The workspace, if it is registered.
///
/// # Errors
/// The database's.
pub async fn get(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
) -> Result<Option<Workspace>, sqlx::Error> {
    sqlx::query_as!(
        Workspace,
        r#"SELECT id AS "id: WorkspaceId", created_at, due_since, last_outcome
           FROM studio.workspace WHERE id = $1"#,
        workspace.uuid()
    )
    .fetch_optional(conn)
    .await
}

/// Creates the workspace if it does not exist.
///
/// # Errors
/// The database's.
pub async fn ensure(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO studio.workspace (id) VALUES ($1) ON CONFLICT (id) DO NOTHING",
        workspace.uuid()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether the workspace exists.
///
/// # Errors
/// The database's.
pub async fn exists(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM studio.workspace WHERE id = $1) AS "exists!""#,
        workspace.uuid()
    )
    .fetch_one(conn)
    .await
}

/// The customer who pays for the workspace, if one is bound.
///
/// # Errors
/// The database's.
pub async fn stripe_customer(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
) -> Result<Option<String>, sqlx::Error> {
    let customer = sqlx::query_scalar!(
        "SELECT stripe_customer_id FROM studio.workspace WHERE id = $1",
        workspace.uuid()
    )
    .fetch_optional(conn)
    .await?;
    Ok(customer.flatten())
}

/// The workspace that the customer pays for.
///
/// # Errors
/// The database's.
pub async fn by_stripe_customer(
    conn: &mut PgConnection,
    customer: &str,
) -> Result<Option<WorkspaceId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT id AS "id: WorkspaceId" FROM studio.workspace WHERE stripe_customer_id = $1"#,
        customer
    )
    .fetch_optional(conn)
    .await
}

/// Marks the workspace as paid or changed just now, and gives the mark to [`settle`]; `None` where it does not exist.
///
/// # Errors
/// The database's.
pub async fn mark_due(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    // The clock, not now(): two marks in one transaction are two marks. A later one is later, whatever the clock of a new primary says.
    sqlx::query_scalar!(
        r#"UPDATE studio.workspace SET due_since = greatest(engine.clock(), due_since + interval '1 microsecond')
           WHERE id = $1 RETURNING due_since AS "due_since!""#,
        workspace.uuid()
    )
    .fetch_optional(conn)
    .await
}

/// Nobody else triggers, settles or concludes anything of the workspace before the caller's transaction ends.
///
/// Whoever does takes this first: what he reads then is what he decides by. Rows that belong to the workspace may be written meanwhile.
///
/// # Errors
/// The database's.
pub async fn hold(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<(), sqlx::Error> {
    // As strong as an update of the row. A stronger lock would keep the steps of its run from writing, which hold their job.
    sqlx::query!("SELECT FROM studio.workspace WHERE id = $1 FOR NO KEY UPDATE", workspace.uuid())
        .execute(conn)
        .await?;
    Ok(())
}

/// The workspace's mark, if it is due. A run reads it first, and settles what it read.
///
/// # Errors
/// The database's.
pub async fn due_since(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    let due = sqlx::query_scalar!(
        "SELECT due_since FROM studio.workspace WHERE id = $1",
        workspace.uuid()
    )
    .fetch_optional(conn)
    .await?;
    Ok(due.flatten())
}

/// Records that a run provisioned the workspace fully, as it was at `mark`.
///
/// A mark made since then stays: what changed during the run still has to be provisioned. Says whether the
/// workspace is settled.
///
/// # Errors
/// The database's.
pub async fn settle(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    mark: DateTime<Utc>,
    outcome: &str,
) -> Result<bool, sqlx::Error> {
    let settled = sqlx::query_scalar!(
        r#"UPDATE studio.workspace
           SET last_outcome = $3, due_since = CASE WHEN due_since > $2 THEN due_since END
           WHERE id = $1 RETURNING due_since IS NULL AS "settled!""#,
        workspace.uuid(),
        mark,
        outcome
    )
    .fetch_optional(conn)
    .await?;
    Ok(settled.unwrap_or(false))
}

/// Records how a run ended that did not provision everything: the workspace stays due.
///
/// # Errors
/// The database's.
pub async fn record_outcome(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    outcome: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE studio.workspace SET last_outcome = $2 WHERE id = $1",
        workspace.uuid(),
        outcome
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// At most `limit` workspaces that are due, the longest waiting first.
///
/// # Errors
/// The database's.
pub async fn due(conn: &mut PgConnection, limit: u32) -> Result<Vec<Due>, sqlx::Error> {
    sqlx::query_as!(
        Due,
        r#"SELECT id AS "workspace: WorkspaceId", due_since AS "since!", last_outcome
           FROM studio.workspace WHERE due_since IS NOT NULL
           ORDER BY due_since LIMIT $1"#,
        i64::from(limit)
    )
    .fetch_all(conn)
    .await
}
