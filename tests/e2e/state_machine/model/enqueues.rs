//! How jobs come in, and how operators put them back or take them out.

use super::{Answer, AsideFor, Job, Live, Model, SECOND, Standing};
use crate::state_machine::transition::{Joins, Kind, Label, New};

impl Model {
    pub(super) fn enqueue(&mut self, label: Label, new: New) -> Answer {
        self.asked.insert(label);
        let key = new.key.map(|key| (new.kind, new.tenant, key));
        let known = key.and_then(|key| self.keys.get(&key).copied());
        let joined = known.or_else(|| new.unique.and_then(|_| self.live_unique(new.kind)));
        if let Some(key) = key {
            self.keys.insert(key, joined.unwrap_or(label));
        }
        let due = self.now + new.delay * SECOND;
        let Some(joined) = joined else {
            self.jobs.insert(label, Job::new(new, self.now, due));
            return Answer::New;
        };
        if new.unique == Some(Joins::Replaces) {
            self.replace(joined, new, due);
        }
        Answer::Existing(joined)
    }

    /// The last word on a job that has not begun. What it stood aside for may not be what limits it now: it is judged anew.
    fn replace(&mut self, joined: Label, new: New, due: i64) {
        let Some(job) =
            self.jobs.get_mut(&joined).filter(|job| job.unique && !job.begun && !job.runs())
        else {
            return;
        };
        if let Standing::Live(live) = &mut job.standing {
            (job.priority, job.limited, live.due) = (new.priority, new.limited, due);
            if !matches!(live.aside_for, Some(AsideFor::Pause(_))) {
                (live.lane, live.aside_for) = (new.priority, None);
            }
        }
    }

    fn live_unique(&self, kind: Kind) -> Option<Label> {
        let mut live = self.jobs.iter().filter(|(_, job)| {
            job.unique && job.kind == kind && matches!(job.standing, Standing::Live(_))
        });
        live.next().map(|(label, _)| *label)
    }

    pub(super) fn cancel(&mut self, label: Label) -> Answer {
        let Some(job) = self.jobs.get_mut(&label) else { return Answer::Carried(false) };
        if matches!(job.standing, Standing::History(_)) {
            return Answer::Carried(false);
        }
        job.sets_aside(Standing::History("cancelled"));
        if job.limited {
            self.places.remove(&label);
            self.call_in();
        }
        Answer::Carried(true)
    }

    pub(super) fn retry(&mut self, label: Label) -> Answer {
        let now = self.now;
        let Some(job) = self.jobs.get(&label) else { return Answer::Carried(false) };
        let taken = job.unique && self.live_unique(job.kind).is_some();
        let Some(job) = self.jobs.get_mut(&label) else { return Answer::Carried(false) };
        match &mut job.standing {
            Standing::Live(live) if live.runs_in.is_none() && live.due > now => {
                live.due = now;
                Answer::Carried(true)
            }
            Standing::Dead(_) if !taken => {
                (job.attempt, job.crashes, job.begun) = (0, 0, true);
                let lane = job.priority;
                job.standing =
                    Standing::Live(Live { lane, due: now, aside_for: None, runs_in: None });
                Answer::Carried(true)
            }
            Standing::Live(_) | Standing::Dead(_) | Standing::History(_) => Answer::Carried(false),
        }
    }
}

impl Job {
    const fn new(new: New, created: i64, due: i64) -> Self {
        let New { kind, tenant, limited, priority, .. } = new;
        let live = Live { lane: priority, due, aside_for: None, runs_in: None };
        Self {
            kind,
            tenant,
            unique: new.unique.is_some(),
            limited,
            priority,
            created,
            token: 0,
            attempt: 0,
            crashes: 0,
            failures: 0,
            begun: false,
            works: false,
            work: None,
            sleeps: Vec::new(),
            standing: Standing::Live(live),
        }
    }
}
