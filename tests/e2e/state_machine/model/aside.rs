//! Who stands aside, and who is called back: for a limit of one at a time, and for pauses.

use super::{ASIDE, Answer, AsideFor, Job, Live, Model, Standing};
use crate::state_machine::transition::{Kind, Label, Paused};

impl Model {
    pub(super) fn pause(&mut self, scope: Paused) {
        self.pauses.insert(scope);
        if scope != Paused::ErrandsQueue {
            self.set_aside();
        }
    }

    pub(super) fn resume(&mut self, scope: Paused) -> Answer {
        let was_paused = self.pauses.remove(&scope);
        self.let_back();
        Answer::Carried(was_paused)
    }

    pub(super) fn look_after(&mut self) {
        self.call_in();
        self.set_aside();
        self.let_back();
    }

    /// Whether claims leave it alone.
    pub(super) fn is_paused(&self, job: &Job) -> bool {
        job.pause().is_some_and(|scope| self.pauses.contains(&scope))
            || job.kind == Kind::Errand && self.pauses.contains(&Paused::ErrandsQueue)
    }

    fn set_aside(&mut self) {
        for job in self.jobs.values_mut() {
            let pause = job.pause().filter(|scope| self.pauses.contains(scope));
            if let (Some(scope), Standing::Live(live @ Live { runs_in: None, .. })) =
                (pause, &mut job.standing)
                && live.lane != ASIDE
            {
                (live.lane, live.aside_for) = (ASIDE, Some(AsideFor::Pause(scope)));
            }
        }
    }

    fn let_back(&mut self) {
        for job in self.jobs.values_mut() {
            if let Standing::Live(live) = &mut job.standing
                && let Some(AsideFor::Pause(scope)) = live.aside_for
                && !self.pauses.contains(&scope)
            {
                let due = live.due.max(self.now);
                *live = Live { lane: job.priority, due, aside_for: None, runs_in: None };
            }
        }
    }

    /// The end of an attempt, or of the job: if it had a place of the limit, the next one may try.
    pub(super) fn leave_place(&mut self, job: Label) {
        if self.places.remove(&job).is_some() {
            self.call_in();
        }
    }

    /// Lets the best and oldest of those try that stand aside for the limit, if nobody runs with it.
    pub(super) fn call_in(&mut self) {
        if self.limit_is_taken() {
            return;
        }
        let waiting = self.jobs.iter().filter(|(_, job)| job.stands_aside_for(AsideFor::Limit));
        let best = waiting.min_by_key(|(_, job)| (job.priority, job.created)).map(|(job, _)| *job);
        let (now, Some(job)) = (self.now, best.and_then(|best| self.jobs.get_mut(&best))) else {
            return;
        };
        let lane = job.priority;
        job.standing = Standing::Live(Live { lane, due: now, aside_for: None, runs_in: None });
    }

    /// Whoever judges forgets the places of those that run no longer, or under another claim.
    pub(super) fn forget_places(&mut self) {
        let jobs = &self.jobs;
        self.places.retain(|job, token| {
            jobs.get(job).is_some_and(|job| job.runs() && job.token == *token)
        });
    }

    /// Whether one that took a place still runs under the claim that took it.
    pub(super) fn limit_is_taken(&self) -> bool {
        self.places.iter().any(|(job, token)| {
            self.jobs.get(job).is_some_and(|job| job.runs() && job.token == *token)
        })
    }
}

impl Job {
    /// What sets it aside where it is paused.
    fn pause(&self) -> Option<Paused> {
        match (self.kind, self.tenant) {
            (Kind::Errand, _) => Some(Paused::Errands),
            (Kind::Task, true) => Some(Paused::Tenant),
            (Kind::Task, false) => None,
        }
    }

    fn stands_aside_for(&self, what: AsideFor) -> bool {
        matches!(self.standing, Standing::Live(live) if live.aside_for == Some(what))
    }

    pub(super) fn runs(&self) -> bool {
        matches!(self.standing, Standing::Live(Live { runs_in: Some(_), .. }))
    }
}
