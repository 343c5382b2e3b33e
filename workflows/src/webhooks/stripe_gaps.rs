//! Gap repair at Stripe: what it should have delivered and could not, because nobody answered or the secret was wrong, is asked for
//! and goes through the same inbox.

use std::time::Duration;

use autopilot_engine::{At, Job, Result, Retry, Run, Step, Stop, Unique, WorkspaceId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::delivery::{Delivery, Received, receive};
use super::stripe;
use super::stripe_types::TYPES;
use crate::app::App;
use crate::fail::unwritten;
use crate::integrations::service::STRIPE;
use crate::integrations::stripe::{EventPage, Stripe};
use crate::state::gaps;
use crate::state::provider::Provider;

/// Asks Stripe for the events of our own account that something is done for, since the point until which all of them are here.
#[derive(Debug, Serialize, Deserialize)]
pub struct RepairStripeGaps {}

/// Thirty days of events are many pages; each is bounded by itself.
const LONG: Duration = Duration::from_secs(60 * 60);

impl Job for RepairStripeGaps {
    type App = App;
    const KIND: &'static str = "stripe.repair_gaps";
    const QUEUE: &'static str = super::QUEUE;
    const RETRY: Retry =
        Retry::exponential(Duration::from_secs(10)).cap(Duration::from_secs(600)).retries(6);

    fn unique(&self) -> Option<Unique> {
        Some(Unique::key("stripe"))
    }

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        ask_once(run, None).await
    }
}

/// Asks Stripe for the events of one connected account, which stand in that account's own record only.
#[derive(Debug, Serialize, Deserialize)]
pub struct RepairStripeGap {
    /// Whose.
    pub workspace: WorkspaceId,
    /// The account, `acct_…`.
    pub account: String,
}

impl Job for RepairStripeGap {
    type App = App;
    const KIND: &'static str = "stripe.repair_gap";
    const QUEUE: &'static str = super::QUEUE;
    const RETRY: Retry =
        Retry::exponential(Duration::from_secs(10)).cap(Duration::from_secs(600)).retries(6);

    fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    fn unique(&self) -> Option<Unique> {
        Some(Unique::key(self.account.clone()))
    }

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        ask_once(run, Some(&self.account)).await
    }
}

/// The one step of both: how many events were missing is the output.
async fn ask_once(run: &mut Run<'_, App>, account: Option<&str>) -> Result {
    let asked = run.step_or_skip(Step::named("ask").calls(STRIPE).timeout(LONG), async |at| {
        let Some(stripe) = at.app.stripe.as_ref() else {
            return Err(Stop::skip("Stripe is not configured: set STRIPE_SECRET_KEY"));
        };
        ask(at, stripe, account).await
    });
    if let Some(found) = asked.await?.done() {
        run.output(&json!({ "found": found }))?;
    }
    Ok(())
}

/// How many events were missing. The point moves only when all was asked: what is cut off is asked again.
async fn ask(at: At<'_, App>, stripe: &Stripe, account: Option<&str>) -> Result<i32> {
    let key = account.unwrap_or_default();
    let (since, until) = {
        let mut conn = at.pool.acquire().await?;
        gaps::since(&mut conn, Provider::Stripe, key).await?
    };
    let types = TYPES.map(|(kind, _)| kind);
    let (mut found, mut last) = (0, None);
    loop {
        let page = stripe.events(&types, since, last.as_deref(), account).await?;
        found += record(&at, &page, account).await?;
        at.progress(&format!("{found} events were missing so far")).await?;
        last = page.events.last().map(|event| event.id.clone());
        if !page.has_more || last.is_none() {
            break;
        }
    }
    let mut tx = at.begin().await?;
    gaps::closed(&mut tx, Provider::Stripe, key, until, found).await?;
    tx.commit().await?;
    if found > 0 {
        tracing::warn!(
            found,
            account,
            "events had not been delivered by Stripe, and were asked for; look at the endpoint in its dashboard"
        );
    }
    Ok(found)
}

/// Feeds a page to the inbox, the oldest first; how many of it were missing.
async fn record(at: &At<'_, App>, page: &EventPage, account: Option<&str>) -> Result<i32> {
    let headers = json!({ "source": "asked of Stripe, not delivered" });
    let read = page.events.iter().rev().map(|event| {
        let body = account.map_or_else(|| event.body.clone(), |account| of(&event.body, account));
        stripe::read(body, headers.clone(), |_| event.id.clone()).map_err(unwritten)
    });
    let deliveries: Vec<Delivery> = read.collect::<Result<_>>()?;
    if deliveries.is_empty() {
        return Ok(0);
    }
    let mut tx = at.begin().await?;
    let all: Vec<&Delivery> = deliveries.iter().collect();
    let received = receive(&mut tx, &all, Duration::ZERO).await.map_err(unwritten)?;
    tx.commit().await?;
    let missing = received.iter().filter(|received| **received != Received::Duplicate).count();
    Ok(i32::try_from(missing).unwrap_or(i32::MAX))
}

/// As it would have been delivered: with the account that it comes from, which the account's own record need not repeat.
fn of(body: &Bytes, account: &str) -> Bytes {
    match serde_json::from_slice::<Map<String, Value>>(body) {
        Ok(mut event) => {
            event.insert("account".to_owned(), account.into());
            Value::Object(event).to_string().into()
        }
        Err(_unreadable) => body.clone(),
    }
}
