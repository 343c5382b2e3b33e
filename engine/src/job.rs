//! What a job is to the engine: a serialisable value, constants for identity and policy, and one `run`.

use std::future::Future;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::failure::Result;
use crate::ids::WorkspaceId;
use crate::limit::Limit;
use crate::retry::Retry;
use crate::run::Run;
use crate::unique::Unique;

/// Work that survives crashes: a value that is stored as JSON, and code that runs it.
///
/// `run` may be called any number of times for one job, also at the same moment as an attempt that was paused
/// and does not know yet that it was superseded. Code between steps runs again on every attempt; code inside a
/// finished step never does.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// All that a step may touch: clients, configuration, the pool.
    type App: Send + Sync + 'static;

    /// The name that stands in rows: never renamed, never reused.
    const KIND: &'static str;
    /// The queue, which decides how many run at a time in a process.
    const QUEUE: &'static str = "default";
    /// Which lane of the queue.
    const PRIORITY: Priority = Priority::Normal;
    /// Whether the workspaces take turns: in each lane, whoever has had least is next, by the weight that
    /// [`ops::weights`](crate::ops::weights) gives it, however many jobs the others have there. Jobs of kinds without turns
    /// stand in their lane as one workspace more. It costs a look into the index for each workspace that a claim asks, 128 at most.
    const TURNS: bool = false;
    /// What happens after a failed attempt.
    const RETRY: Retry = Retry::DEFAULT;
    /// The steps of a durable run in their usual order, with their weights; empty for a job without progress.
    const STEPS: &'static [Planned] = &[];
    /// Steps that were in the plan once and are no more. A run that has begun a step which is neither here nor in the plan is
    /// refused: it looks the same whether the step was taken out or renamed, and a renamed one would be done a second time.
    const RETIRED: &'static [&'static str] = &[];

    /// How long an attempt may take, from its begin to the end of its code; none: as long as it likes. What takes longer is dropped
    /// where it stands and counts as a failed attempt. Code that does not give the thread back cannot be dropped.
    const TIMEOUT: Option<Duration> = None;
    /// Whether the payload is sealed with the workspace's key wherever it is stored, see [`NewJob::sealed`](crate::NewJob::sealed). Keys, tags and limits
    /// are not, nor are outputs: a step says of itself that its output is [`sealed`](crate::Step::sealed).
    const SEALED: bool = false;

    /// The tenant whose rows the job touches.
    fn workspace(&self) -> WorkspaceId {
        WorkspaceId::NONE
    }

    /// At most one job of this kind has this key at a time, or in a time, however many are enqueued and however many workers
    /// run: a second enqueue joins the first.
    fn unique(&self) -> Option<Unique> {
        None
    }

    /// What it is found by, see [`ops::search`](crate::ops::search): 16 at most, of 200 bytes each.
    fn tags(&self) -> Vec<String> {
        Vec::new()
    }

    /// What has to allow it before an attempt begins: so many at a time, so many in a time, over the whole fleet.
    fn limits(&self) -> Vec<Limit> {
        Vec::new()
    }

    /// One attempt.
    fn run(&self, run: &mut Run<'_, Self::App>) -> impl Future<Output = Result> + Send;
}

/// A step in a plan: its name and how much of the whole it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// The step's name, unique within the run and stable over deploys.
    pub name: &'static str,
    /// Its share of the progress; the weights of a plan need not add up to 100.
    pub weight: u32,
}

impl Planned {
    /// A step of a plan.
    #[must_use]
    pub const fn new(name: &'static str, weight: u32) -> Self {
        Self { name, weight }
    }
}

/// The lane of a queue: a higher one is emptied before a lower one is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Somebody waits for it right now.
    Critical,
    /// Before ordinary work.
    High,
    /// Ordinary work.
    #[default]
    Normal,
    /// Whenever nothing else is to do.
    Low,
}

impl Priority {
    /// As it stands in rows: 0 is the best.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::Critical => 0,
            Self::High => 1,
            Self::Normal => 2,
            Self::Low => 3,
        }
    }
}
