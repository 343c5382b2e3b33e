//! What each action does.

use crate::variant::{Doubt, Guard, Variant};
use crate::{Attempt, Owner, Phase, STEPS, State, Status};

/// What came of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
enum Write {
    Owned,
    Lost,
}

impl State {
    /// With the fix this locks the worker's row, which the model expresses by not rescuing it.
    pub(crate) fn begin_claim(&mut self, process: usize) {
        if let Some(worker) = self.workers.get_mut(process) {
            worker.claiming = Some(worker.incarnation);
        }
    }

    /// Claims the job if it is still ready; nothing otherwise, as under SKIP LOCKED.
    pub(crate) fn commit_claim(&mut self, variant: Variant, process: usize) {
        let process = if variant.tells_processes_apart() { process } else { 0 };
        let Some(worker) = self.workers.get_mut(process) else { return };
        // A claim under way commits under the incarnation that it began with.
        let incarnation = worker.claiming.take().unwrap_or(worker.incarnation);
        let Some(attempt) = self.attempts.get_mut(usize::from(self.job.token)) else { return };
        if self.job.status != Status::Ready {
            return;
        }
        let phase = Phase::Next(usize::from(self.job.cursor));
        *attempt = Some(Attempt { process, phase, queued: None, checked: false });
        self.job.token += 1;
        self.job.owner = Some(Owner { process, incarnation });
        self.move_to(Status::Running);
    }

    /// Deletes the worker's row and gives its job back, in one transaction.
    pub(crate) fn rescue(&mut self, variant: Variant, process: usize) {
        let Some(worker) = self.workers.get_mut(process) else { return };
        worker.row = !variant.has_worker_rows();
        let gone = Owner { process, incarnation: worker.incarnation };
        if self.job.status == Status::Running && self.job.owner == Some(gone) {
            self.job.owner = None;
            self.move_to(Status::Ready);
        }
    }

    pub(crate) fn register(&mut self, process: usize) {
        if let Some(worker) = self.workers.get_mut(process) {
            worker.row = true;
            worker.incarnation += 1;
        }
    }

    pub(crate) fn start(&mut self, variant: Variant, index: usize) {
        let Some(Phase::Next(step)) = self.phase(index) else { return };
        if step >= STEPS {
            // All is recorded and only the ack is missing, which a superseded commit can leave.
            let (Write::Owned | Write::Lost) = self.acknowledge(variant, index);
            return self.set_phase(index, Phase::Ended);
        }
        let begun = self.job.started.get(step).copied().unwrap_or_default();
        if begun && variant.doubt() != Doubt::CallAgain {
            // An earlier attempt may have called: its record is there, its checkpoint is not.
            return self.doubt(variant, index);
        }
        let write = self.write(variant, index, |state| {
            // Where nobody reads the record, it would only multiply the states.
            if variant.doubt() != Doubt::CallAgain
                && let Some(started) = state.job.started.get_mut(step)
            {
                *started = true;
            }
        });
        self.set_phase(
            index,
            match write {
                Write::Owned => Phase::Started(step),
                Write::Lost => Phase::Ended,
            },
        );
    }

    pub(crate) fn call(&mut self, variant: Variant, index: usize) {
        let Some(Phase::Started(step)) = self.phase(index) else { return };
        self.take_effect(variant, step);
        self.hand_to_committer(index, step);
    }

    pub(crate) fn call_unanswered(&mut self, variant: Variant, index: usize) {
        let Some(Phase::Started(step)) = self.phase(index) else { return };
        self.take_effect(variant, step);
        self.doubt(variant, index);
    }

    /// The attempt does not know whether the provider did the step.
    pub(crate) fn doubt(&mut self, variant: Variant, index: usize) {
        let Some(Phase::Next(step) | Phase::Started(step)) = self.phase(index) else { return };
        match variant.doubt() {
            Doubt::CallAgain => {}
            Doubt::TakeForDone => self.hand_to_committer(index, step),
            Doubt::Review => {
                let (Write::Owned | Write::Lost) =
                    self.write(variant, index, |state| state.move_to(Status::Review));
                self.set_phase(index, Phase::Ended);
            }
        }
    }

    pub(crate) fn stray(&mut self, variant: Variant, index: usize) {
        let Some(Phase::Stray(step)) = self.phase(index) else { return };
        self.take_effect(variant, step);
        self.set_phase(index, Phase::Ended);
    }

    /// Reads the fence without a lock; what it says may be old at once.
    pub(crate) fn check(&mut self, index: usize) {
        let holds = self.holds(index);
        let Some(attempt) = self.attempt_mut(index) else { return };
        if holds {
            attempt.checked = true;
        } else {
            attempt.queued = None;
            attempt.phase = Phase::Ended;
        }
    }

    /// Commits what the committer holds of an attempt, and answers the attempt if it still waits.
    pub(crate) fn commit(&mut self, variant: Variant, index: usize) {
        let Some(step) = self.attempt_mut(index).and_then(|attempt| attempt.queued) else { return };
        let write = self.checkpoint(variant, index, step);
        if self.phase(index) == Some(Phase::Waiting(step)) {
            self.set_phase(
                index,
                match write {
                    Write::Owned => after(step),
                    Write::Lost => Phase::Ended,
                },
            );
        }
    }

