//! How a studio's last provisioning stands, and whether another one may follow it.

use autopilot_engine::ops::runs::RunView;
use autopilot_engine::{Class, Failure};
use chrono::{DateTime, Utc};
use serde::Deserialize as _;

use crate::provisioning::seen;
use crate::state::workspaces::Workspace;

/// How the last provisioning stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// There was none: nothing was set up that could be repaired.
    None,
    /// It is under way, and does whatever a new one would do.
    UnderWay,
    /// It left something out.
    Degraded,
    /// It failed by something that may be over.
    SetAside,
    /// It failed by something that only a person can decide.
    SetAsideForAPerson,
    /// It was cancelled, or is forgotten, and what it was to do is still to be done.
    NotDone,
    /// It has ended, and what has been asked for since is not done.
    Overtaken,
    /// It set up everything that could be.
    Well,
}

/// Whether a run has ended in a way that told nobody, or is forgotten.
pub(super) fn was_stopped(run: &RunView) -> bool {
    let told_nobody =
        ["cancelled", "failed", "quarantined", "review", "undecodable", "undone", "unknown"];
    told_nobody.contains(&run.status.as_str())
}

impl Last {
    pub(super) fn of(
        run: Option<&RunView>,
        studio: &Workspace,
        is_asked_again: bool,
        now: DateTime<Utc>,
    ) -> Self {
        let is_due = studio.due_since.is_some();
        let outcome = studio.last_outcome.as_deref();
        match run.map(|run| (run, run.status.as_str())) {
            Some((run, _)) if !run.has_ended() => Self::UnderWay,
            Some((run, "failed")) if may_be_over(run) => Self::SetAside,
            // Somebody joined it that had gone past what he asked for.
            Some((run, "failed")) if is_asked_again && is_over(run, now) => Self::Overtaken,
            Some((_, "failed" | "quarantined" | "review" | "undecodable" | "undone")) => {
                Self::SetAsideForAPerson
            }
            Some((_, "cancelled")) if is_due => Self::NotDone,
            _ if outcome == Some("degraded") => Self::Degraded,
            // Runs are forgotten, studios are not.
            None | Some((_, "unknown")) if is_due => Self::NotDone,
            // The end of one that has just ended is still being written down.
            Some((run, _)) if is_due && is_over(run, now) => Self::Overtaken,
            _ if outcome.is_some() => Self::Well,
            _ => Self::None,
        }
    }

    /// Whether a new provisioning may be started after it.
    pub(super) const fn may_repeat(self) -> bool {
        match self {
            Self::Degraded | Self::SetAside | Self::Overtaken | Self::Well => true,
            Self::None | Self::UnderWay | Self::SetAsideForAPerson | Self::NotDone => false,
        }
    }
}

/// Whether a run has ended for so long that whatever follows its end has followed it.
pub(super) fn is_over(run: &RunView, now: DateTime<Utc>) -> bool {
    let age = run.finished_at.and_then(|at| (now - at).to_std().ok());
    age.is_some_and(|age| age > seen::SOON)
}

/// Whether what a run failed by was an outage, a refused key or a missing setting: the providers have answered just now, so it may be over.
fn may_be_over(run: &RunView) -> bool {
    let Some(failure) = &run.failure else { return false };
    Failure::deserialize(failure).is_ok_and(|failure| match failure.class {
        Class::TransientNetwork
        | Class::RateLimited { .. }
        | Class::IntegrationOffline
        | Class::ThirdPartyAuthFailed
        | Class::ConfigurationError => true,
        Class::ProvisioningError | Class::UnknownOutcome => false,
    })
}
