//! One studio's check: its providers are asked, each for itself, then all is concluded at once.

use std::time::Duration;

use autopilot_engine::{At, Job, Priority, Result, Retry, Run, Step, Unique, WorkspaceId};
use serde::{Deserialize, Serialize};

use super::conclude::{Asked, conclude};
use super::found::Answer;
use super::{email, stripe, twilio, whatsapp};
use crate::app::App;
use crate::integrations::service::{SMTP, STRIPE, TWILIO, WHATSAPP};
use crate::provisioning::SEVERAL_CALLS;
use crate::state;

/// Asks a studio's providers whether what we wrote down is still so, and starts a provisioning where it is not and that mends it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Check {
    /// The studio.
    pub workspace: WorkspaceId,
}

impl Job for Check {
    type App = App;
    const KIND: &'static str = "studio.check";
    const QUEUE: &'static str = "default";
    // Nobody waits for it, and whoever does the studios' own work comes first.
    const PRIORITY: Priority = Priority::Low;
    const RETRY: Retry =
        Retry::exponential(Duration::from_secs(10)).cap(Duration::from_secs(3600)).retries(12);

    fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// One at a time: whoever would check it meanwhile finds it under way.
    fn unique(&self) -> Option<Unique> {
        Some(self.workspace.to_string().into())
    }

    /// Who does not answer holds up nobody but the conclusion.
    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        let several = |name| Step::named(name).timeout(SEVERAL_CALLS);
        let payer = several("ask_stripe").calls(STRIPE);
        let payer = run.step_or_skip(payer, async |at| timed(at, stripe::ask).await).await?;
        let phone = several("ask_twilio").calls(TWILIO);
        let phone = run.step_or_skip(phone, async |at| timed(at, twilio::ask).await).await?;
        let line = several("ask_whatsapp").calls(WHATSAPP);
        let line = run.step_or_skip(line, async |at| timed(at, whatsapp::ask).await).await?;
        let mail = several("ask_smtp").calls(SMTP);
        let mail = run.step_or_skip(mail, async |at| timed(at, email::ask).await).await?;
        run.settle()?;
        let mut asked = Asked::default();
        if let Some(Answer { asked_at, said: payer }) = payer.done() {
            asked.may_provision = payer.may_provision;
            asked.found.push(Answer { asked_at, said: payer.found });
        }
        asked.found.extend([phone, line, mail].into_iter().filter_map(|found| found.done()));
        run.transact("conclude", async |tx| conclude(tx, self.workspace, &asked).await).await
    }
}

/// Asks a provider, and notes when: the conclusion may be a long time off.
async fn timed<'a, T>(
    at: At<'a, App>,
    ask: impl AsyncFnOnce(At<'a, App>) -> Result<T>,
) -> Result<Answer<T>> {
    let asked_at = state::now_of(at.pool).await?;
    Ok(Answer { asked_at, said: ask(at).await? })
}
