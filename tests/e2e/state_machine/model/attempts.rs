//! What an attempt leaves behind, if it still owns its job.

use super::{Claim, Job, Live, Model, SECOND, Standing, Work};
use crate::state_machine::system::SLEEPS;
use crate::state_machine::transition::{Act, End};

/// A failed attempt is repeated so often,
pub(crate) const RETRIES: i32 = 2;
/// after so long.
pub(crate) const RETRY_SECONDS: u64 = 5;

/// So many attempts may end without a word.
pub(super) const CRASHES: i32 = 3;

impl Model {
    pub(super) fn attempt(&mut self, claim: Claim, act: Act) {
        let owned = self.owns(claim);
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&claim.job) else { return };
        // Whoever was superseded learns it at his first write.
        let ended = !owned || job.attempted(act, now);
        let limited = job.limited;
        if let Some(process) = self.processes.get_mut(&claim.process).filter(|_| ended) {
            process.holds.remove(&(claim.job, claim.token));
        }
        if owned && ended && limited {
            self.leave_place(claim.job);
        }
    }
}

impl Job {
    /// What an attempt does that owns its job. False where it does not end.
    fn attempted(&mut self, act: Act, now: i64) -> bool {
        for sleep in &mut self.sleeps {
            match *sleep {
                Some(over) if over > now => {
                    self.again(over, false);
                    return true;
                }
                Some(_) | None => *sleep = None,
            }
        }
        if self.work != Some(Work::Done) && act.end == End::Hangs {
            self.works = true;
            return false;
        }
        if act.step {
            (self.works, self.work) = (false, Some(Work::Done));
        }
        self.failures += i64::from(matches!(act.end, End::Fails | End::Gives | End::Panics));
        match act.end {
            End::Sleeps(seconds) if self.sleeps.len() < SLEEPS.len() => {
                let over = now + seconds * SECOND;
                self.sleeps.push(Some(over));
                self.again(over, false);
            }
            End::Completes | End::Sleeps(_) | End::Hangs => {
                self.standing = Standing::History("completed");
            }
            End::Degrades => self.standing = Standing::History("degraded"),
            End::Fails if self.attempt <= RETRIES => {
                self.again(now + RETRY_SECONDS.cast_signed() * SECOND, true);
            }
            End::Fails | End::Gives => self.sets_aside(Standing::Dead("failed")),
            End::Panics => {
                self.crashes += 1;
                if self.crashes >= CRASHES {
                    self.sets_aside(Standing::Dead("quarantined"));
                } else {
                    self.again(now + i64::from(self.crashes) * SECOND, false);
                }
            }
        }
        true
    }

    const fn again(&mut self, due: i64, counts: bool) {
        let lane = self.priority;
        self.standing = Standing::Live(Live { lane, due, aside_for: None, runs_in: None });
        self.begun = true;
        if !counts {
            self.attempt -= 1;
        }
    }

    /// It leaves the queue before its end: that a step was under way is kept.
    pub(super) fn sets_aside(&mut self, standing: Standing) {
        let is_live = matches!(self.standing, Standing::Live(_));
        if is_live && std::mem::take(&mut self.works) && self.work != Some(Work::Done) {
            self.work = Some(Work::Started);
        }
        self.standing = standing;
    }
}
