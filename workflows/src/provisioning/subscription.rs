//! Step 1: somebody pays. Nothing is bought for a studio before Stripe itself says so.

use autopilot_engine::ops::runs::RunView;
use autopilot_engine::ops::standing;
use autopilot_engine::{At, Class, Failure, Result, Stop, Wait, WorkspaceId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;

use crate::app::App;
use crate::fail::unwritten;
use crate::integrations::stripe::{Entitlement, Status, Stripe, Subscription};
use crate::outbound::{self, EventType};
use crate::state::health::Component;
use crate::state::repairs::{self, Finding, Outcome};
use crate::state::{self, subscriptions, workspaces};
use crate::tenancy::Tenant;

/// Its name.
pub(super) const STEP: &str = "ensure_subscription";

/// What the rest of the run needs to know.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) subscription: String,
    /// When the studio was marked due, as this run began.
    pub(super) due_since: Option<DateTime<Utc>>,
}

/// Up to which mark a run has taken up what was asked for. One that has not come so far is behind whatever was asked for since it was enqueued.
pub(crate) async fn taken_up(
    conn: &mut PgConnection,
    run: &RunView,
) -> std::result::Result<Option<DateTime<Utc>>, sqlx::Error> {
    let plan = standing::output(conn, run, STEP).await?;
    let plan = plan.and_then(|plan| Plan::deserialize(plan).ok());
    Ok(plan.map_or(Some(run.created_at), |plan| plan.due_since))
}

/// The event that a run waits for whose checkout is still open.
pub(super) fn paid(workspace: WorkspaceId) -> String {
    format!("stripe.paid/{workspace}")
}

pub(super) async fn ensure(at: At<'_, App>) -> Result<Plan> {
    let stripe = at.app.stripe.as_ref().ok_or_else(|| {
        Stop::Failed(
            Failure::new(
                Class::ConfigurationError,
                "stripe_not_configured",
                "without Stripe nobody knows whether this studio has paid, so nothing is bought",
            )
            .action("set STRIPE_SECRET_KEY, then `autopilot runs retry`"),
        )
    })?;
    let (asked_at, due_since, customer) = {
        let mut conn = at.pool.acquire().await?;
        let asked_at = state::now(&mut conn).await?;
        let due = workspaces::due_since(&mut conn, at.workspace).await?;
        (asked_at, due, workspaces::stripe_customer(&mut conn, at.workspace).await?)
    };
    let Some(customer) = customer else {
        return wait(&at, "no checkout has been completed for this studio yet");
    };
    let found = stripe.subscriptions(&customer).await?;
    let Some(best) = best(&found) else {
        return Err(Stop::Failed(no_subscription(&customer, &found)));
    };
    if best.status.entitlement() == Entitlement::Pending {
        return wait(&at, "the first payment of the subscription is still open");
    }
    keep(&at, best, asked_at, Book::Quietly).await?;
    Ok(Plan { subscription: best.id.clone(), due_since })
}

/// Writes down what Stripe says now of the studio's subscription: of the one that entitles most, else of the newest. Nothing is
/// written for a studio that has none.
pub(crate) async fn refresh(at: At<'_, App>, stripe: &Stripe) -> Result {
    read(&at, stripe, Book::Quietly).await.map(drop)
}

/// What Stripe says now of who pays for a studio.
#[derive(Debug)]
pub(crate) enum NowPaid {
    /// Nobody has begun to.
    NoCustomer,
    /// The customer has no subscription.
    Nothing { customer: String },
    /// The one that entitles most, else the newest.
    Subscription { id: String, status: String, entitlement: Entitlement },
}

/// What Stripe says now, written down as [`refresh`] does; where our books said otherwise, that is noted as a repair.
pub(crate) async fn reread(at: &At<'_, App>, stripe: &Stripe) -> Result<NowPaid> {
    read(at, stripe, Book::AsRepair).await
}

async fn read(at: &At<'_, App>, stripe: &Stripe, book: Book) -> Result<NowPaid> {
    let (customer, asked_at) = {
        let mut conn = at.pool.acquire().await?;
        let asked_at = state::now(&mut conn).await?;
        (workspaces::stripe_customer(&mut conn, at.workspace).await?, asked_at)
    };
    let Some(customer) = customer else {
        at.asked_nobody();
        return Ok(NowPaid::NoCustomer);
    };
    let found = stripe.subscriptions(&customer).await?;
    let Some(subscription) = best(&found).or(found.first()) else {
        return Ok(NowPaid::Nothing { customer });
    };
    keep(at, subscription, asked_at, book).await?;
    Ok(NowPaid::Subscription {
        id: subscription.id.clone(),
        status: name(subscription.status),
        entitlement: subscription.status.entitlement(),
    })
}

