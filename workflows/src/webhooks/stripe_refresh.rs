//! What a studio's subscription is now, asked of Stripe: events come twice and in any order, and say only that something changed.

use std::time::Duration;

use autopilot_engine::{Job, Result, Retry, Run, Step, Stop, Unique, WorkspaceId};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::integrations::service::STRIPE;
use crate::provisioning::refresh_subscription;

/// Asks Stripe for the studio's subscription and writes it down.
#[derive(Debug, Serialize, Deserialize)]
pub struct RefreshSubscription {
    /// The studio.
    pub workspace: WorkspaceId,
}

impl Job for RefreshSubscription {
    type App = App;
    const KIND: &'static str = "stripe.refresh_subscription";
    const QUEUE: &'static str = super::QUEUE;
    const RETRY: Retry =
        Retry::exponential(Duration::from_secs(2)).cap(Duration::from_secs(600)).retries(12);

    fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// However many events come, one waits: what changes while it runs is asked for once more.
    fn unique(&self) -> Option<Unique> {
        Some(Unique::key(self.workspace.to_string()).run_again())
    }

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        let asked = run.step_or_skip(Step::named("ask").calls(STRIPE), async |at| {
            let Some(stripe) = at.app.stripe.as_ref() else {
                return Err(Stop::skip("Stripe is not configured: set STRIPE_SECRET_KEY"));
            };
            refresh_subscription(at, stripe).await
        });
        let _done_or_skipped = asked.await?;
        Ok(())
    }
}
