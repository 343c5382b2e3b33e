//! What can be asked of the queue as a whole: pauses, schedules, weights, and many jobs at once.

use std::time::Duration;

use autopilot_engine::WorkspaceId;
use autopilot_engine::ops::many::Live;
use autopilot_engine::ops::pauses::Scope;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use crate::input;

#[derive(Debug, Subcommand)]
pub(crate) enum Pauses {
    /// What is paused, since when and why.
    List,
    /// Pause a queue, a kind or a workspace: what runs ends, nothing else of it begins.
    Add {
        /// queue:NAME, kind:NAME or workspace:UUID.
        #[arg(value_parser = input::scope)]
        what: Scope,
        /// Why, for whoever looks later.
        #[arg(long, value_parser = input::name)]
        reason: String,
    },
    /// Let it go on.
    Remove {
        /// queue:NAME, kind:NAME or workspace:UUID.
        #[arg(value_parser = input::scope)]
        what: Scope,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Schedules {
    /// All schedules, with their last and next tick.
    List,
    /// Pause one. What is due meanwhile is missed.
    Pause {
        /// Its name.
        name: String,
        /// Why, for whoever looks later.
        #[arg(long, value_parser = input::name)]
        reason: String,
    },
    /// Let it go on.
    Resume {
        /// Its name.
        name: String,
    },
    /// A tick now, beside the others, also while it is paused.
    Run {
        /// Its name.
        name: String,
    },
    /// Forget one that is no more in the code, with its ticks.
    Remove {
        /// Its name.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Weights {
    /// The workspaces that weigh something other than 1.
    List,
    /// Let a workspace begin so many times as many jobs as one of weight 1, while both have some.
    Set {
        /// The workspace, a UUID.
        #[arg(value_parser = input::workspace)]
        workspace: WorkspaceId,
        /// Above 0, at most 1000; 1 is what everybody weighs.
        weight: f64,
    },
}

/// Which jobs; at least one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Which {
    /// Of this workspace.
    #[arg(long, value_parser = input::workspace)]
    pub(crate) workspace: Option<WorkspaceId>,
    /// Of this kind.
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// In this queue.
    #[arg(long)]
    pub(crate) queue: Option<String>,
    /// With this tag.
    #[arg(long)]
    pub(crate) tag: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CancelAll {
    #[command(flatten)]
    pub(crate) which: Which,
    /// In this status only.
    #[arg(long)]
    pub(crate) status: Option<LiveStatus>,
    /// Enqueued so long ago, for example 2h, or before.
    #[arg(long, value_parser = crate::config::parse_duration)]
    pub(crate) older_than: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct RetryAll {
    #[command(flatten)]
    pub(crate) which: Which,
    /// So many a second at most, so that what has just come back is not overrun.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) per_second: Option<f64>,
}

#[derive(Debug, Args)]
pub(crate) struct Search {
    /// With this tag; may be given several times, then with all of them.
    #[arg(long, required_unless_present = "output")]
    pub(crate) tag: Vec<String>,
    /// With an output that contains this JSON.
    #[arg(long, value_parser = input::json, value_name = "JSON")]
    pub(crate) output: Option<Value>,
    /// Of this workspace only.
    #[arg(long, value_parser = input::workspace)]
    pub(crate) workspace: Option<WorkspaceId>,
    /// Of this kind only.
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
}

/// In which status a live job is.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LiveStatus {
    Ready,
    Scheduled,
    Running,
    Aside,
}

impl From<LiveStatus> for Live {
    fn from(status: LiveStatus) -> Self {
        match status {
            LiveStatus::Ready => Self::Ready,
            LiveStatus::Scheduled => Self::Scheduled,
            LiveStatus::Running => Self::Running,
            LiveStatus::Aside => Self::Aside,
        }
    }
}
