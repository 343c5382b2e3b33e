//! What each Stripe event means for a workspace.
//!
//! An event that belongs to none, or to another than it says, stays in
//! the inbox as `unroutable`: never dropped, never guessed, and handled again once the cause is mended.

use std::time::Duration;

use autopilot_engine::{
    At, Class, Failure, Job, NewJob, Result, Retry, Run, Step, Stop, WorkspaceId, enqueue,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::stripe_refresh::RefreshSubscription;
use super::stripe_route::{Routed, route};
use super::stripe_types::{About, TRIAL_WILL_END};
use super::{stripe_checkout, stripe_payment};
use crate::app::App;
use crate::fail::unwritten;
use crate::integrations::service::STRIPE;
use crate::integrations::stripe::Stripe;
use crate::outbound::{self, EventType};
use crate::provisioning::payment_changed;
use crate::state::inbox::{self, Event, EventState, Mark};
use crate::state::provider::Provider;

/// Acts on one event of the inbox.
#[derive(Debug, Serialize, Deserialize)]
pub struct StripeEvent {
    /// The event's id, `evt_…`.
    pub event: String,
}

/// What is left to be done of an event.
#[derive(Debug, Serialize, Deserialize)]
enum Left {
    Nothing,
    /// It names a charge only: who paid has to be asked.
    FindPayer {
        charge: String,
    },
}

impl Job for StripeEvent {
    type App = App;
    const KIND: &'static str = "stripe.event";
    const QUEUE: &'static str = super::QUEUE;
    const RETRY: Retry = Retry::exponential(Duration::from_secs(1)).retries(10);

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        let live = run.app.stripe.as_ref().and_then(Stripe::is_live);
        let first = async |tx: &mut PgConnection| act(tx, &self.event, live, None).await;
        let left = run.transact("act", first).await?;
        let Left::FindPayer { charge } = left else { return Ok(()) };
        let payer = run
            .step(Step::named("find_payer").calls(STRIPE), async |at| find_payer(at, &charge).await)
            .await?;
        let left =
            async |tx: &mut PgConnection| act(tx, &self.event, live, Some(payer.clone())).await;
        let _nothing = run.transact("act_for_payer", left).await?;
        Ok(())
    }
}

/// Who paid a charge, as Stripe knows it: a customer, or nobody.
async fn find_payer(at: At<'_, App>, charge: &str) -> Result<Option<String>> {
    let stripe = at.app.stripe.as_ref().ok_or_else(|| {
        Stop::Failed(
            Failure::new(
                Class::ConfigurationError,
                "stripe_not_configured",
                format!("without Stripe nobody knows who paid charge {charge}"),
            )
            .action("set STRIPE_SECRET_KEY, then replay the event"),
        )
    })?;
    Ok(stripe.payer_of(charge).await?)
}

/// Routes the event and does what it asks, in one transaction with the inbox's mark. `payer` is who paid the charge that it names,
/// once that was asked.
async fn act(
    conn: &mut PgConnection,
    id: &str,
    live: Option<bool>,
    payer: Option<Option<String>>,
) -> Result<Left> {
    let Some(event) = inbox::get(&mut *conn, Provider::Stripe, id).await? else {
        return Err(Stop::Failed(Failure::new(
            Class::ConfigurationError,
            "event_missing",
            format!("event {id} is not in the inbox any more"),
        )));
    };
    let body: Value = serde_json::from_slice(&event.payload).unwrap_or_default();
    let object = body.pointer("/data/object").cloned().unwrap_or_default();
    let account = text(&body, "/account");
    let payer = payer.as_ref().map(Option::as_deref);
    let routed = match other_mode(&body, live) {
        Some(reason) => Routed::Nobody(reason.to_owned()),
        None => route(&mut *conn, account, &object, payer).await?,
    };
    let routed = match routed {
        Routed::FindPayer { charge } => return Ok(Left::FindPayer { charge }),
        Routed::To(workspace) => {
            let is_ours = account.is_none();
            do_for(&mut *conn, workspace, &event, &object, is_ours).await?.map(|()| workspace)
        }
        Routed::Nobody(reason) => Err(reason),
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
    inbox::mark(conn, Provider::Stripe, id, &mark).await?;
    Ok(Left::Nothing)
}

/// Why nothing is done for an event of Stripe's other mode: what is paid in test mode is not paid.
fn other_mode(event: &Value, live: Option<bool>) -> Option<&'static str> {
    let own = event.get("livemode").and_then(Value::as_bool)?;
    match (own, live?) {
        (false, true) => Some("it is of Stripe's test mode, and STRIPE_SECRET_KEY is a live key"),
        (true, false) => Some("it is of Stripe's live mode, and STRIPE_SECRET_KEY is a test key"),
        (true, true) | (false, false) => None,
    }
}

/// What the event asks of its workspace, `is_ours` unless a connected account sent it; or why it is not that workspace's after all.
async fn do_for(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    event: &Event,
    object: &Value,
    is_ours: bool,
) -> Result<std::result::Result<(), String>> {
    let Some(about) = About::of(&event.event_type) else { return Ok(Ok(())) };
    match about {
        // On its connected account a studio sells to its own members: that is not what it pays us for.
        About::Checkout | About::Subscription if !is_ours => {}
        About::Invoice if !is_ours => {
            stripe_payment::keep(conn, workspace, about, event, object).await?;
        }
        About::Checkout => {
            if let Err(reason) =
                stripe_checkout::act(&mut *conn, workspace, object, &event.event_id).await?
            {
                return Ok(Err(reason));
            }
            changed(conn, workspace).await?;
        }
        About::Subscription => {
            if event.event_type == TRIAL_WILL_END {
                trial_ending(&mut *conn, workspace, object).await?;
            }
            changed(conn, workspace).await?;
        }
        About::Invoice => {
            stripe_payment::keep(&mut *conn, workspace, about, event, object).await?;
            changed(conn, workspace).await?;
        }
        About::Payment | About::Refund | About::Dispute => {
            stripe_payment::keep(conn, workspace, about, event, object).await?;
        }
    }
    Ok(Ok(()))
}

/// What the studio pays for has changed: a run that waits for it looks again, and what Stripe says now is written down.
async fn changed(conn: &mut PgConnection, workspace: WorkspaceId) -> Result {
    payment_changed(&mut *conn, workspace).await?;
    let refresh = NewJob::of(&RefreshSubscription { workspace }).map_err(unwritten)?;
    let _joins_or_is_new = enqueue(conn, &[refresh]).await.map_err(unwritten)?;
    Ok(())
}

/// Stripe says so three days before, but also when a trial is ended at once: then nobody needs to be reminded.
async fn trial_ending(conn: &mut PgConnection, workspace: WorkspaceId, object: &Value) -> Result {
    if text(object, "/status") == Some("trialing") {
        let data =
            json!({ "subscription": object.get("id"), "trial_end": object.get("trial_end") });
        outbound::tell(conn, workspace, EventType::TrialEnding, &data).await.map_err(unwritten)?;
    }
    Ok(())
}

/// The text at a place of a JSON value.
pub(super) fn text<'v>(value: &'v Value, path: &str) -> Option<&'v str> {
    value.pointer(path).and_then(Value::as_str)
}
