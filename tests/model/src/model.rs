//! The model as the checker sees it: which actions are possible, and what each does.

use stateright::{Model, Property};

use crate::variant::{Doubt, Variant};
use crate::{CLAIMS, INCARNATIONS, Owner, PROCESSES, Phase, State, Status, properties};

/// The lease protocol, in one of its variants.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    /// Which one.
    pub variant: Variant,
}

/// What may happen; the crate's page says what each stands for. The number is a process for
/// the first four, and an attempt for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table of the crate's page describes all of them together")]
pub enum Action {
    BeginClaim(usize),
    CommitClaim(usize),
    Rescue(usize),
    Register(usize),
    Start(usize),
    Call(usize),
    CallUnanswered(usize),
    CallLost(usize),
    Stray(usize),
    Check(usize),
    Commit(usize),
    CommitUnanswered(usize),
    Reread(usize),
    Release(usize),
    Cancel,
}

impl Model for Lease {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for process in 0..PROCESSES {
            self.actions_of_process(state, process, actions);
        }
        for index in 0..CLAIMS {
            self.actions_of_attempt(state, index, actions);
        }
        if matches!(state.job.status, Status::Ready | Status::Running) {
            actions.push(Action::Cancel);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::BeginClaim(process) => next.begin_claim(process),
            Action::CommitClaim(process) => next.commit_claim(self.variant, process),
            Action::Rescue(process) => next.rescue(self.variant, process),
            Action::Register(process) => next.register(process),
            Action::Start(index) => next.start(self.variant, index),
            Action::Call(index) => next.call(self.variant, index),
            Action::CallUnanswered(index) => next.call_unanswered(self.variant, index),
            Action::CallLost(index) => next.doubt(self.variant, index),
            Action::Stray(index) => next.stray(self.variant, index),
            Action::Check(index) => next.check(index),
            Action::Commit(index) => next.commit(self.variant, index),
            Action::CommitUnanswered(index) => next.commit_unanswered(self.variant, index),
            Action::Reread(index) => next.reread(index),
            Action::Release(index) => next.release(self.variant, index),
            Action::Cancel => next.move_to(Status::Cancelled),
        }
        next.forget_ended();
        // A step that changes nothing, such as a repeated call that carries a known key.
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl Lease {
    fn actions_of_process(&self, state: &State, process: usize, actions: &mut Vec<Action>) {
        let Some(worker) = state.workers.get(process) else { return };
        let may_claim = state.job.status == Status::Ready
            && usize::from(state.job.token) < CLAIMS
            // The processes are alike: the first claim is the first one's.
            && (process == 0 || state.job.token > 0);
        let here = Owner { process, incarnation: worker.incarnation };
        let owns = state.job.status == Status::Running && state.job.owner == Some(here);
        if !self.variant.has_worker_rows() {
            if may_claim {
                actions.push(Action::CommitClaim(process));
            }
            if owns {
                actions.push(Action::Rescue(process));
            }
            return;
        }
        let locked = self.variant.claim_locks_worker() && worker.claiming.is_some();
        // The rescue of an idle worker is possible too, and changes nothing that is asked about.
        if worker.row && !locked && (owns || worker.claiming.is_some()) {
            actions.push(Action::Rescue(process));
        }
        if !worker.row && worker.incarnation < INCARNATIONS {
            actions.push(Action::Register(process));
        }
        if worker.claiming.is_some() {
            actions.push(Action::CommitClaim(process));
        } else if worker.row && may_claim {
            actions.push(Action::BeginClaim(process));
        }
    }

    fn actions_of_attempt(&self, state: &State, index: usize, actions: &mut Vec<Action>) {
        let Some(attempt) = state.attempts.get(index).copied().flatten() else { return };
        match attempt.phase {
            Phase::Next(_) => actions.push(Action::Start(index)),
            Phase::Started(_) => {
                actions.extend([Action::Call(index), Action::CallUnanswered(index)]);
                if self.variant.doubt() != Doubt::CallAgain {
                    actions.push(Action::CallLost(index));
                }
            }
            Phase::Unsure(_) => actions.push(Action::Reread(index)),
            Phase::Stray(_) => actions.push(Action::Stray(index)),
            Phase::Waiting(_) | Phase::Ended => {}
        }
        if !matches!(attempt.phase, Phase::Stray(_) | Phase::Ended) {
            actions.push(Action::Release(index));
        }
        if attempt.queued.is_some() {
            if self.variant.checks_before_insert() && !attempt.checked {
                actions.push(Action::Check(index));
            } else {
                actions.push(Action::Commit(index));
                if matches!(attempt.phase, Phase::Waiting(_)) {
                    actions.push(Action::CommitUnanswered(index));
                }
            }
        }
    }
}
