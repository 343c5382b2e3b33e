//! What the engine promises, as plain values: jobs, processes, places of a limit, pauses and a clock.

mod aside;
mod attempts;
mod claims;
mod enqueues;
mod leases;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use attempts::{RETRIES, RETRY_SECONDS};
use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

use super::choices;
use super::transition::{Kind, Label, Number, Paused, Transition};

/// By the database's clock, in microseconds since the case began.
pub(super) type Instant = i64;

pub(super) const SECOND: Instant = 1_000_000;

/// How long a process may be silent. Far longer than a case takes, so that the local clock, which nobody moves, decides nothing.
pub(super) const LEASE: Instant = 600 * SECOND;

/// Everything happens a millisecond after what came before.
pub(super) const TICK: Instant = 1_000;

/// The lane of those who stand aside, and that of those who had begun and lost their process.
pub(super) const ASIDE: i16 = 9;
pub(super) const RESUMED: i16 = -1;

/// All there is.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) now: Instant,
    /// Every enqueue, whether it made a job or joined one.
    pub(super) asked: BTreeSet<Label>,
    pub(super) jobs: BTreeMap<Label, Job>,
    /// What the two idempotency keys of a kind and a tenant stand for.
    pub(super) keys: BTreeMap<(Kind, bool, u8), Label>,
    pub(super) processes: BTreeMap<Number, Process>,
    /// Declared dead, and not yet looked through.
    pub(super) dead: BTreeSet<Number>,
    /// Who took a place of the limit, under which token.
    pub(super) places: BTreeMap<Label, i64>,
    pub(super) pauses: BTreeSet<Paused>,
    /// Every claim that was ever handed out.
    pub(super) handed_out: BTreeSet<Claim>,
    pub(super) answer: Answer,
}

#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) kind: Kind,
    pub(super) tenant: bool,
    pub(super) unique: bool,
    pub(super) limited: bool,
    pub(super) priority: i16,
    pub(super) created: Instant,
    pub(super) token: i64,
    pub(super) attempt: i32,
    pub(super) crashes: i32,
    /// What went wrong, over all attempts.
    pub(super) failures: i64,
    pub(super) begun: bool,
    /// The step that its attempts may do is under way, as the row in the queue has it.
    pub(super) works: bool,
    /// What stands in a row of its own of that step.
    pub(super) work: Option<Work>,
    /// When each sleep is over; none where that has been written as done.
    pub(super) sleeps: Vec<Option<Instant>>,
    pub(super) standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Live(Live),
    /// With its outcome.
    History(&'static str),
    /// With the reason.
    Dead(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// It was under way when the job left the queue.
    Started,
    Done,
}

/// A row of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) lane: i16,
    pub(super) due: Instant,
    pub(super) aside_for: Option<AsideFor>,
    /// Whose claim it runs under.
    pub(super) runs_in: Option<Number>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AsideFor {
    Limit,
    Pause(Paused),
}

#[derive(Debug, Clone)]
pub(super) struct Process {
    /// The database has its row.
    pub(super) registered: bool,
    /// Its last heartbeat.
    pub(super) seen: Instant,
    /// For each queue.
    pub(super) slots: usize,
    /// What takes its slots.
    pub(super) holds: BTreeSet<(Label, i64)>,
    /// It has claimed while something was paused: its marks may have passed jobs by until it looks.
    pub(super) passed_by: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    pub(super) process: Number,
    pub(super) job: Label,
    pub(super) token: i64,
}

/// What whoever did it is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Answer {
    #[default]
    Nothing,
    New,
    Existing(Label),
    /// What begins: job, token, attempt, crashes.
    Claimed(BTreeSet<(Label, i64, i32, i32)>),
    Dead,
    Alive {
        lost: BTreeSet<(Label, i64)>,
        somebody_died: bool,
    },
    Rescued {
        freed: i64,
        quarantined: i64,
    },
    Carried(bool),
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Transition> {
        choices::next(state)
    }

    fn preconditions(state: &Self, transition: &Transition) -> bool {
        match transition {
            Transition::Start { process, .. } => !state.processes.contains_key(process),
            Transition::Enqueue { job, .. } => !state.asked.contains(job),
            Transition::Claim { process, .. }
            | Transition::Beat { process }
            | Transition::Leave { process } => state.processes.contains_key(process),
            Transition::Attempt { process, job, .. } => {
                state.newest_claim(*process, *job).is_some()
            }
            Transition::Late { claim, .. } => {
                state.handed_out.contains(claim) && !state.owns(*claim)
            }
            Transition::Cancel { job } => state.jobs.contains_key(job),
            // An operator's retry brings back what was cancelled; here it stays cancelled.
            Transition::Retry { job } => {
                state.jobs.get(job).is_some_and(|job| !matches!(job.standing, Standing::History(_)))
            }
            Transition::Pass { .. }
            | Transition::Rescue
            | Transition::Pause { .. }
            | Transition::Resume { .. }
            | Transition::LookAfter => true,
        }
    }

    fn apply(mut state: Self, transition: &Transition) -> Self {
        state.answer = state.happens(transition);
        state.spread();
        state.now += TICK;
        state
    }
}

impl Model {
    fn happens(&mut self, transition: &Transition) -> Answer {
        match *transition {
            Transition::Start { process, slots } => self.start(process, slots),
            Transition::Enqueue { job, new } => return self.enqueue(job, new),
            Transition::Claim { process, looks } => return self.claim(process, looks),
            Transition::Attempt { process, job, act } => {
                if let Some(token) = self.newest_claim(process, job) {
                    self.attempt(Claim { process, job, token }, act);
                }
            }
            Transition::Late { claim, act } => self.attempt(claim, act),
            Transition::Beat { process } => return self.beat(process),
            Transition::Pass { seconds } => self.now += seconds * SECOND,
            Transition::Rescue => return self.rescue(),
            Transition::Leave { process } => self.leave(process),
            Transition::Cancel { job } => return self.cancel(job),
            Transition::Retry { job } => return self.retry(job),
            Transition::Pause { scope } => self.pause(scope),
            Transition::Resume { scope } => return self.resume(scope),
            Transition::LookAfter => self.look_after(),
        }
        Answer::Nothing
    }

    /// Jobs of one lane that became due at the very same instant are claimed in no order that anybody promises. They are put a
    /// microsecond apart, here and in the database, so that both claim the same.
    fn spread(&mut self) {
        let mut first = BTreeMap::new();
        for job in self.jobs.values_mut() {
            if let Standing::Live(live @ Live { runs_in: None, .. }) = &mut job.standing
                && live.lane != ASIDE
            {
                let same = first.entry((live.lane, live.due)).or_insert(0);
                live.due += *same;
                *same += 1;
            }
        }
    }

    pub(super) fn next_job(&self) -> Label {
        self.asked.last().map_or(0, |last| last + 1)
    }

    pub(super) fn next_process(&self) -> Number {
        self.processes.keys().last().map_or(0, |last| last + 1)
    }

    /// The jobs that stand so.
    pub(super) fn labels(&self, which: impl Fn(&Standing) -> bool) -> Vec<Label> {
        self.jobs.iter().filter(|(_, job)| which(&job.standing)).map(|(label, _)| *label).collect()
    }
}
