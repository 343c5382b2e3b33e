//! Gap repair at Twilio: messages that came in and could not be posted to us are asked for. Calls and statuses are over by then: nobody
//! acts on those.

use std::str::FromStr as _;
use std::time::Duration;

use autopilot_engine::{At, Job, Result, Retry, Run, Step, Stop, Unique, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::form_urlencoded;

use super::delivery::{Delivery, Received, receive};
use super::twilio::{self, Endpoint, Form};
use crate::app::App;
use crate::fail::unwritten;
use crate::integrations::service::TWILIO;
use crate::integrations::twilio::{AccountSid, Inbound, Twilio};
use crate::state::gaps;
use crate::state::provider::Provider;

/// Asks Twilio about one account.
#[derive(Debug, Serialize, Deserialize)]
pub struct RepairTwilioGap {
    /// Whose.
    pub workspace: WorkspaceId,
    /// The account, `AC…`.
    pub account: String,
}

/// Many pages, each of which is bounded by itself.
const LONG: Duration = Duration::from_secs(10 * 60);

impl Job for RepairTwilioGap {
    type App = App;
    const KIND: &'static str = "twilio.repair_gap";
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
        let asked = run.step_or_skip(Step::named("ask").calls(TWILIO).timeout(LONG), async |at| {
            let Some(twilio) = at.app.twilio.as_ref() else {
                return Err(Stop::skip(
                    "Twilio is not configured: set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN",
                ));
            };
            self.ask(at, twilio).await
        });
        let _found_or_skipped = asked.await?;
        Ok(())
    }
}

impl RepairTwilioGap {
    /// How many messages were missing. The point moves only when all was asked.
    async fn ask(&self, at: At<'_, App>, twilio: &Twilio) -> Result<i32> {
        let Ok(account) = AccountSid::from_str(&self.account) else { return Ok(0) };
        let (since, until) = {
            let mut conn = at.pool.acquire().await?;
            gaps::since(&mut conn, Provider::Twilio, &self.account).await?
        };
        let (mut found, mut next) = (0, None);
        loop {
            let page = match twilio.messages(&account, since, next.as_ref()).await {
                Ok(page) => page,
                // Its studio's check tells of it, and a provisioning makes another. One that is reactivated is asked about the same time again.
                Err(error) if error.is_account_gone() => return Ok(found),
                Err(error) => return Err(error.into()),
            };
            found += self.record(&at, &page.inbound).await?;
            match page.next {
                Some(older) => next = Some(older),
                None => break,
            }
        }
        let mut tx = at.begin().await?;
        gaps::closed(&mut tx, Provider::Twilio, &self.account, until, found).await?;
        tx.commit().await?;
        Ok(found)
    }

    async fn record(&self, at: &At<'_, App>, messages: &[Inbound]) -> Result<i32> {
        let read = messages.iter().rev().map(|message| self.delivery(message));
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

    /// A message as Twilio would have posted it.
    fn delivery(&self, message: &Inbound) -> Result<Delivery> {
        let parameters = [
            ("MessageSid", &message.sid),
            ("AccountSid", &self.account),
            ("From", &message.from),
            ("To", &message.to),
            ("Body", &message.body),
        ]
        .map(|(name, value)| (name.to_owned(), value.clone()));
        let body =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(&parameters).finish();
        let headers = json!({ "source": "asked of Twilio, not delivered" });
        let form = Form { parameters: &parameters, token: None };
        let mut delivery =
            twilio::read(Endpoint::Sms, form, body.into(), headers, |_| message.sid.clone())
                .map_err(unwritten)?;
        delivery.occurred_at = message.sent_at;
        Ok(delivery)
    }
}