/// What becomes of a difference between our books and Stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Book {
    /// It is as expected: somebody told us that something has changed.
    Quietly,
    /// Nobody told us.
    AsRepair,
}

/// The subscription that entitles most; the list is the newest first.
fn best(found: &[Subscription]) -> Option<&Subscription> {
    let rank = |entitlement| match entitlement {
        Entitlement::Entitled => Some(0),
        Entitlement::Grace => Some(1),
        Entitlement::Pending => Some(2),
        Entitlement::Blocked => None,
    };
    found
        .iter()
        .filter_map(|subscription| Some((rank(subscription.status.entitlement())?, subscription)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, subscription)| subscription)
}

async fn keep(
    at: &At<'_, App>,
    subscription: &Subscription,
    asked_at: DateTime<Utc>,
    book: Book,
) -> Result {
    let mut tx = at.begin().await?;
    let mut tenant = Tenant::enter(&mut tx, at.workspace).await?;
    let row = subscriptions::Subscription {
        stripe_customer_id: subscription.customer.clone(),
        stripe_subscription_id: subscription.id.clone(),
        status: name(subscription.status),
        price_id: subscription.price.clone().unwrap_or_default(),
        current_period_end: subscription.current_period_end,
    };
    let known = subscriptions::get(&mut tenant).await?;
    let is_newest = subscriptions::upsert(&mut tenant, &row, asked_at).await?;
    tenant.finish().await?;
    if !is_newest {
        // Whoever asked later has written it down and told of it.
        return Ok(tx.commit().await?);
    }
    if book == Book::AsRepair
        && let Some(known) = known.as_ref().map(|known| &known.value)
        && let Some(found) = difference(known, &row)
    {
        let finding = Finding {
            component: Component::Stripe,
            found: &found,
            done: "what Stripe says was written down",
            run: None,
            outcome: Outcome::WrittenDown,
        };
        repairs::note(&mut tx, at.workspace, &finding).await?;
    }
    if known.is_none_or(|known| known.value.status != row.status) {
        let data = json!({ "subscription": row.stripe_subscription_id, "status": row.status, "price": row.price_id,
                           "current_period_end": row.current_period_end });
        outbound::tell(&mut tx, at.workspace, EventType::SubscriptionChanged, &data)
            .await
            .map_err(unwritten)?;
    }
    tx.commit().await?;
    Ok(())
}

/// In which points our books differ from what Stripe says.
fn difference(
    known: &subscriptions::Subscription,
    row: &subscriptions::Subscription,
) -> Option<String> {
    let said = |row: &subscriptions::Subscription| {
        let end = row.current_period_end.map(|end| end.format("%F %T").to_string());
        let end = end.unwrap_or_else(|| "no end".to_owned());
        format!("{} until {end}, {} of {}", row.status, row.price_id, row.stripe_subscription_id)
    };
    let (known, now) = (said(known), said(row));
    (known != now).then(|| format!("our books said {known}; Stripe says {now}"))
}

fn name(status: Status) -> String {
    serde_json::to_value(status)
        .ok()
        .and_then(|name| name.as_str().map(ToOwned::to_owned))
        .unwrap_or_default()
}

fn wait(at: &At<'_, App>, reason: &str) -> Result<Plan> {
    Err(Stop::Waiting(Wait {
        event: paid(at.workspace),
        look_again: at.app.provisioning.look_again,
        reason: reason.to_owned(),
    }))
}

fn no_subscription(customer: &str, found: &[Subscription]) -> Failure {
    let seen: Vec<String> =
        found.iter().map(|one| format!("{} is {}", one.id, name(one.status))).collect();
    let seen = if seen.is_empty() { "it has none".to_owned() } else { seen.join(", ") };
    Failure::new(
        Class::ProvisioningError,
        "no_entitled_subscription",
        format!("Stripe customer {customer} has no subscription that entitles: {seen}"),
    )
    .action("settle the subscription in Stripe, then `autopilot provision` the workspace")
}
