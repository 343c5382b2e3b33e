//! What is kept of a provisioning's end. It is enqueued with the run's last checkpoint and ack, so it says nothing
//! that did not happen.

use std::time::Duration;

use autopilot_engine::{
    Class, EnqueueError, Failure, Job, JobId, Priority, Result, Retry, Run, Stop, WorkspaceId,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::app::App;
use crate::fail::unwritten;
use crate::outbound::{self, EventType};
use crate::state::health::Component;
use crate::state::{health, repairs, workspaces};

use super::seen::{self, LeftOut};
use super::trigger::start;

/// Records how a provisioning ended; a complete one ends the studio's being due. What has changed since it began is provisioned anew.
#[derive(Debug, Serialize, Deserialize)]
pub struct Settle {
    /// The studio.
    pub workspace: WorkspaceId,
    /// The provisioning.
    pub run: JobId,
    /// The mark that the run began with.
    pub mark: Option<DateTime<Utc>>,
    /// Whether something was missing.
    pub degraded: bool,
    /// What was.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
}

impl Job for Settle {
    type App = App;
    const KIND: &'static str = "studio.provision.settle";
    const QUEUE: &'static str = "provisioning";
    const PRIORITY: Priority = Priority::High;
    const RETRY: Retry = Retry::exponential(Duration::from_secs(1)).retries(20);

    fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        run.transact("settle", async |tx| {
            let outcome = if self.degraded { "degraded" } else { "completed" };
            match self.mark {
                Some(mark) if !self.degraded => {
                    workspaces::settle(&mut *tx, self.workspace, mark, outcome).await?;
                }
                Some(_) | None => {
                    workspaces::record_outcome(&mut *tx, self.workspace, outcome).await?;
                }
            }
            // A trigger that joined the run had come too late for what the run had done already. The next one is woken before anything is told: it
            // may be telling of itself.
            if workspaces::due_since(&mut *tx, self.workspace).await? > self.mark {
                start(&mut *tx, self.workspace, None).await.map_err(unwritten)?;
            }
            let mut seen = vec![seen::ended(self.workspace, self.degraded, &self.left_out)];
            seen.extend(self.left_out.iter().map(|left| seen::left_out(self.workspace, left)));
            let _changed = health::put(&mut *tx, self.workspace, &seen).await?;
            workspaces::check_after_run(&mut *tx, self.workspace, self.degraded, seen::SOON)
                .await?;
            let whole = self.degraded.then_some(Component::Provisioning);
            let left_out: Vec<Component> =
                self.left_out.iter().map(|left| left.component).chain(whole).collect();
            repairs::end(&mut *tx, self.workspace, self.run, &left_out).await?;
            let data = json!({ "outcome": outcome });
            outbound::tell(tx, self.workspace, EventType::StudioProvisioned, &data)
                .await
                .map_err(unwritten)?;
            Ok(())
        })
        .await
    }
}

pub(super) fn unwritable(error: EnqueueError) -> Stop {
    Stop::Failed(Failure::new(Class::ConfigurationError, "settle_unwritable", error.to_string()))
}
