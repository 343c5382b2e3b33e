//! What can be asked of runs and jobs.

use autopilot_engine::{JobId, WorkspaceId};
use clap::{Args, Subcommand};

use super::{CancelAll, RetryAll, Search};
use crate::input;

#[derive(Debug, Subcommand)]
pub(crate) enum Runs {
    /// The newest runs.
    List(List),
    /// One run: progress, each step, why it stopped, what to do.
    Show(JobArg),
    /// Follow a run to its end. Exit code 0 when it ended completed or degraded (an optional step failed; the status
    /// says which of the two), 1 when it failed, was quarantined or cancelled, or needs a review.
    Watch(JobArg),
    /// Put a stopped run back to work, with what it has done already; one that waits looks again at once.
    Retry(JobArg),
    /// Say of a run in review whether the step that was under way took effect; then it goes on.
    Resolve(Resolve),
    /// End a run for good. What it has done stays done.
    Cancel(JobArg),
    /// Run a run once more from one of its steps, as a new run, with another input if need be. What it had done before that step is
    /// taken over; the step and all after it take effect again, with new keys. The old run is not changed.
    Fork(Fork),
    /// The history of a run as JSON, for a test that replays it. It holds no sealed value; payload and outputs stand in it as they are.
    Export(JobArg),
}

#[derive(Debug, Args)]
#[group(id = "Resolution", required = true, args = ["done", "redo"])]
pub(crate) struct Resolve {
    /// Its id, a UUID, as the list shows it.
    #[arg(value_parser = input::job)]
    pub(crate) id: JobId,
    /// It took effect; with what the step would have given, if the run needs that.
    #[arg(long, value_parser = input::json, value_name = "JSON", num_args = 0..=1, default_missing_value = "null")]
    pub(crate) done: Option<serde_json::Value>,
    /// It had no effect: it is begun anew.
    #[arg(long)]
    pub(crate) redo: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Fork {
    /// Its id, a UUID, as the list shows it.
    #[arg(value_parser = input::job)]
    pub(crate) id: JobId,
    /// The first step that runs again.
    #[arg(long, value_name = "STEP")]
    pub(crate) from: String,
    /// What the new run is to do, instead of what the old one was.
    #[arg(long, value_parser = input::json_text, value_name = "JSON")]
    pub(crate) input: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Jobs {
    /// The newest jobs that are live or were set aside.
    List(List),
    /// One job: its payload and every attempt's error.
    Show(JobArg),
    /// Put a job back to work; one that waits is due at once.
    Retry(JobArg),
    /// End a job for good.
    Cancel(JobArg),
    /// Jobs by what they are tagged with and what they gave, wherever they are, the newest first.
    Search(Search),
    /// End all live jobs of a workspace, a kind, a queue or a tag, for good, and what they have spawned.
    CancelAll(CancelAll),
    /// Put all that failed, was quarantined or could not be read back to work. What needs a review is left for `runs resolve`.
    RetryAll(RetryAll),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Of this workspace only.
    #[arg(long, value_parser = input::workspace)]
    pub(crate) workspace: Option<WorkspaceId>,
    /// In this status only, for example failed.
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct JobArg {
    /// Its id, a UUID, as the list shows it.
    #[arg(value_parser = input::job)]
    pub(crate) id: JobId,
}
