//! The one path that every step with an external call takes, from its name to its checkpoint.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::error::Elapsed;

use super::boundary::Boundary;
use super::checkpoint::programming_error;
use super::{At, Outcome, Run, Step};
use crate::committer::{
    AttemptFailure, Change, CommitError, Extras, Mark, Ownership, StepState, StepWrite, Wake,
};
use crate::failure::{Class, Effect, Failure, Result, Stop};
use crate::ops::events::check_key;
use crate::ops::signal_name;
use crate::retry::Retry;

/// How a step that was begun before and never finished is taken up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    AtLeastOnce,
    AtMostOnce,
    /// As `AtLeastOnce`, but whoever knows is asked first.
    Asked,
    /// As `AtMostOnce`, but whoever knows is asked first.
    AskedOnce,
}

impl Promise {
    /// Whether whoever knows is asked about a step that was begun and whose end is not known.
    const fn asks(self) -> bool {
        match self {
            Self::Asked | Self::AskedOnce => true,
            Self::AtLeastOnce | Self::AtMostOnce => false,
        }
    }
}

/// How much of the run hangs on a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Required,
    Skippable,
    Optional,
}

impl<'a, A> Run<'a, A> {
    /// The one path that every step with an external call takes.
    pub(super) async fn perform<T, F>(
        &mut self,
        step: Step,
        promise: Promise,
        weight: Weight,
        body: F,
    ) -> Result<Outcome<T>>
    where
        T: Serialize + DeserializeOwned + Send,
        F: AsyncFnOnce(At<'a, A>) -> Result<T> + Send,
    {
        self.enter(step.name)?;
        if let Some(told) = self.told(&step, promise).await? {
            return Ok(Outcome::Done(told));
        }
        if let Some(known) = self.answer(&step, promise, weight)? {
            return Ok(known);
        }
        self.begins(step.name)?;
        self.perform_entered(step, promise, weight, body).await
    }

    /// The rest of it, for a step that is to be done.
    async fn perform_entered<T, F>(
        &mut self,
        step: Step,
        promise: Promise,
        weight: Weight,
        body: F,
    ) -> Result<Outcome<T>>
    where
        T: Serialize + DeserializeOwned + Send,
        F: AsyncFnOnce(At<'a, A>) -> Result<T> + Send,
    {
        let pass = match self.admit(&step).await {
            Ok(pass) => pass,
            Err(closed) => return self.hold_back(&step, promise, weight, closed),
        };
        let at = match self.start_step(&step, promise).await {
            Ok(at) => at,
            Err(stop) => {
                self.not_called(pass).await;
                return Err(stop);
            }
        };
        let result = tokio::time::timeout(self.limit(&step), body(at)).await;
        let result = self.judge(pass, &step, promise, weight, result).await;
        self.end_step(step, promise, weight, result).await
    }

    /// Up to the call: the started record is committed, and the lease outlasts the call (L3).
    pub(super) async fn start_step(&mut self, step: &Step, promise: Promise) -> Result<At<'a, A>> {
        self.world.reach(Boundary::BeforeStarted, Some(step.name)).await;
        self.begin(step.name, promise);
        self.write_pending().await?;
        let at = At::new(self, step.name);
        if let Err(stop) = at.before_call().await {
            let is_once = matches!(promise, Promise::AtMostOnce | Promise::AskedOnce);
            if is_once && !self.is_open() {
                // Its end is known: it did not begin, so the next attempt may.
                let unbegun = "not begun: the lease was too short for the call";
                self.end(self.ended(StepState::Failed, step.name).detail(unbegun));
            }
            return Err(stop);
        }
        self.world.reach(Boundary::AfterStarted, Some(step.name)).await;
        Ok(at)
    }

    /// From the call on: how it ended, or that it did not in time.
    pub(super) async fn end_step<T: Serialize + DeserializeOwned>(
        &mut self,
        step: Step,
        promise: Promise,
        weight: Weight,
        result: std::result::Result<Result<T>, Elapsed>,
    ) -> Result<Outcome<T>> {
        let result =
            result.unwrap_or_else(|_elapsed| Err(timed_out(step.name, self.limit(&step), promise)));
        self.world.reach(Boundary::AfterEffect, Some(step.name)).await;
        let outcome = self.conclude(step, weight, result).await;
        self.world.reach(Boundary::AfterCheckpoint, Some(step.name)).await;
        outcome
    }

    /// How long a step may take.
    pub(super) fn limit(&self, step: &Step) -> Duration {
        step.timeout.unwrap_or(self.world.call_timeout)
    }

    /// Records how a step ended.
    async fn conclude<T: Serialize + DeserializeOwned>(
        &mut self,
        step: Step,
        weight: Weight,
        result: Result<T>,
    ) -> Result<Outcome<T>> {
        match result {
            Ok(value) => {
                let done = self.done(&step, &value).await?;
                self.end(done);
                Ok(Outcome::Done(value))
            }
            Err(Stop::Skipped { reason }) if weight != Weight::Required => {
                self.degraded |= weight == Weight::Skippable;
                self.end(self.ended(StepState::Skipped, step.name).detail(reason));
                Ok(Outcome::Skipped)
            }
            Err(Stop::Waiting(wait)) => {
                check_key(&wait.event)
                    .map_err(|problem| programming_error("event_key", problem))?;
                let mut waiting = self.ended(StepState::Waiting, step.name).detail(wait.reason);
                // What waits was not begun in vain, and an outage is counted by itself.
                waiting.starts = (waiting.starts - 1).max(0);
                waiting.outages += i32::from(self.calls.met_outage());
                let event = signal_name(&wait.event);
                waiting.wake = Some(Wake::On { event, look_again: wait.look_again });
                if self.is_open() {
                    // Whoever was asked will know later: how the step ended before is as open as it was.
                    self.pause(waiting);
                } else {
                    self.end(waiting);
                }
                self.waiting = true;
                if weight == Weight::Required { Err(Stop::Parked) } else { Ok(Outcome::Waiting) }
            }
            Err(Stop::Failed(failure))
                if weight == Weight::Optional && !self.is_retried_in(&step, &failure) =>
            {
                self.degraded = true;
                self.end(self.ended(StepState::Failed, step.name).detail(failure.to_string()));
                let attempt = self.attempt;
                let step = Some(step.name);
                let noted = AttemptFailure { attempt, step, failure, retry_in: None };
                self.extras().failures.push(noted);
                Ok(Outcome::Failed)
            }
            Err(Stop::Skipped { reason }) => Err(Stop::Failed(
                Failure::new(Class::ConfigurationError, "required_step_skipped", reason)
                    .action("supply what is missing, then retry the run"),
            )),
            Err(Stop::Failed(failure))
                if self.is_asked_once() && !self.is_open() && failure.effect == Effect::None =>
            {
                // Its end is known: nothing happened, so the next attempt may begin it.
                self.step_retry = self.own_retry(&step).map(Box::new);
                self.end(self.ended(StepState::Failed, step.name).detail(failure.to_string()));
                Err(Stop::Failed(failure))
            }
            Err(stop @ (Stop::Failed(_) | Stop::Parked | Stop::Lost)) => {
                self.step_retry = self.own_retry(&step).map(Box::new);
                Err(stop)
            }
        }
    }

    /// Whether the step under way was begun before and whoever knows how that ended is asked.
    fn is_open(&self) -> bool {
        self.current.is_some_and(|current| current.again && current.promise.asks())
    }

    fn is_asked_once(&self) -> bool {
        self.current.is_some_and(|current| current.promise == Promise::AskedOnce)
    }

    /// Whether a failure that the code ended with is going to be retried.
    pub(super) fn is_retried(&self, failure: &Failure) -> bool {
        let own = self.step_retry.as_deref().copied();
        let (retry, attempt) = own.unwrap_or((self.retry, self.attempt.unsigned_abs()));
        retry.delay(failure.class, attempt, 0.0).is_some()
    }

    fn is_retried_in(&self, step: &Step, failure: &Failure) -> bool {
        let (retry, attempt) =
            self.own_retry(step).unwrap_or((self.retry, self.attempt.unsigned_abs()));
        retry.delay(failure.class, attempt, 0.0).is_some()
    }

    /// The step's own policy, and how often it was begun, without those times that ended in waiting.
    fn own_retry(&self, step: &Step) -> Option<(Retry, u32)> {
        let undoes = self.undoing.is_some().then_some(self.retry);
        let starts = self.current.map_or(1, |current| current.starts.unsigned_abs());
        step.retry.or(undoes).map(|retry| (retry, starts))
    }

    /// Writes what waits, if anything does, and learns whether the attempt still owns its job.
    pub(super) async fn write_pending(&mut self) -> Result {
        let extras = self.extras.as_mut().map(|extras| Extras {
            failures: std::mem::take(&mut extras.failures),
            spawn: std::mem::take(&mut extras.spawn),
            ..Extras::default()
        });
        let extras =
            extras.filter(|extras| !extras.failures.is_empty() || !extras.spawn.is_empty());
        if self.mark == Mark::Keep && self.pending.is_empty() && extras.is_none() {
            return Ok(());
        }
        let mut change = Change::of(self.claim);
        change.mark = std::mem::replace(&mut self.mark, Mark::Keep);
        change.steps = std::mem::take(&mut self.pending);
        change.extras = extras.map(Box::new);
        match self.world.committer.commit(change).await {
            Ok(Ownership::Owned) => Ok(()),
            Ok(Ownership::Lost) | Err(CommitError::Stopped) => Err(Stop::Lost),
            Err(error @ (CommitError::Refused(_) | CommitError::Enqueue(_))) => {
                Err(Stop::Failed(refused(&error)))
            }
        }
    }

    pub(super) fn note(&mut self, step: StepWrite) {
        self.pending.push(step);
    }
}

/// A change that Postgres will never take, as a failure.
pub(crate) fn refused(error: &CommitError) -> Failure {
    Failure::new(Class::ProvisioningError, "checkpoint_refused", error.to_string())
        .action("change what the step returns (Postgres stores no NUL character in text), then retry the run")
}

pub(super) fn timed_out(step: &str, limit: Duration, promise: Promise) -> Stop {
    let class = match promise {
        Promise::AtLeastOnce | Promise::Asked | Promise::AskedOnce => Class::TransientNetwork,
        Promise::AtMostOnce => Class::UnknownOutcome,
    };
    let message = format!("step {step} did not end within {limit:?}");
    Stop::Failed(Failure::new(class, "step_timeout", message).effect(Effect::Unknown))
}
