//! Forgetting what has been handled: webhooks hold what people write and pay.

use std::time::Duration;

use autopilot_engine::{Job, NewJob, Result, Retry, Run, Unique};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::fail::unwritten;
use crate::state::inbox;

/// Forgets the events that were handled, or that nobody acts on, and strangers' messages, that came long enough ago that no provider delivers them
/// again. What waits for a person stays.
#[derive(Debug, Serialize, Deserialize)]
pub struct ForgetEvents {}

/// As long as Stripe itself remembers its events; Meta delivers again for seven days.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// So many in one transaction.
const PAGE: u32 = 5_000;

impl Job for ForgetEvents {
    type App = App;
    const KIND: &'static str = "inbox.forget";
    const QUEUE: &'static str = super::QUEUE;
    const RETRY: Retry = Retry::exponential(Duration::from_secs(10)).retries(6);

    fn unique(&self) -> Option<Unique> {
        Some(Unique::key("all").run_again())
    }

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        let forgotten =
            run.transact("forget", async |tx| Ok(inbox::forget(tx, KEPT, PAGE).await?)).await?;
        if forgotten == u64::from(PAGE) {
            run.enqueue(NewJob::of(&Self {}).map_err(unwritten)?);
        }
        Ok(())
    }
}
