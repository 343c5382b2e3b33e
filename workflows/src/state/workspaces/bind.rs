//! Who pays for a workspace: bound once, never moved.

use std::borrow::Cow;

use autopilot_engine::{Class, Classify, WorkspaceId};
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
