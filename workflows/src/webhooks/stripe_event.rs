//! What each Stripe event means for a workspace.
//!
//! An event that belongs to none, or to another than it says, stays in
//! the inbox as `unroutable`: never dropped, never guessed, and handled again once the cause is mended.

use std::str::FromStr;
use std::time::Duration;

use autopilot_engine::{Class, Failure, Job, Result, Retry, Run, Stop, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;

use super::stripe::PROVIDER;
use crate::app::App;
use crate::provisioning::{payment_changed, trigger};
use crate::state::inbox::{self, Event, EventState, Mark};
use crate::state::workspaces::{self, BindError};

/// Acts on one event of the inbox.
#[derive(Debug, Serialize, Deserialize)]
pub struct StripeEvent {
    /// The event's id, `evt_…`.
    pub event: String,
}

/// Whether anything is done for events of this type.
pub(super) fn acts_on(kind: &str) -> bool {
    is_checkout(kind) || is_subscription(kind)
}

fn is_checkout(kind: &str) -> bool {
    matches!(kind, "checkout.session.completed" | "checkout.session.async_payment_succeeded")
}

fn is_subscription(kind: &str) -> bool {
    matches!(
        kind,
        "customer.subscription.created" | "customer.subscription.updated" | "invoice.paid"
    )
}

/// Why an event cannot be given to a workspace.
type Unroutable = String;

impl Job for StripeEvent {
    type App = App;
    const KIND: &'static str = "stripe.event";
    const QUEUE: &'static str = "webhooks";
    const RETRY: Retry = Retry::exponential(Duration::from_secs(1)).retries(10);

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        run.transact("act", async |tx| act(tx, &self.event).await).await
    }
}

/// Routes the event and does what it asks, in one transaction with the inbox's mark.
async fn act(conn: &mut PgConnection, id: &str) -> Result {
    let Some(event) = inbox::get(&mut *conn, PROVIDER, id).await? else {
        return Err(Stop::Failed(Failure::new(
            Class::ConfigurationError,
            "event_missing",
            format!("event {id} is not in the inbox any more"),
        )));
    };
    let object = object(&event);
    let routed = match route(&mut *conn, &object).await? {
        Ok(workspace) if is_checkout(&event.event_type) => {
            checkout(&mut *conn, workspace, &object, id).await?.map(|()| workspace)
        }
        Ok(workspace) => {
            payment_changed(&mut *conn, workspace).await?;
            Ok(workspace)
        }
        Err(reason) => Err(reason),
    };
    let mark = match &routed {
        Ok(workspace) => Mark {
            state: EventState::Processed,
            reason: None,
            workspace: Some(*workspace),
            job: None,
        },
        Err(reason) => {
            tracing::warn!(event = id, reason, "event cannot be routed; it waits in the inbox");
            Mark { state: EventState::Unroutable, reason: Some(reason), workspace: None, job: None }
        }
    };
    inbox::mark(conn, PROVIDER, id, &mark).await?;
    Ok(())
}

fn object(event: &Event) -> Value {
    serde_json::from_slice::<Value>(&event.payload)
        .ok()
        .and_then(|mut event| event.pointer_mut("/data/object").map(Value::take))
        .unwrap_or_default()
}

fn text<'v>(object: &'v Value, path: &str) -> Option<&'v str> {
    object.pointer(path).and_then(Value::as_str)
}

/// Our own books first, then what the object says; if the two disagree, nobody gets it.
async fn route(
    conn: &mut PgConnection,
    object: &Value,
) -> Result<std::result::Result<WorkspaceId, Unroutable>> {
    let named = [
        "/metadata/workspace_id",
        "/parent/subscription_details/metadata/workspace_id",
        "/client_reference_id",
    ]
    .into_iter()
    .find_map(|path| text(object, path));
    let customer = text(object, "/customer");
    let bound = match customer {
        Some(customer) => workspaces::by_stripe_customer(&mut *conn, customer).await?,
        None => None,
    };
    let named = match named.map(|name| (name, WorkspaceId::from_str(name))) {
        None => None,
        Some((_, Ok(workspace))) => Some(workspace),
        Some((name, Err(_))) => {
            return Ok(Err(format!("it names workspace {name:?}, which is no UUID")));
        }
    };
    Ok(match (bound, named) {
        (Some(bound), Some(named)) if bound != named => Err(format!(
            "it names workspace {named}, but its customer {} pays for workspace {bound}: a customer never moves",
            customer.unwrap_or_default()
        )),
        (Some(workspace), _) => Ok(workspace),
        (None, Some(workspace)) if workspaces::exists(&mut *conn, workspace).await? => Ok(workspace),
        (None, Some(workspace)) => Err(format!(
            "it names workspace {workspace}, which is not registered here; register it, then replay the event"
        )),
        (None, None) => Err(
            "it names no workspace: neither metadata.workspace_id nor client_reference_id is set, and its customer is unknown"
                .to_owned(),
        ),
    })
}

/// A checkout that is paid binds the customer and starts the provisioning; one that is not waits for its payment.
async fn checkout(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    session: &Value,
    event: &str,
) -> Result<std::result::Result<(), Unroutable>> {
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
    if matches!(text(session, "/payment_status"), Some("paid" | "no_payment_required")) {
        trigger(&mut *conn, workspace, Some(event)).await.map_err(|error| {
            Stop::Failed(Failure::new(Class::TransientNetwork, "enqueue", error.to_string()))
        })?;
    }
    payment_changed(conn, workspace).await?;
    Ok(Ok(()))
}
