//! Changes as columns: a statement takes any number of rows as one array a column.

use uuid::Uuid;

use super::change::{Change, Finish, Mark, StepState, StepWrite, Wake};
use crate::enqueue::NewJob;
use crate::lease::Claim;

/// Ids and tokens.
pub(crate) fn claims(claims: impl Iterator<Item = Claim>) -> (Vec<Uuid>, Vec<i64>) {
    claims.map(|claim| (claim.job.uuid(), claim.token)).unzip()
}

/// Ordinary changes, one row each.
#[derive(Default)]
pub(super) struct Ordinary<'c> {
    pub(super) ids: Vec<Uuid>,
    pub(super) tokens: Vec<i64>,
    pub(super) begins: Vec<Option<&'static str>>,
    pub(super) starts: Vec<i32>,
    pub(super) outcomes: Vec<Option<&'static str>>,
    pub(super) done: Vec<Option<&'c str>>,
    pub(super) outputs: Vec<Option<&'c str>>,
    pub(super) sealed: Vec<Option<&'c [u8]>>,
    pub(super) done_starts: Vec<i32>,
    pub(super) took: Vec<f64>,
    pub(super) fresh: Vec<bool>,
    /// The ids of those whose jobs go on.
    pub(super) going_on: Vec<Uuid>,
    /// The ids of those whose jobs end.
    pub(super) ending: Vec<Uuid>,
    pub(super) starting: Starts<'c>,
}

/// Jobs that begin here without having waited, one row each.
#[derive(Default)]
pub(super) struct Starts<'c> {
    pub(super) ids: Vec<Uuid>,
    pub(super) workspaces: Vec<Uuid>,
    pub(super) kinds: Vec<&'c str>,
    pub(super) queues: Vec<&'c str>,
    pub(super) priorities: Vec<i16>,
    pub(super) shares: Vec<i32>,
    pub(super) payloads: Vec<&'c str>,
    pub(super) plans: Vec<Option<&'c str>>,
    /// The step that each begins with.
    pub(super) begins: Vec<Option<&'static str>>,
}

impl<'c> Starts<'c> {
    fn push(&mut self, job: &'c NewJob) {
        self.ids.push(job.id.uuid());
        self.workspaces.push(job.workspace.uuid());
        self.kinds.push(&job.kind);
        self.queues.push(&job.queue);
        self.priorities.push(job.priority.number());
        self.shares.push(job.share);
        self.payloads.push(&job.payload);
        self.plans.push(job.plan.as_deref());
        self.begins.push(job.first_step);
    }
}

impl<'c> Ordinary<'c> {
    /// `again` where they may have been written before: then no step of theirs is fresh.
    pub(super) fn of(changes: &[&'c Change], again: bool) -> Self {
        let mut columns = Self::default();
        for change in changes {
            columns.push(change, again);
        }
        columns
    }

    /// Whether they are nothing but ends.
    pub(super) fn only_end(&self) -> bool {
        self.starting.ids.is_empty()
            && self.going_on.is_empty()
            && self.done.iter().all(Option::is_none)
    }

    /// Whether they are nothing but steps of jobs that go on, none of which can have a row yet.
    pub(super) fn only_step(&self) -> bool {
        self.starting.ids.is_empty()
            && self.ending.is_empty()
            && self.fresh.iter().all(|fresh| *fresh)
    }

    fn push(&mut self, change: &'c Change, again: bool) {
        if let Some(job) = &change.start {
            return self.starting.push(job);
        }
        let (begins, starts) = mark(change.mark);
        let outcome = change.finish.as_ref().and_then(outcome);
        let done = change.steps.first();
        let id = change.claim.job.uuid();
        if outcome.is_some() { &mut self.ending } else { &mut self.going_on }.push(id);
        self.ids.push(id);
        self.tokens.push(change.claim.token);
        self.begins.push(begins);
        self.starts.push(starts);
        self.outcomes.push(outcome);
        self.done.push(done.map(|step| step.name.as_ref()));
        self.outputs.push(done.and_then(|step| step.output.as_deref()));
        self.sealed.push(done.and_then(|step| step.sealed.as_deref()));
        self.done_starts.push(done.map_or(0, |step| step.starts));
        self.took.push(done.map_or(0.0, |step| step.took.as_secs_f64()));
        // The first attempt of a job finds no steps, and writes each once.
        self.fresh.push(!again && change.claim.token == 1);
    }
}

/// A mark as the two columns of the job's row.
pub(super) const fn mark(mark: Mark) -> (Option<&'static str>, i32) {
    match mark {
        Mark::Begin { step, starts } => (Some(step), starts),
        Mark::Keep | Mark::Clear => (None, 0),
    }
}

/// The outcome of a good end.
pub(super) const fn outcome(finish: &Finish) -> Option<&'static str> {
    match finish {
        Finish::Completed => Some("completed"),
        Finish::Degraded => Some("degraded"),
        Finish::Again { .. } | Finish::Released | Finish::Parked | Finish::Dead { .. } => None,
    }
}

/// Checkpoints of any kind, one row each.
#[derive(Default)]
pub(super) struct Steps<'c> {
    pub(super) jobs: Vec<Uuid>,
    pub(super) names: Vec<&'c str>,
    pub(super) states: Vec<&'static str>,
    pub(super) tokens: Vec<i64>,
    pub(super) starts: Vec<i32>,
    pub(super) outputs: Vec<Option<&'c str>>,
    pub(super) sealed: Vec<Option<&'c [u8]>>,
    pub(super) details: Vec<Option<&'c str>>,
    pub(super) events: Vec<Option<&'c str>>,
    pub(super) delays: Vec<Option<f64>>,
    pub(super) took: Vec<f64>,
    pub(super) outages: Vec<i32>,
    /// It stops waiting when that time is over.
    pub(super) ends: Vec<bool>,
}

impl<'c> Steps<'c> {
    /// The last word on a step counts: a statement must not touch one row twice.
    pub(super) fn of(changes: &[&'c Change]) -> Self {
        let mut columns = Self::default();
        for change in changes {
            for (index, step) in change.steps.iter().enumerate() {
                let repeated =
                    change.steps.iter().skip(index + 1).any(|later| later.name == step.name);
                if !repeated {
                    columns.push(change.claim, step);
                }
            }
        }
        columns
    }

    fn push(&mut self, claim: Claim, step: &'c StepWrite) {
        let (event, delay) = match &step.wake {
            Some(Wake::On { event, look_again: time } | Wake::Until { event, time }) => {
                (Some(event.as_str()), Some(time))
            }
            Some(Wake::In(delay)) => (None, Some(delay)),
            None => (None, None),
        };
        self.jobs.push(claim.job.uuid());
        self.names.push(step.name.as_ref());
        self.states.push(StepState::name(step.state));
        self.tokens.push(claim.token);
        self.starts.push(step.starts);
        self.outages.push(step.outages);
        self.outputs.push(step.output.as_deref());
        self.sealed.push(step.sealed.as_deref());
        self.details.push(step.detail.as_deref());
        self.events.push(event);
        self.delays.push(delay.map(std::time::Duration::as_secs_f64));
        self.took.push(step.took.as_secs_f64());
        self.ends.push(matches!(step.wake, Some(Wake::Until { .. })));
    }
}
