//! What the database, the workers and the provider hold.

use crate::{CLAIMS, PROCESSES, STEPS};

/// Everything there is, and what the properties remember of the past.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct State {
    /// The job's row, with its checkpoints.
    pub job: Job,
    /// The processes and their rows.
    pub workers: [Worker; PROCESSES],
    /// The attempts by claim; an attempt's token is its index and one.
    pub attempts: [Option<Attempt>; CLAIMS],
    /// How often the provider did each step.
    pub effects: [u8; STEPS],
    /// How often the job was acknowledged as done.
    pub acks: u8,
    /// An attempt wrote that no longer held the job.
    pub superseded_write: bool,
    /// A checkpoint was overwritten by an earlier one.
    pub went_back: bool,
    /// The job left the state cancelled.
    pub resurrected: bool,
}

/// The job's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Job {
    /// Where the job stands.
    pub status: Status,
    /// The fence: the number of claims so far.
    pub token: u8,
    /// Who claimed it last; cleared by rescue and release.
    pub owner: Option<Owner>,
    /// The number of steps recorded, which is the step to resume from.
    pub cursor: u8,
    /// Which steps have a `started` record.
    pub started: [bool; STEPS],
}

/// Where the job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Status {
    /// May be claimed.
    #[default]
    Ready,
    /// Claimed.
    Running,
    /// All steps are recorded.
    Done,
    /// Cancelled by an operator.
    Cancelled,
    /// An unknown outcome waits for an operator.
    Review,
}

/// A worker as rows name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Its process.
    pub process: usize,
    /// Which start of the process.
    pub incarnation: u8,
}

/// A process, and its row in the table of workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Worker {
    /// Under which incarnation it works.
    pub incarnation: u8,
    /// Whether the row of that incarnation is there.
    pub row: bool,
    /// A claim under way, and under which incarnation it began.
    pub claiming: Option<u8>,
}

impl Default for Worker {
    fn default() -> Self {
        Self { incarnation: 1, row: true, claiming: None }
    }
}

/// One attempt, from its claim to its end or for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// Who runs it.
    pub process: usize,
    /// What it does next.
    pub phase: Phase,
    /// The step whose checkpoint the committer holds, which may outlive the attempt.
    pub queued: Option<usize>,
    /// The committer has read the fence for that checkpoint and found it sound.
    pub checked: bool,
}

/// What an attempt does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Record that the step starts.
    Next(usize),
    /// Call the provider.
    Started(usize),
    /// Wait for the committer.
    Waiting(usize),
    /// Find out what became of a COMMIT without an answer.
    Unsure(usize),
    /// Nothing, but its request may still arrive.
    Stray(usize),
    /// Nothing.
    Ended,
}

impl State {
    /// Whether attempt `index` holds the job.
    pub fn holds(&self, index: usize) -> bool {
        self.job.status == Status::Running && usize::from(self.job.token) == index + 1
    }

    /// Whether the row of a worker is there.
    pub fn has_row(&self, owner: Owner) -> bool {
        self.workers
            .get(owner.process)
            .is_some_and(|worker| worker.row && worker.incarnation == owner.incarnation)
    }

    /// Moves the job, and remembers if that brought it back from cancelled.
    pub(crate) fn move_to(&mut self, status: Status) {
        self.resurrected |= self.job.status == Status::Cancelled && status != Status::Cancelled;
        self.job.status = status;
    }
}
