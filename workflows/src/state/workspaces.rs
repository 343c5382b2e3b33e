//! `studio.workspace`: the studios, who pays for each, and which are due for provisioning.

use std::borrow::Cow;

use autopilot_engine::{Class, Classify, WorkspaceId};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Why a Stripe customer could not be bound to a workspace.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The workspace does not exist.
    #[error("workspace {workspace} does not exist: create it before its customer is bound")]
    NoWorkspace {
        /// The workspace.
        workspace: WorkspaceId,
    },
    /// Somebody else pays for the workspace already.
    #[error(
        "workspace {workspace} is paid for by Stripe customer {bound}, not {customer}: a workspace keeps \
         its customer. Compare `workspace_id` in the metadata of both in Stripe"
    )]
    OtherCustomer {
        /// The workspace.
        workspace: WorkspaceId,
        /// Who pays for it.
        bound: String,
        /// Who was to be bound.
        customer: String,
    },
    /// The customer pays for another workspace already.
    #[error(
        "Stripe customer {customer} pays for another workspace than {workspace}: a customer never moves. \
         Compare `workspace_id` in the customer's metadata in Stripe"
    )]
    OtherWorkspace {
        /// The workspace that the customer was to be bound to.
        workspace: WorkspaceId,
        /// The customer.
        customer: String,
    },
    /// The statement failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Classify for BindError {
    fn class(&self) -> Class {
        match self {
            Self::NoWorkspace { .. } | Self::OtherCustomer { .. } | Self::OtherWorkspace { .. } => {
                Class::ConfigurationError
            }
            Self::Database(error) => error.class(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NoWorkspace { .. } => Cow::Borrowed("workspace_missing"),
            Self::OtherCustomer { .. } => Cow::Borrowed("workspace_other_customer"),
            Self::OtherWorkspace { .. } => Cow::Borrowed("customer_other_workspace"),
            Self::Database(error) => error.code(),
        }
    }
}

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

/// Binds the customer to the workspace, once and for all; binding it again changes nothing.
///
/// # Errors
/// [`BindError::OtherCustomer`] and [`BindError::OtherWorkspace`] instead of moving either. Two calls at once for
/// one customer end in the latter as well, and abort the caller's transaction.
pub async fn bind_customer(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    customer: &str,
) -> Result<(), BindError> {
    let other_workspace = || BindError::OtherWorkspace { workspace, customer: customer.to_owned() };
    let updated = sqlx::query!(
        "UPDATE studio.workspace SET stripe_customer_id = $2
         WHERE id = $1 AND coalesce(stripe_customer_id, $2) = $2
           AND NOT EXISTS (SELECT FROM studio.workspace WHERE stripe_customer_id = $2 AND id <> $1)",
        workspace.uuid(),
        customer
    )
    .execute(&mut *conn)
    .await;
    match updated {
        Ok(updated) if updated.rows_affected() == 1 => return Ok(()),
        Ok(_) => {}
        Err(error) if is_unique_violation(&error) => return Err(other_workspace()),
        Err(error) => return Err(error.into()),
    }

    let bound = sqlx::query_scalar!(
        "SELECT stripe_customer_id FROM studio.workspace WHERE id = $1",
        workspace.uuid()
    )
    .fetch_optional(conn)
    .await?;
    Err(match bound {
        None => BindError::NoWorkspace { workspace },
        Some(Some(bound)) if bound != customer => {
            BindError::OtherCustomer { workspace, bound, customer: customer.to_owned() }
        }
        Some(_) => other_workspace(),
    })
}

fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// Marks the workspace as paid or changed just now, and gives the mark to [`settle`]; `None` where it does not exist.
///
/// # Errors
/// The database's.
pub async fn mark_due(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    // The clock, not now(): two marks in one transaction are two marks.
    sqlx::query_scalar!(
        r#"UPDATE studio.workspace SET due_since = clock_timestamp()
           WHERE id = $1 RETURNING due_since AS "due_since!""#,
        workspace.uuid()
    )
    .fetch_optional(conn)
    .await
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
