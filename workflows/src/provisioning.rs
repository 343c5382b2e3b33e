//! Provisioning: from "paid" to "answering calls", in seven steps that may each run any number of times.

mod ai_config;
mod email;
mod number;
mod purchase;
pub(crate) mod seen;
mod settle;
mod smoke;
mod subaccount;
mod subscription;
mod trigger;
mod turn;
mod whatsapp;

use std::time::Duration;

use autopilot_engine::{
    Job, NewJob, Outcome, Planned, Result, Retry, Run, Step, Stop, Unique, WorkspaceId,
};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::integrations::service::{SMTP, STRIPE, TWILIO, WHATSAPP};
use crate::state::health::Component;

pub(crate) use number::webhooks;
pub use seen::LeftOut;
pub use settle::Settle;
pub(crate) use subaccount::no_keyring;
pub(crate) use subscription::{
    NowPaid, refresh as refresh_subscription, reread as reread_subscription, taken_up,
};
pub(crate) use trigger::payment_changed;
pub use trigger::{Triggered, trigger, trigger_due};
pub(crate) use turn::or_wait;
pub(crate) use whatsapp::connected;

/// Takes one studio from "paid" to "answering calls".
#[derive(Debug, Serialize, Deserialize)]
pub struct Provision {
    /// The studio.
    pub workspace: WorkspaceId,
}

/// A step of several calls: each is bounded by itself, and asks for the lease before it has an effect.
pub(crate) const SEVERAL_CALLS: Duration = Duration::from_secs(60);

impl Job for Provision {
    type App = App;
    const KIND: &'static str = "studio.provision";
    const QUEUE: &'static str = "provisioning";
    const RETRY: Retry =
        Retry::exponential(Duration::from_secs(2)).cap(Duration::from_secs(600)).retries(3);
    const STEPS: &'static [Planned] = &[
        Planned::new(subscription::STEP, 10),
        Planned::new("ensure_twilio_subaccount", 15),
        Planned::new("ensure_twilio_number", 20),
        Planned::new("ensure_whatsapp_integration", 15),
        Planned::new("ensure_email_credentials", 10),
        Planned::new("seed_default_ai_config", 15),
        Planned::new("run_smoke_tests", 15),
    ];

    fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// One run per studio at a time; a second trigger joins the one under way.
    fn unique(&self) -> Option<Unique> {
        Some(self.workspace.to_string().into())
    }

    /// Code between steps runs again on every attempt; code inside a finished step never does.
    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        let several = |name| Step::named(name).timeout(SEVERAL_CALLS);
        let plan = run
            .step(Step::named(subscription::STEP).calls(STRIPE), async |at| {
                or_wait(subscription::ensure(at).await)
            })
            .await?;
        let account = run
            .step_or_skip(several("ensure_twilio_subaccount").calls(TWILIO), async |at| {
                or_wait(subaccount::ensure(at).await)
            })
            .await?
            .done();
        // A number needs the subaccount: where that waits for a turn, there is nothing to skip.
        run.settle()?;
        let number = run
            .step_or_skip(several("ensure_twilio_number").calls(TWILIO), async |at| {
                let account = account.as_ref().ok_or_else(no_subaccount)?;
                or_wait(number::ensure(at, account).await)
            })
            .await?;
        let line = run
            .step_or_skip(several("ensure_whatsapp_integration").calls(WHATSAPP), async |at| {
                or_wait(whatsapp::ensure(at).await)
            })
            .await?;
        let mail = Step::named("ensure_email_credentials").calls(SMTP);
        let mail = run.optional(mail, email::ensure).await?;
        run.transact("seed_default_ai_config", async |tx| {
            ai_config::seed(tx, self.workspace).await
        })
        .await?;
        // What a number still waits for has held up nothing above; only the tests need it.
        run.settle()?;
        let present = smoke::Present {
            number: number.as_done().map(|number| number.sid.clone()),
            whatsapp: matches!(line, Outcome::Done(_)),
            email: matches!(mail, Outcome::Done(_)),
        };
        run.step(several("run_smoke_tests"), async |at| smoke::run(at, &present).await).await?;
        let parts = [
            (Component::Twilio, present.number.is_some(), run.app.twilio.is_some()),
            (Component::Whatsapp, present.whatsapp, run.app.whatsapp.is_some()),
            (Component::Email, present.email, run.app.email.is_some()),
        ];
        let left_out = parts.into_iter().filter(|(_, is_present, _)| !is_present);
        let left_out = left_out
            .map(|(component, _, is_configured)| LeftOut { component, is_configured })
            .collect();
        let settle = Settle {
            workspace: self.workspace,
            run: run.job(),
            mark: plan.due_since,
            degraded: run.is_degraded(),
            left_out,
        };
        run.enqueue(NewJob::of(&settle).map_err(settle::unwritable)?);
        Ok(())
    }
}

/// The name by which a provider's resource of a studio is found again: the same at every attempt.
pub(crate) fn friendly_name(workspace: WorkspaceId) -> String {
    format!("autopilot:ws:{workspace}")
}

fn no_subaccount() -> Stop {
    Stop::skip("there is no Twilio subaccount to buy a number in; see ensure_twilio_subaccount")
}
