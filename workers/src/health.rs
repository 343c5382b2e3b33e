//! How studios stand, each and all: what works, what does not and why, what happens next, and what a person does.
//!
//! HTTP and the command line show the same. No provider is asked: what was seen last of a studio is written down by whoever saw it, and what changes by itself
//! is read where it is, for as many studios as are asked about and never for all that there are.

mod facts;
mod fleet;
mod issues;
mod machine;
mod open;
mod render;
mod view;

use autopilot_workflows::state::health::Severity;
use chrono::{DateTime, Utc};
use serde::Serialize;

pub(crate) use fleet::{Fleet, Page, all};
pub(crate) use render::{fleet as fleet_lines, workspace as workspace_lines};
pub(crate) use view::{WorkspaceHealth, of};

/// How something stands as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Overall {
    /// Nothing is wrong.
    Healthy,
    /// Something does not work, or is about to stop working.
    Degraded,
    /// It cannot do what it is for.
    Unhealthy,
}

impl Overall {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }

    /// What the worst of these makes of the whole.
    fn of(issues: &[Issue]) -> Self {
        match issues.iter().map(|issue| issue.severity).max() {
            Some(Severity::Critical) => Self::Unhealthy,
            Some(Severity::Warning) => Self::Degraded,
            Some(Severity::Info) | None => Self::Healthy,
        }
    }
}

/// Something that a person may want to know.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Issue {
    /// How bad it is.
    pub(crate) severity: Severity,
    /// What it is about: a provider, `provisioning`, a kind of jobs, `workers`, `scheduler`, a queue.
    pub(crate) component: String,
    /// What is wrong.
    pub(crate) cause: String,
    /// Since when, where that is known.
    pub(crate) since: Option<DateTime<Utc>>,
    /// What happens without anybody doing anything.
    pub(crate) what_happens_next: String,
    /// What to do: a command or a setting.
    pub(crate) action: String,
}

/// The most severe first, and of those the oldest.
fn sort(issues: &mut [Issue]) {
    issues.sort_by_key(|issue| {
        (std::cmp::Reverse(issue.severity), issue.since.is_none(), issue.since)
    });
}
