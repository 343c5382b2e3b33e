//! Whether the studio still pays, and whether our books say so.

use autopilot_engine::{At, Result};
use serde::{Deserialize, Serialize};

use super::found::{Found, Mend, judged};
use crate::app::App;
use crate::integrations::stripe::{Entitlement, Stripe};
use crate::provisioning::{NowPaid, reread_subscription};
use crate::state::health::{Component, Seen, Severity, Standing, Wrong};

/// What Stripe said.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Payer {
    pub(super) found: Found,
    /// Whether anything may be set up for this studio: nothing is for one that does not pay.
    pub(super) may_provision: bool,
}

pub(super) async fn ask(at: At<'_, App>) -> Result<Payer> {
    let Some(stripe) = at.app.stripe.as_ref() else {
        at.asked_nobody();
        return Ok(Payer { found: Found::not_set_up(Component::Stripe), may_provision: false });
    };
    let mut may_provision = false;
    let asked = compare(&at, stripe, &mut may_provision).await;
    Ok(Payer { found: judged(Component::Stripe, asked)?, may_provision })
}

async fn compare(at: &At<'_, App>, stripe: &Stripe, may_provision: &mut bool) -> Result<Found> {
    Ok(match reread_subscription(at, stripe).await? {
        NowPaid::NoCustomer => idle("no checkout has been completed for this studio yet"),
        NowPaid::Nothing { customer } => Found::person_first(
            Component::Stripe,
            Severity::Warning,
            format!("Stripe's customer {customer} has no subscription"),
            "look at the customer in Stripe's dashboard; a new checkout brings a new subscription",
        ),
        NowPaid::Subscription { id, status, entitlement } => match entitlement {
            Entitlement::Entitled | Entitlement::Grace => {
                // A provisioning ends with this call: what is refused there is refused here.
                stripe.ping().await?;
                *may_provision = true;
                Found::well(Component::Stripe, format!("subscription {id} is {status}"))
            }
            Entitlement::Pending | Entitlement::Blocked => {
                idle(&format!("subscription {id} is {status}: nothing is set up for the studio"))
            }
        },
    })
}

/// Nothing is wrong, and nothing is done until somebody pays.
fn idle(detail: &str) -> Found {
    let wrong = Wrong {
        severity: Severity::Info,
        next: "nothing until the studio pays; that is noticed by itself".to_owned(),
        action: "nothing has to be done here".to_owned(),
    };
    Found {
        seen: Seen::wrong(Component::Stripe, Standing::Waiting, detail, wrong),
        mend: Mend::Nobody,
    }
}
