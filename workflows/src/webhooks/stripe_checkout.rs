//! What a checkout means: whose customer it is, and that the studio is to be provisioned.

use autopilot_engine::{Result, WorkspaceId};
use serde_json::Value;
use sqlx::PgConnection;

use super::route_again;
use super::stripe_event::text;
use crate::fail::unwritten;
use crate::provisioning::trigger;
use crate::state::workspaces::{self, BindError};

/// A checkout that is paid binds the customer and starts the provisioning; one that is not waits for its payment.
pub(super) async fn act(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    session: &Value,
    event: &str,
) -> Result<std::result::Result<(), String>> {
    let Some(customer) = text(session, "/customer") else {
        return Ok(
            Err("the checkout session has no customer; a subscription needs one".to_owned()),
        );
    };
    match workspaces::bind_customer(&mut *conn, workspace, customer).await {
        Ok(()) => {}
        Err(BindError::Database(error)) => return Err(error.into()),
        Err(
            error @ (BindError::NoWorkspace { .. }
            | BindError::OtherCustomer { .. }
            | BindError::OtherWorkspace { .. }),
        ) => return Ok(Err(error.to_string())),
    }
    // What came before may be of this customer.
    route_again(&mut *conn).await.map_err(unwritten)?;
    if matches!(text(session, "/payment_status"), Some("paid" | "no_payment_required")) {
        trigger(conn, workspace, Some(event)).await.map_err(unwritten)?;
    }
    Ok(Ok(()))
}
