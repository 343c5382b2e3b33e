//! Gap repair, account by account: each that belongs to a studio is asked about by a job of its own, so that one that cannot be asked
//! holds up no other.

use std::time::Duration;

use autopilot_engine::{EnqueueError, Job, NewJob, Result, Retry, Run, Unique, WorkspaceId};
use serde::{Deserialize, Serialize};

use super::stripe_gaps::RepairStripeGap;
use super::twilio_gaps::RepairTwilioGap;
use crate::app::App;
use crate::fail::unwritten;
use crate::state::provider::Provider;
use crate::state::routes;

/// Asks a provider about each account that belongs to a studio: Twilio's subaccounts, and the accounts that are connected at Stripe.
#[derive(Debug, Serialize, Deserialize)]
pub struct RepairAccountGaps {
    /// Who is asked.
    pub provider: Provider,
    /// Only about accounts after this one.
    #[serde(default)]
    pub after: Option<String>,
}

/// So many accounts at a time.
const PAGE: u32 = 500;

impl Job for RepairAccountGaps {
    type App = App;
    const KIND: &'static str = "inbox.repair_account_gaps";
    const QUEUE: &'static str = super::QUEUE;
    const RETRY: Retry = Retry::exponential(Duration::from_secs(10)).retries(6);

    fn unique(&self) -> Option<Unique> {
        let after = self.after.as_deref().unwrap_or_default();
        Some(Unique::key(format!("{} after {after}", self.provider)))
    }

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        let (provider, after) = (self.provider, self.after.clone().unwrap_or_default());
        let found: Vec<(String, WorkspaceId)> = run
            .transact("list", async |tx| Ok(routes::accounts(tx, provider, &after, PAGE).await?))
            .await?;
        let is_full = u32::try_from(found.len()).is_ok_and(|found| found == PAGE);
        let last = found.last().map(|(account, _)| account.clone()).filter(|_| is_full);
        for (account, workspace) in found {
            if let Some(job) = ask(provider, workspace, account).map_err(unwritten)? {
                run.enqueue(job);
            }
        }
        if last.is_some() {
            run.enqueue(NewJob::of(&Self { provider, after: last }).map_err(unwritten)?);
        }
        Ok(())
    }
}

/// The job that asks about one account; none where the provider has nothing to be asked for.
fn ask(
    provider: Provider,
    workspace: WorkspaceId,
    account: String,
) -> std::result::Result<Option<NewJob>, EnqueueError> {
    match provider {
        Provider::Stripe => NewJob::of(&RepairStripeGap { workspace, account }).map(Some),
        Provider::Twilio => NewJob::of(&RepairTwilioGap { workspace, account }).map(Some),
        Provider::Whatsapp => Ok(None),
    }
}
