//! Who gets which job, in which order, and who still owns what he got.

use std::collections::BTreeSet;

use super::{ASIDE, Answer, AsideFor, Claim, Job, Live, Model, Process, Standing};
use crate::state_machine::transition::{Kind, Label, Number};

impl Model {
    pub(super) fn start(&mut self, process: Number, slots: usize) {
        let seen = self.now;
        let (holds, passed_by) = (BTreeSet::new(), false);
        self.processes.insert(process, Process { registered: true, seen, slots, holds, passed_by });
    }

    /// Whether a claim has to look first in order to see everything.
    pub(crate) fn must_look(&self, process: Number) -> bool {
        self.processes.get(&process).is_some_and(|process| process.passed_by)
    }

    /// As many as there are free slots, lane by lane and the first to be due first; then those that a limit has to allow are judged
    /// in the same order.
    pub(super) fn claim(&mut self, number: Number, looks: bool) -> Answer {
        let Some(process) = self.processes.get(&number).cloned() else {
            return Answer::Claimed(BTreeSet::new());
        };
        let mut taken = Vec::new();
        for kind in [Kind::Task, Kind::Errand] {
            let in_use = process.holds.iter().filter(|(job, _)| self.kind(*job) == Some(kind));
            let free = process.slots.saturating_sub(in_use.count());
            if process.registered {
                taken.extend(self.ready(kind).into_iter().take(free));
            }
        }
        taken.sort_unstable();
        let mut begun = BTreeSet::new();
        for (_, _, label) in taken {
            begun.extend(self.take(number, label));
        }
        let passed_by = !self.pauses.is_empty() || process.passed_by && !looks;
        if let Some(process) = self.processes.get_mut(&number) {
            process.passed_by = passed_by;
            process.holds.extend(begun.iter().map(|(job, token, ..)| (*job, *token)));
        }
        let claims = begun.iter().map(|(job, token, ..)| Claim {
            process: number,
            job: *job,
            token: *token,
        });
        self.handed_out.extend(claims);
        Answer::Claimed(begun)
    }

    /// What a claim of this kind's queue would bring, in its order, with lane and time.
    pub(crate) fn ready(&self, kind: Kind) -> Vec<(i16, i64, Label)> {
        let mut ready: Vec<(i16, i64, Label)> = Vec::new();
        for (label, job) in self.jobs.iter().filter(|(_, job)| job.kind == kind) {
            if let Standing::Live(Live { lane, due, runs_in: None, .. }) = job.standing
                && lane != ASIDE
                && due <= self.now
                && !self.is_paused(job)
            {
                ready.push((lane, due, *label));
            }
        }
        ready.sort_unstable();
        ready
    }

    pub(crate) fn is_anything_ready(&self) -> bool {
        !self.ready(Kind::Task).is_empty() || !self.ready(Kind::Errand).is_empty()
    }

    /// Claims one, and lets it begin if the limit has a place.
    fn take(&mut self, process: Number, label: Label) -> Option<(Label, i64, i32, i32)> {
        let is_full = self.limit_is_taken();
        let job = self.jobs.get_mut(&label)?;
        let Standing::Live(live) = &mut job.standing else { return None };
        job.token += 1;
        if job.limited && is_full {
            (live.lane, live.aside_for) = (ASIDE, Some(AsideFor::Limit));
            self.forget_places();
            return None;
        }
        job.attempt += 1;
        live.runs_in = Some(process);
        if job.limited {
            job.begun |= job.unique;
            let token = job.token;
            self.forget_places();
            self.places.insert(label, token);
        }
        let job = self.jobs.get(&label)?;
        Some((label, job.token, job.attempt, job.crashes))
    }

    fn kind(&self, label: Label) -> Option<Kind> {
        self.jobs.get(&label).map(|job| job.kind)
    }

    pub(crate) fn owns(&self, claim: Claim) -> bool {
        self.jobs.get(&claim.job).is_some_and(|job| job.is_owned_by(claim))
    }

    /// The token of the newest claim that a process holds of a job.
    pub(crate) fn newest_claim(&self, process: Number, job: Label) -> Option<i64> {
        let holds = &self.processes.get(&process)?.holds;
        holds.iter().filter(|(held, _)| *held == job).map(|(_, token)| *token).max()
    }

    /// The claims that processes hold, and those that were superseded.
    pub(crate) fn claims(&self) -> (Vec<Claim>, Vec<Claim>) {
        let mut held = Vec::new();
        for (process, state) in &self.processes {
            held.extend(state.holds.iter().map(|(job, token)| Claim {
                process: *process,
                job: *job,
                token: *token,
            }));
        }
        let superseded = self.handed_out.iter().copied().filter(|claim| !self.owns(*claim));
        (held, superseded.collect())
    }
}

impl Job {
    fn is_owned_by(&self, claim: Claim) -> bool {
        let runs_there =
            matches!(self.standing, Standing::Live(live) if live.runs_in == Some(claim.process));
        runs_there && self.token == claim.token
    }
}
