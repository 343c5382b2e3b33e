//! A run as the terminal and `--json` show it: plain data, taken at one moment.

use autopilot_engine::{Failure, JobId, WorkspaceId};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::exit::Exit;

/// A run at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RunView {
    pub(crate) id: JobId,
    pub(crate) workspace: WorkspaceId,
    /// The job's kind, for example `studio.provision`.
    pub(crate) kind: String,
    pub(crate) status: RunStatus,
    /// See [`percent`].
    pub(crate) percent: u8,
    pub(crate) steps: Vec<StepView>,
    /// Why it does not go on, while it is blocked or waits.
    pub(crate) blocked_reason: Option<String>,
    /// What stopped it, with the exact next action where one is known.
    pub(crate) error: Option<Failure>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

/// A step of a run at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct StepView {
    /// As the workflow calls it; shown as it is.
    pub(crate) name: String,
    /// Its share of the progress, beside the other steps' weights.
    pub(crate) weight: u32,
    pub(crate) state: StepState,
    /// How many times it was tried, this time included; 0 before the first.
    pub(crate) attempt: u32,
    /// Why it was skipped, what it waits for, or what went wrong.
    pub(crate) detail: Option<String>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunStatus {
    /// Nobody has started it yet, or its next attempt is not due yet.
    Pending,
    /// An attempt is at work.
    Running,
    /// It waits for somebody else: an approval, an event, a time.
    Waiting,
    /// A limit or a pause holds it back.
    Blocked,
    /// Every step is done, or was skipped by configuration.
    Completed,
    /// It came to its end, but an optional step failed.
    Degraded,
    /// It gave up.
    Failed,
    /// An operator ended it.
    Cancelled,
    /// Nobody knows whether a call took effect; a person must look.
    Review,
}

impl RunStatus {
    /// Its name in JSON and on the terminal.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Blocked => "blocked",
            Self::Completed => "completed",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Review => "review",
        }
    }

    /// The exit code of a command that followed the run here; none while it may go on by itself.
    pub(crate) const fn exit(self) -> Option<Exit> {
        match self {
            Self::Pending | Self::Running | Self::Waiting | Self::Blocked => None,
            Self::Completed | Self::Degraded => Some(Exit::Ok),
            Self::Failed | Self::Cancelled | Self::Review => Some(Exit::Failed),
        }
    }
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StepState {
    /// Its turn has not come.
    Pending,
    /// It is being tried.
    Running,
    /// It took effect. The only state that counts as progress.
    Done,
    /// It cannot be done by configuration.
    Skipped,
    /// It waits for somebody else, or for its next attempt.
    Waiting,
    /// It went wrong and is not tried again by itself.
    Failed,
}

impl StepState {
    /// Its name in JSON and on the terminal.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
        }
    }
}

/// The share of the steps' weight that is done, rounded down: 100 only when all of it is.
pub(crate) fn percent(steps: &[StepView]) -> u8 {
    let weight = |step: &StepView| u64::from(step.weight);
    let total: u64 = steps.iter().map(weight).sum();
    let done: u64 = steps.iter().filter(|step| step.state == StepState::Done).map(weight).sum();
    let percent = done.saturating_mul(100).checked_div(total).unwrap_or(0);
    u8::try_from(percent).unwrap_or(100)
}
