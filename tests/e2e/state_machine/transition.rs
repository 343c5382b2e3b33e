//! What may happen.

use super::model::Claim;

/// The number of a job, in the order in which they were asked for; it stays the same while a run is shrunk.
pub(super) type Label = u32;

/// The number of a process.
pub(super) type Number = u32;

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Transition {
    /// A process registers, with so many slots for each queue.
    Start {
        process: Number,
        slots: usize,
    },
    Enqueue {
        job: Label,
        new: New,
    },
    /// A process claims as many as it has free slots, after a look at the lanes or without.
    Claim {
        process: Number,
        looks: bool,
    },
    /// A process runs the attempt of its newest claim of a job, whether it still owns the job or not.
    Attempt {
        process: Number,
        job: Label,
        act: Act,
    },
    /// An attempt of a claim that was handed out long ago and superseded goes on after all.
    Late {
        claim: Claim,
        act: Act,
    },
    Beat {
        process: Number,
    },
    /// Time passes.
    Pass {
        seconds: i64,
    },
    /// Somebody declares the dead dead, and frees what they held.
    Rescue,
    /// A process that was told to stop gives back what it holds, and leaves.
    Leave {
        process: Number,
    },
    Cancel {
        job: Label,
    },
    /// An operator puts a job back to work.
    Retry {
        job: Label,
    },
    Pause {
        scope: Paused,
    },
    Resume {
        scope: Paused,
    },
    /// What every process does once a minute.
    LookAfter,
}

impl Transition {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Enqueue { .. } => "enqueue",
            Self::Claim { .. } => "claim",
            Self::Attempt { act, .. } => act.end.name(),
            Self::Late { .. } => "late attempt",
            Self::Beat { .. } => "beat",
            Self::Pass { .. } => "time passes",
            Self::Rescue => "rescue",
            Self::Leave { .. } => "leave",
            Self::Cancel { .. } => "cancel",
            Self::Retry { .. } => "operator's retry",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::LookAfter => "look after",
        }
    }
}

/// A job that somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct New {
    pub(super) kind: Kind,
    pub(super) priority: i16,
    /// In seconds.
    pub(super) delay: i64,
    /// It has the one unique key of its kind.
    pub(super) unique: Option<Joins>,
    /// One of two idempotency keys.
    pub(super) key: Option<u8>,
    /// One at a time of those.
    pub(super) limited: bool,
    /// It is the tenant's.
    pub(super) tenant: bool,
}

/// The kinds, each in a queue of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Task,
    Errand,
}

/// What becomes of a unique job that waits when another one joins it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joins {
    Keeps,
    Replaces,
}

/// What an attempt does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Act {
    /// It does a step before it ends, which writes twice more.
    pub(super) step: bool,
    pub(super) end: End,
}

/// How an attempt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Completes,
    Degrades,
    /// It sleeps so many seconds first.
    Sleeps(i64),
    /// A failure that is retried, twice.
    Fails,
    /// A failure that no retry mends.
    Gives,
    Panics,
    /// It does not end: it stands still in the midst of its step, if that is not done yet.
    Hangs,
}

impl End {
    const fn name(self) -> &'static str {
        match self {
            Self::Completes => "complete",
            Self::Degrades => "degrade",
            Self::Sleeps(_) => "sleep",
            Self::Fails => "fail",
            Self::Gives => "fail for good",
            Self::Panics => "panic",
            Self::Hangs => "hang",
        }
    }
}

/// What may be paused. No job is of the kind and the tenant's at once: which of the two it stands aside for would be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Paused {
    Errands,
    ErrandsQueue,
    Tenant,
}
