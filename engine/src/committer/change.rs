//! What an attempt writes at once.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::enqueue::NewJob;
use crate::failure::Failure;
use crate::lease::Claim;

/// All that one attempt writes at once: it commits whole or not at all.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) claim: Claim,
    /// The job itself, where it begins here without having waited in the queue; nothing else is written then.
    pub(crate) start: Option<Arc<NewJob>>,
    /// What becomes of the note in the job's row which step is under way.
    pub(crate) mark: Mark,
    pub(crate) steps: Vec<StepWrite>,
    pub(crate) finish: Option<Finish>,
    /// Apart, for a change is moved about a lot.
    pub(crate) extras: Option<Box<Extras>>,
    /// The job may have a place of what limits it: its end lets somebody else begin.
    pub(crate) limited: bool,
    /// Whose child the job is.
    pub(crate) family: Option<Box<Family>>,
}

impl Family {
    /// The child of the run that is named in what it waits for.
    pub(crate) fn of(wakes: String) -> Option<Self> {
        let parent = wakes.strip_prefix("child:")?.split_once('/')?.0.parse().ok()?;
        Some(Self { parent, wakes })
    }
}

/// What few changes write.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    pub(crate) failures: Vec<AttemptFailure>,
    pub(crate) enqueue: Vec<NewJob>,
    /// Children, which exist from this write on.
    pub(crate) spawn: Vec<NewJob>,
    /// The job's output, JSON.
    pub(crate) output: Option<String>,
}

/// Whose child a job is, and what its end means to the parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Family {
    pub(crate) parent: Uuid,
    /// What the parent waits for.
    pub(crate) wakes: String,
}

impl Change {
    pub(crate) const fn of(claim: Claim) -> Self {
        Self {
            claim,
            start: None,
            mark: Mark::Keep,
            steps: Vec::new(),
            finish: None,
            extras: None,
            limited: false,
            family: None,
        }
    }

    pub(crate) fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    pub(super) fn failures(&self) -> &[AttemptFailure] {
        self.extras.as_ref().map_or(&[], |extras| &extras.failures)
    }

    pub(crate) fn enqueue(&self) -> &[NewJob] {
        self.extras.as_ref().map_or(&[], |extras| &extras.enqueue)
    }

    pub(super) fn spawn(&self) -> &[NewJob] {
        self.extras.as_ref().map_or(&[], |extras| &extras.spawn)
    }

    pub(super) fn output(&self) -> Option<&str> {
        self.extras.as_ref()?.output.as_deref()
    }

    /// The child that ends with this change, if it is one.
    pub(super) fn ended_child(&self) -> Option<&Family> {
        let ends =
            matches!(self.finish, Some(Finish::Completed | Finish::Degraded | Finish::Dead { .. }));
        self.family.as_deref().filter(|_| ends)
    }

    /// The events that it is about to wait for, or lets happen.
    pub(super) fn events(&self) -> impl Iterator<Item = &str> {
        let waits = self.steps.iter().filter_map(|step| match step.wake.as_ref()? {
            Wake::On { event, .. } | Wake::Until { event, .. } => Some(event.as_str()),
            Wake::In(_) => None,
        });
        waits.chain(self.ended_child().map(|family| family.wakes.as_str()))
    }

    /// The beginning of a job that did not wait in the queue.
    pub(crate) fn start(job: Arc<NewJob>) -> Self {
        let claim = Claim { job: job.id, token: 1 };
        Self { start: Some(job), ..Self::of(claim) }
    }

    /// Whether it is one of the ordinary writes, which take one statement: a step that is done at most, the beginning
    /// of the next, a good end.
    pub(super) fn is_ordinary(&self) -> bool {
        let steps = match self.steps.as_slice() {
            [] => true,
            [only] => only.state == StepState::Done && only.detail.is_none(),
            _ => false,
        };
        let ends = match &self.finish {
            None => self.mark != Mark::Keep || self.start.is_some(),
            Some(Finish::Completed | Finish::Degraded) => true,
            Some(
                Finish::Again { .. } | Finish::Released | Finish::Parked | Finish::Dead { .. },
            ) => false,
        };
        let frees = self.limited && self.finish.is_some();
        let more = frees || self.extras.is_some() || self.ended_child().is_some();
        steps && ends && !more
    }
}

/// The note in the job's row which step is under way: begun, and not known to have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// As it is.
    Keep,
    /// This step begins, so many times now.
    Begin { step: &'static str, starts: i32 },
    /// None is under way any more.
    Clear,
}

/// A checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct StepWrite {
    pub(crate) name: Cow<'static, str>,
    pub(crate) state: StepState,
    /// How often it was begun, without those times that ended in waiting.
    pub(crate) starts: i32,
    /// How often it met an outage that cost nothing.
    pub(crate) outages: i32,
    /// How long it took, by the local clock.
    pub(crate) took: Duration,
    /// JSON.
    pub(crate) output: Option<String>,
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) detail: Option<String>,
    pub(crate) wake: Option<Wake>,
}

impl StepWrite {
    pub(crate) fn new(name: impl Into<Cow<'static, str>>, state: StepState) -> Self {
        Self {
            name: name.into(),
            state,
            starts: 1,
            outages: 0,
            took: Duration::ZERO,
            output: None,
            sealed: None,
            detail: None,
            wake: None,
        }
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// When a waiting step looks again.
#[derive(Debug, Clone)]
pub(crate) enum Wake {
    /// After a time, by the database's clock.
    In(Duration),
    /// At the event, at the latest after a time.
    On { event: String, look_again: Duration },
    /// At the event, or when this time is over, counted from when it was said first.
    Until { event: String, time: Duration },
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepState {
    Started,
    Done,
    Skipped,
    Waiting,
    Failed,
}

impl StepState {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Started, Self::Done, Self::Skipped, Self::Waiting, Self::Failed]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// One error of an attempt, kept for ever beside the run.
#[derive(Debug, Clone)]
pub(crate) struct AttemptFailure {
    pub(crate) attempt: i32,
    pub(crate) step: Option<&'static str>,
    pub(crate) failure: Failure,
    pub(crate) retry_in: Option<Duration>,
}

/// How an attempt leaves its job.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Finish {
    /// Done: every step is.
    Completed,
    /// Done as far as it goes: something optional failed, or something is missing.
    Degraded,
    /// Ready again after a delay; `counts` says whether this attempt uses up a retry, `crashed` whether it died.
    Again { delay: Duration, counts: bool, crashed: bool },
    /// Ready again, because its process stops: it runs elsewhere before all that has not begun. Spends no attempt.
    Released,
    /// Ready again when the first of its waiting steps wakes. Spends no attempt.
    Parked,
    /// Set aside for a person.
    Dead { reason: Dead, failure: Box<Failure> },
}

/// Why a job was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dead {
    Failed,
    Quarantined,
    Review,
    Undecodable,
    /// It failed, and what it had done has been undone.
    Undone,
}

impl Dead {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Quarantined => "quarantined",
            Self::Review => "review",
            Self::Undecodable => "undecodable",
            Self::Undone => "undone",
        }
    }
}
