//! Whose a Stripe event is: our own books first, then what the object says. If two of them disagree, nobody gets it.

use std::str::FromStr;

use autopilot_engine::{Result, WorkspaceId};
use serde_json::Value;
use sqlx::PgConnection;

use super::stripe_event::text;
use crate::state::provider::Provider;
use crate::state::routes::{self, Name};
use crate::state::workspaces;

/// Where an event goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Routed {
    To(WorkspaceId),
    /// Why it is nobody's that we know.
    Nobody(String),
    /// It names nothing but a charge: who paid that has to be asked first.
    FindPayer {
        charge: String,
    },
}

/// Where an object says whose it is, the surest first.
const NAMED: [&str; 3] = [
    "/metadata/workspace_id",
    "/parent/subscription_details/metadata/workspace_id",
    "/client_reference_id",
];

/// `account` is the connected account that the event came from; `payer` who paid the charge that the object names, once Stripe was
/// asked.
pub(super) async fn route(
    conn: &mut PgConnection,
    account: Option<&str>,
    object: &Value,
    payer: Option<Option<&str>>,
) -> Result<Routed> {
    if let Some(account) = account {
        // Whom its objects name is its own affair: it has customers and references of its own.
        let owner = routes::find(conn, Name::Account(Provider::Stripe, account)).await?;
        return Ok(owner.map_or_else(|| stranger(account), Routed::To));
    }
    let customer = text(object, "/customer").or(payer.flatten());
    let of_customer = match customer {
        Some(customer) => workspaces::by_stripe_customer(&mut *conn, customer).await?,
        None => None,
    };
    let named = match NAMED.into_iter().find_map(|path| text(object, path)) {
        None => None,
        Some(name) => match WorkspaceId::from_str(name) {
            Ok(workspace) => Some(workspace),
            Err(_not_one) => {
                return Ok(Routed::Nobody(format!(
                    "it names workspace {name:?}, which is no UUID"
                )));
            }
        },
    };
    match (of_customer, named) {
        (Some(known), Some(named)) if known != named => {
            Ok(Routed::Nobody(disagreement(named, known, customer)))
        }
        (Some(known), _) => Ok(Routed::To(known)),
        (None, Some(named)) if workspaces::exists(&mut *conn, named).await? => {
            Ok(Routed::To(named))
        }
        (None, Some(named)) => Ok(Routed::Nobody(format!(
            "it names workspace {named}, which is not registered here; register it, then replay the event"
        ))),
        (None, None) => Ok(unnamed(object, customer, payer)),
    }
}

fn stranger(account: &str) -> Routed {
    Routed::Nobody(format!(
        "it comes from the connected account {account}, which belongs to no workspace; `autopilot workspaces add --stripe-account` says whose it is, and it is handled"
    ))
}

fn disagreement(named: WorkspaceId, known: WorkspaceId, customer: Option<&str>) -> String {
    let customer = customer.unwrap_or_default();
    format!(
        "it names workspace {named}, but its customer {customer} pays for workspace {known}: a customer never moves"
    )
}

/// A dispute names its charge and nobody else.
fn unnamed(object: &Value, customer: Option<&str>, payer: Option<Option<&str>>) -> Routed {
    match (text(object, "/charge"), customer, payer) {
        (Some(charge), None, None) => Routed::FindPayer { charge: charge.to_owned() },
        (Some(charge), None, Some(_)) => {
            Routed::Nobody(format!("charge {charge} has no customer, so nobody knows whose it is"))
        }
        (_, _, _) => Routed::Nobody(
            "it names no workspace: neither metadata.workspace_id nor client_reference_id is set, and its customer is unknown"
                .to_owned(),
        ),
    }
}