    pub(crate) fn commit_unanswered(&mut self, variant: Variant, index: usize) {
        let Some(Phase::Waiting(step)) = self.phase(index) else { return };
        let (Write::Owned | Write::Lost) = self.checkpoint(variant, index, step);
        self.set_phase(index, Phase::Unsure(step));
    }

    /// Goes on where the checkpoint is found under a token that still holds. Where it is not found, it
    /// was refused, because the commit of the model is always made: the attempt is lost.
    pub(crate) fn reread(&mut self, index: usize) {
        let Some(Phase::Unsure(step)) = self.phase(index) else { return };
        let found = usize::from(self.job.cursor) > step;
        let phase = if found && self.holds(index) { after(step) } else { Phase::Ended };
        self.set_phase(index, phase);
    }

    /// Gives the attempt up and the job back. The token stays: the next claim adds one anyway.
    pub(crate) fn release(&mut self, variant: Variant, index: usize) {
        let Some(phase) = self.phase(index) else { return };
        let (Write::Owned | Write::Lost) = self.write(variant, index, |state| {
            state.job.owner = None;
            state.move_to(Status::Ready);
        });
        self.set_phase(
            index,
            match phase {
                Phase::Started(step) => Phase::Stray(step),
                Phase::Next(_)
                | Phase::Waiting(_)
                | Phase::Unsure(_)
                | Phase::Stray(_)
                | Phase::Ended => Phase::Ended,
            },
        );
    }

    /// The checkpoint, and with the last one the ack.
    fn checkpoint(&mut self, variant: Variant, index: usize, step: usize) -> Write {
        let Some(attempt) = self.attempt_mut(index) else { return Write::Lost };
        let checked = attempt.checked;
        attempt.queued = None;
        attempt.checked = false;
        let next = u8::try_from(step + 1).unwrap_or(u8::MAX);
        let exists = self.job.cursor >= next;
        if exists && variant.guard() == Guard::TokenAndState {
            // A row per step: the insert of one that is there is refused.
            return Write::Lost;
        }
        let record = |state: &mut Self| {
            state.went_back |= state.job.cursor > next;
            state.job.cursor = next;
        };
        let write = if checked {
            self.superseded_write |= !self.holds(index);
            record(self);
            Write::Owned
        } else {
            self.write(variant, index, record)
        };
        if write == Write::Owned && step + 1 == STEPS {
            return self.acknowledge(variant, index);
        }
        write
    }

    fn acknowledge(&mut self, variant: Variant, index: usize) -> Write {
        self.write(variant, index, |state| {
            // As with effects, two are as telling as more.
            state.acks = (state.acks + 1).min(2);
            state.move_to(Status::Done);
        })
    }

    /// Changes the job's row where the guard finds it, and remembers if it should not have.
    fn write(&mut self, variant: Variant, index: usize, change: impl FnOnce(&mut Self)) -> Write {
        let process = self.attempt_mut(index).map(|attempt| attempt.process);
        let passes = match variant.guard() {
            Guard::Nothing => true,
            Guard::Owner => self.job.owner.map(|owner| owner.process) == process,
            Guard::TokenAndState => self.holds(index),
        };
        if !passes {
            return Write::Lost;
        }
        self.superseded_write |= !self.holds(index);
        change(self);
        Write::Owned
    }

    fn take_effect(&mut self, variant: Variant, step: usize) {
        let Some(count) = self.effects.get_mut(step) else { return };
        // Two are as telling as more, and keep the model finite.
        if *count == 0 || (*count == 1 && !variant.has_keys()) {
            *count += 1;
        }
    }

    fn hand_to_committer(&mut self, index: usize, step: usize) {
        let Some(attempt) = self.attempt_mut(index) else { return };
        attempt.phase = Phase::Waiting(step);
        attempt.queued = Some(step);
    }

    /// Nobody asks who ran an attempt that has nothing more to do.
    pub(crate) fn forget_ended(&mut self) {
        for attempt in self.attempts.iter_mut().flatten() {
            if attempt.phase == Phase::Ended && attempt.queued.is_none() {
                attempt.process = 0;
                attempt.checked = false;
            }
        }
    }

    fn phase(&self, index: usize) -> Option<Phase> {
        Some((*self.attempts.get(index)?)?.phase)
    }

    fn set_phase(&mut self, index: usize, phase: Phase) {
        if let Some(attempt) = self.attempt_mut(index) {
            attempt.phase = phase;
        }
    }

    fn attempt_mut(&mut self, index: usize) -> Option<&mut Attempt> {
        self.attempts.get_mut(index)?.as_mut()
    }
}

/// What an attempt does after a step was recorded; the ack went with the last one.
fn after(step: usize) -> Phase {
    if step + 1 == STEPS { Phase::Ended } else { Phase::Next(step + 1) }
}
