//! What is kept of a provisioning's end. It is enqueued with the run's last checkpoint and ack, so it says nothing
//! that did not happen.

use std::time::Duration;

use autopilot_engine::{
    Class, EnqueueError, Failure, Job, Priority, Result, Retry, Run, Stop, WorkspaceId,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::state::workspaces;

/// Records how a provisioning ended; a complete one ends the studio's being due.
#[derive(Debug, Serialize, Deserialize)]
pub struct Settle {
    /// The studio.
    pub workspace: WorkspaceId,
    /// The mark that the run began with: a later one stays due.
    pub mark: Option<DateTime<Utc>>,
    /// Whether something was missing.
    pub degraded: bool,
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
            match self.mark {
                Some(mark) if !self.degraded => {
                    workspaces::settle(tx, self.workspace, mark, "completed").await?;
                }
                Some(_) | None => {
                    let outcome = if self.degraded { "degraded" } else { "completed" };
                    workspaces::record_outcome(tx, self.workspace, outcome).await?;
                }
            }
            Ok(())
        })
        .await
    }
}

pub(super) fn unwritable(error: EnqueueError) -> Stop {
    Stop::Failed(Failure::new(Class::ConfigurationError, "settle_unwritable", error.to_string()))
}
