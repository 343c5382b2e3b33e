//! Who lives, who is dead, and what becomes of what the dead held.

use super::attempts::CRASHES;
use super::{Answer, Claim, LEASE, Live, Model, Process, RESUMED, Standing};
use crate::state_machine::transition::{Label, Number};

impl Model {
    pub(crate) fn alive(&self) -> usize {
        self.processes.values().filter(|process| process.registered).count()
    }

    /// How many attempts of a job have ended without a word.
    pub(crate) fn crashes(&self, job: Label) -> usize {
        self.jobs.get(&job).map_or(0, |job| usize::try_from(job.crashes).unwrap_or_default())
    }

    pub(crate) fn is_somebody_overdue(&self) -> bool {
        self.processes.values().any(|process| process.registered && process.is_overdue(self.now))
    }

    /// All processes, those that live more often.
    pub(crate) fn processes_by_life(&self) -> Vec<Number> {
        let life = |process: &Process| if process.registered { 4 } else { 1 };
        let all = self.processes.iter();
        all.flat_map(|(number, process)| std::iter::repeat_n(*number, life(process))).collect()
    }

    pub(super) fn beat(&mut self, number: Number) -> Answer {
        let now = self.now;
        let somebody_died = !self.dead.is_empty()
            || self.processes.iter().any(|(other, process)| {
                *other != number && process.registered && process.is_overdue(now)
            });
        let lost = self.lost(number);
        match self.processes.get_mut(&number) {
            Some(process) if process.registered => {
                process.seen = now;
                process.holds.retain(|held| !lost.contains(held));
                Answer::Alive { lost: lost.into_iter().collect(), somebody_died }
            }
            Some(_) | None => Answer::Dead,
        }
    }

    fn lost(&self, process: Number) -> Vec<(Label, i64)> {
        let holds = self.processes.get(&process).map(|process| &process.holds);
        holds
            .into_iter()
            .flatten()
            .filter(|(job, token)| !self.owns(Claim { process, job: *job, token: *token }))
            .copied()
            .collect()
    }

    pub(super) fn rescue(&mut self) -> Answer {
        let now = self.now;
        for (number, process) in &mut self.processes {
            if process.registered && process.is_overdue(now) {
                process.registered = false;
                self.dead.insert(*number);
            }
        }
        let (mut freed, mut quarantined) = (0, 0);
        let dead = std::mem::take(&mut self.dead);
        for job in self.jobs.values_mut() {
            let Standing::Live(Live { runs_in: Some(process), .. }) = job.standing else {
                continue;
            };
            if !dead.contains(&process) {
                continue;
            }
            (job.crashes, job.failures) = (job.crashes + 1, job.failures + 1);
            if job.crashes >= CRASHES {
                job.sets_aside(Standing::Dead("quarantined"));
                quarantined += 1;
            } else {
                (job.attempt, job.begun) = (job.attempt - 1, true);
                job.standing = resumed(now);
                freed += 1;
            }
        }
        if freed + quarantined > 0 {
            self.call_in();
        }
        Answer::Rescued { freed, quarantined }
    }

    pub(super) fn leave(&mut self, number: Number) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(&number) else { return };
        for (label, token) in std::mem::take(&mut process.holds) {
            let claim = Claim { process: number, job: label, token };
            if self.owns(claim)
                && let Some(job) = self.jobs.get_mut(&label)
            {
                (job.attempt, job.begun) = (job.attempt - 1, true);
                job.standing = resumed(now);
                self.leave_place(label);
            }
        }
        if let Some(process) = self.processes.get_mut(&number)
            && std::mem::replace(&mut process.registered, false)
        {
            self.dead.insert(number);
        }
    }
}

/// Before all that has not begun.
const fn resumed(now: i64) -> Standing {
    Standing::Live(Live { lane: RESUMED, due: now, aside_for: None, runs_in: None })
}

impl Process {
    const fn is_overdue(&self, now: i64) -> bool {
        self.seen + LEASE < now
    }
}
