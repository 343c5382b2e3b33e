//! The one path that every step with an external call takes, from its name to its checkpoint.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::boundary::Boundary;
use super::{At, Outcome, Run, Step};
use crate::committer::{
    AttemptFailure, Change, CommitError, Mark, Ownership, StepState, StepWrite, Wake,
};
use crate::failure::{Class, Effect, Failure, Result, Stop};

/// How a step that was begun before and never finished is taken up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    AtLeastOnce,
    AtMostOnce,
}

/// How much of the run hangs on a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Required,
    Skippable,
    Optional,
}

impl<A> Run<'_, A> {
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
        F: AsyncFnOnce(At<'_, A>) -> Result<T> + Send,
    {
        self.enter(step.name)?;
        if let Some(known) = self.answer(&step, promise, weight)? {
            return Ok(known);
        }
        self.world.reach(Boundary::BeforeStarted, Some(step.name)).await;
        // L3: the started record commits under the token before the call, and the lease outlasts the call.
        self.begin(step.name);
        self.write_pending().await?;
        let at = At::new(self, step.name);
        if let Err(stop) = at.before_call().await {
            if promise == Promise::AtMostOnce {
                // Its end is known: it did not begin, so the next attempt may.
                let unbegun = "not begun: the lease was too short for the call";
                self.end(self.ended(StepState::Failed, step.name).detail(unbegun));
            }
            return Err(stop);
        }
        self.world.reach(Boundary::AfterStarted, Some(step.name)).await;
        let limit = step.timeout.unwrap_or(self.world.call_timeout);
        let result = match tokio::time::timeout(limit, body(at)).await {
            Ok(result) => result,
            Err(_elapsed) => Err(timed_out(step.name, limit, promise)),
        };
        self.world.reach(Boundary::AfterEffect, Some(step.name)).await;
        let outcome = self.conclude(step, weight, result).await;
        self.world.reach(Boundary::AfterCheckpoint, Some(step.name)).await;
        outcome
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
                let mut waiting = self.ended(StepState::Waiting, step.name).detail(wait.reason);
                waiting.wake = Some(Wake::On { event: wait.event, look_again: wait.look_again });
                self.end(waiting);
                self.waiting = true;
                if weight == Weight::Required { Err(Stop::Parked) } else { Ok(Outcome::Waiting) }
            }
            Err(Stop::Failed(failure)) if weight == Weight::Optional && !self.retries(&failure) => {
                self.degraded = true;
                self.end(self.ended(StepState::Failed, step.name).detail(failure.to_string()));
                self.failures.push(AttemptFailure {
                    attempt: self.attempt,
                    step: Some(step.name),
                    failure,
                    retry_in: None,
                });
                Ok(Outcome::Failed)
            }
            Err(Stop::Skipped { reason }) => Err(Stop::Failed(
                Failure::new(Class::ConfigurationError, "required_step_skipped", reason)
                    .action("supply what is missing, then retry the run"),
            )),
            Err(stop @ (Stop::Failed(_) | Stop::Parked | Stop::Lost)) => Err(stop),
        }
    }

    fn retries(&self, failure: &Failure) -> bool {
        self.retry.delay(failure.class, self.attempt.unsigned_abs(), 0.0).is_some()
    }

    /// Writes what waits, if anything does, and learns whether the attempt still owns its job.
    pub(super) async fn write_pending(&mut self) -> Result {
        if self.mark == Mark::Keep && self.pending.is_empty() && self.failures.is_empty() {
            return Ok(());
        }
        let mut change = Change::of(self.claim);
        change.mark = std::mem::replace(&mut self.mark, Mark::Keep);
        change.steps = std::mem::take(&mut self.pending);
        change.failures = std::mem::take(&mut self.failures);
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

fn timed_out(step: &str, limit: Duration, promise: Promise) -> Stop {
    let class = match promise {
        Promise::AtLeastOnce => Class::TransientNetwork,
        Promise::AtMostOnce => Class::UnknownOutcome,
    };
    let message = format!("step {step} did not end within {limit:?}");
    Stop::Failed(Failure::new(class, "step_timeout", message).effect(Effect::Unknown))
}
