//! Events of which nobody knew whose they are: handled again as soon as somebody may.

use std::time::Duration;

use autopilot_engine::{EnqueueError, Job, NewJob, Result, Retry, Run, Unique, enqueue};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::replay::replay;
use crate::app::App;
use crate::fail::unwritten;
use crate::state::inbox;
use crate::state::provider::Provider;

/// Handles events of the inbox again that could not be routed, in the order in which they came.
///
/// All of those that a customer, a workspace or an
/// account which has become known may bring home. A stranger's message is nobody's however many studios there are.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct RouteAgain {
    /// Only those after this one.
    #[serde(default)]
    pub after: Option<(DateTime<Utc>, String)>,
    /// Messages to our WhatsApp line as well.
    #[serde(default)]
    pub messages: bool,
}

impl RouteAgain {
    /// Those of the last hour before this. Whoever becomes known asks for all; but an event may be found to be nobody's just while its owner
    /// becomes known, each unseen by the other, and then only a later look finds both.
    #[must_use]
    pub fn of_late(at: DateTime<Utc>) -> Self {
        Self { after: Some((at - TimeDelta::hours(1), String::new())), messages: true }
    }
}

/// Whose events are a customer's, a workspace's or an account's.
const OF_ACCOUNTS: [Provider; 2] = [Provider::Stripe, Provider::Twilio];

/// So many at a time.
const PAGE: u32 = 500;

impl Job for RouteAgain {
    type App = App;
    const KIND: &'static str = "inbox.route_again";
    const QUEUE: &'static str = super::QUEUE;
    const RETRY: Retry = Retry::exponential(Duration::from_secs(2)).retries(6);

    /// However many become known at once, one waits; what becomes known while it runs is looked at once more. Whoever has become known
    /// must not join one that begins in the middle.
    fn unique(&self) -> Option<Unique> {
        let key = match &self.after {
            None => "all".to_owned(),
            Some((at, event)) => format!("after {} {event}", at.timestamp_micros()),
        };
        Some(Unique::key(key).run_again())
    }

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        let after = self.after.clone();
        let providers: &[Provider] = if self.messages { &Provider::ALL } else { &OF_ACCOUNTS };
        let last = run.transact("replay", async |tx| again(tx, providers, after).await).await?;
        if last.is_some() {
            let next = Self { after: last, messages: self.messages };
            run.enqueue(NewJob::of(&next).map_err(unwritten)?);
        }
        Ok(())
    }
}

/// The last of a full page, behind which more may come.
async fn again(
    conn: &mut PgConnection,
    providers: &[Provider],
    after: Option<(DateTime<Utc>, String)>,
) -> Result<Option<(DateTime<Utc>, String)>> {
    let after = after.as_ref().map(|(at, id)| (*at, id.as_str()));
    let found = inbox::unroutable(&mut *conn, providers, after, PAGE).await?;
    let is_full = u32::try_from(found.len()).is_ok_and(|found| found == PAGE);
    let last = found.last().map(|event| (event.received_at, event.event_id.clone()));
    let events: Vec<_> = found.into_iter().map(|event| (event.provider, event.event_id)).collect();
    if !events.is_empty() {
        replay(conn, &events).await.map_err(unwritten)?;
    }
    Ok(last.filter(|_| is_full))
}

/// Somebody has become known, in the caller's transaction: what could not be routed may be theirs.
///
/// # Errors
/// When the database refuses.
pub async fn route_again(conn: &mut PgConnection) -> std::result::Result<(), EnqueueError> {
    let _joins_or_is_new = enqueue(conn, &[NewJob::of(&RouteAgain::default())?]).await?;
    Ok(())
}
