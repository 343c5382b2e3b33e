//! The API that a workflow is written with: verbs that remember.
//!
//! Each verb names a step. A finished step answers from its checkpoint and its code never runs again; steps are known
//! by name, not by position, so a deploy may insert one. `&mut Run` makes the order of steps a matter of types.
//!
//! | verb | promise |
//! |---|---|
//! | [`Run::transact`] | effect and checkpoint commit together: exactly once, in our own database (P3) |
//! | [`Run::step`] | at least once, under a key that is the same on every attempt (P4) |
//! | [`Run::reconcile`] | as `step`, but asks what happened before it does it again |
//! | [`Run::step_once`] | at most once; an unknown outcome stops for review |
//! | [`Run::step_or_skip`] | as `step`; may be skipped or wait without ending the run, which is then degraded |
//! | [`Run::optional`] | as `step`; nothing that happens in it ends the run |
//! | [`Run::sleep`] | goes on after a time, at the cost of a row |
//! | [`Run::settle`] | goes on when no step above waits any more |

mod at;
pub(crate) mod boundary;
mod checkpoint;
mod spec;
mod transact;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::PgPool;

pub use at::{At, StepKey};
pub use spec::{Outcome, Step};

use crate::committer::{
    AttemptFailure, Change, CommitError, Committer, Ownership, StepState, StepWrite, Wake,
};
use crate::enqueue::NewJob;
use crate::failure::{Class, Effect, Failure, Result, Stop};
use crate::ids::{JobId, WorkspaceId};
use crate::job::Planned;
use crate::lease::{Claim, Lease};
use crate::retry::Retry;
use crate::secrets::Vault;
use boundary::Boundary;
pub(crate) use checkpoint::Attempt;
use checkpoint::Checkpoint;

/// One attempt of one run, as its code sees it.
pub struct Run<'a, A> {
    /// All that a step may touch.
    pub app: &'a A,
    pub(crate) world: &'a World,
    pub(crate) claim: Claim,
    pub(crate) workspace: WorkspaceId,
    pub(crate) attempt: i32,
    pub(crate) retry: Retry,
    pub(crate) plan: &'static [Planned],
    checkpoints: HashMap<String, Checkpoint>,
    seen: HashSet<&'static str>,
    /// Checkpoints that the next write carries along: nothing external happens before it commits.
    pending: Vec<StepWrite>,
    failures: Vec<AttemptFailure>,
    enqueue: Vec<NewJob>,
    current: Option<&'static str>,
    degraded: bool,
    waiting: bool,
}

/// What every attempt of a process shares.
pub(crate) struct World {
    pub(crate) pool: PgPool,
    pub(crate) committer: Committer,
    pub(crate) lease: std::sync::Arc<Lease>,
    pub(crate) vault: Option<Vault>,
    pub(crate) call_timeout: Duration,
    /// The policy of kinds that state none of their own.
    pub(crate) retry: Retry,
    #[cfg(any(test, feature = "testing"))]
    pub(crate) crash_points: Option<crate::testing::CrashPoints>,
}

/// How a step that was begun before and never finished is taken up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    AtLeastOnce,
    AtMostOnce,
}

/// How much of the run hangs on a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Required,
    Skippable,
    Optional,
}

impl<'a, A> Run<'a, A> {
    /// The job, and the run.
    #[must_use]
    pub const fn job(&self) -> JobId {
        self.claim.job
    }

    /// The tenant whose rows the run touches.
    #[must_use]
    pub const fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// Does it at least once, under a key that is the same on every attempt and after every crash.
    ///
    /// The closure may run again after a crash or a lost answer, so it must be idempotent under [`At::key`] or ask
    /// before it acts. No database connection is held while it runs.
    ///
    /// # Errors
    /// What the closure returns; the attempt ends there and the run's retry policy decides.
    pub async fn step<T, F>(&mut self, step: impl Into<Step>, body: F) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Send,
        F: AsyncFnOnce(At<'_, A>) -> Result<T> + Send,
    {
        let outcome =
            self.perform(step.into(), Promise::AtLeastOnce, Weight::Required, body).await?;
        outcome.done().ok_or(Stop::Parked)
    }

    /// Asks what happened before it does it again: `lookup` runs first whenever an earlier attempt began the step
    /// and did not finish it, and its answer counts as the step's.
    ///
    /// # Errors
    /// What either closure returns.
    pub async fn reconcile<T, L, F>(
        &mut self,
        step: impl Into<Step>,
        lookup: L,
        body: F,
    ) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Send,
        L: AsyncFnOnce(At<'_, A>) -> Result<Option<T>> + Send,
        F: AsyncFnOnce(At<'_, A>) -> Result<T> + Send,
    {
        let step = step.into();
        let begun = self.checkpoints.get(step.name).is_some_and(Checkpoint::begun);
        let both = async |at: At<'_, A>| {
            if begun && let Some(found) = lookup(at.again()).await? {
                return Ok(found);
            }
            at.before_call().await?;
            body(at).await
        };
        let outcome = self.perform(step, Promise::AtLeastOnce, Weight::Required, both).await?;
        outcome.done().ok_or(Stop::Parked)
    }

    /// Does it at most once. If an earlier attempt began it and its end is not known, the run stops for review
    /// with class `UNKNOWN_OUTCOME` instead of guessing.
    ///
    /// # Errors
    /// What the closure returns, or the unknown outcome.
    pub async fn step_once<T, F>(&mut self, step: impl Into<Step>, body: F) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Send,
        F: AsyncFnOnce(At<'_, A>) -> Result<T> + Send,
    {
        let outcome =
            self.perform(step.into(), Promise::AtMostOnce, Weight::Required, body).await?;
        self.write_pending().await?;
        outcome.done().ok_or(Stop::Parked)
    }

    /// As [`Run::step`], for what must be there in the end but does not hold up the rest: a skipped step leaves the
    /// run `degraded`, a waiting one lets it go on until [`Run::settle`] or its end, and a failure ends the attempt.
    ///
    /// # Errors
    /// What the closure returns, unless it skips or waits.
    pub async fn step_or_skip<T, F>(&mut self, step: impl Into<Step>, body: F) -> Result<Outcome<T>>
    where
        T: Serialize + DeserializeOwned + Send,
        F: AsyncFnOnce(At<'_, A>) -> Result<T> + Send,
    {
        self.perform(step.into(), Promise::AtLeastOnce, Weight::Skippable, body).await
    }

    /// As [`Run::step`], for what the run can do without: a skip is noted, a failure that no retry mends is noted
    /// and leaves the run `degraded`.
    ///
    /// # Errors
    /// Only a failure that is going to be retried, and a lost lease.
    pub async fn optional<T, F>(&mut self, step: impl Into<Step>, body: F) -> Result<Outcome<T>>
    where
        T: Serialize + DeserializeOwned + Send,
        F: AsyncFnOnce(At<'_, A>) -> Result<T> + Send,
    {
        self.perform(step.into(), Promise::AtLeastOnce, Weight::Optional, body).await
    }

    /// Goes on after `time`, by the database's clock. Costs a row, no attempt and no memory meanwhile.
    ///
    /// # Errors
    /// [`Stop::Parked`] until the time has passed: `?` ends the attempt.
    pub async fn sleep(&mut self, name: &'static str, time: Duration) -> Result {
        self.enter(name)?;
        match self.checkpoints.get(name) {
            Some(step) if step.state == StepState::Done => Ok(()),
            Some(step) if step.due => {
                self.note(StepWrite::new(name, StepState::Done));
                Ok(())
            }
            Some(_) => self.park(),
            None => {
                let mut asleep = StepWrite::new(name, StepState::Waiting).detail("sleeping");
                asleep.wake = Some(Wake::In(time));
                self.note(asleep);
                self.park()
            }
        }
    }

    /// Goes on only when no step above waits for somebody else; until then the run is parked.
    ///
    /// # Errors
    /// [`Stop::Parked`] while a step waits: `?` ends the attempt.
    pub fn settle(&mut self) -> Result {
        if self.waiting { self.park() } else { Ok(()) }
    }

    /// Enqueues a job when this run ends well: it commits together with the last checkpoint and the ack (L8).
    pub fn enqueue(&mut self, job: NewJob) {
        self.enqueue.push(job);
    }

    /// Says that the run did not reach all it should, without a step having failed.
    pub const fn degrade(&mut self) {
        self.degraded = true;
    }

    /// Whether the run, as far as it came, is to end `degraded`.
    #[must_use]
    pub const fn is_degraded(&self) -> bool {
        self.degraded
    }

    const fn park(&self) -> Result {
        Err(Stop::Parked)
    }

    /// The one path that every step with an external call takes.
    async fn perform<T, F>(
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
        self.note(StepWrite::new(step.name, StepState::Started));
        self.write_pending().await?;
        let at = At::new(self, step.name);
        if let Err(stop) = at.before_call().await {
            if promise == Promise::AtMostOnce {
                // Its end is known: it did not begin, so the next attempt may.
                let unbegun = "not begun: the lease was too short for the call";
                self.note(StepWrite::new(step.name, StepState::Failed).detail(unbegun));
            }
            return Err(stop);
        }
        self.world.reach(Boundary::AfterStarted, Some(step.name)).await;
        let limit = step.timeout.unwrap_or(self.world.call_timeout);
        self.current = Some(step.name);
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
                self.note(done);
                self.current = None;
                Ok(Outcome::Done(value))
            }
            Err(Stop::Skipped { reason }) if weight != Weight::Required => {
                self.degraded |= weight == Weight::Skippable;
                self.note(StepWrite::new(step.name, StepState::Skipped).detail(reason));
                self.current = None;
                Ok(Outcome::Skipped)
            }
            Err(Stop::Waiting(wait)) => {
                let mut waiting = StepWrite::new(step.name, StepState::Waiting).detail(wait.reason);
                waiting.wake = Some(Wake::On { event: wait.event, look_again: wait.look_again });
                self.note(waiting);
                self.current = None;
                self.waiting = true;
                if weight == Weight::Required { Err(Stop::Parked) } else { Ok(Outcome::Waiting) }
            }
            Err(Stop::Failed(failure)) if weight == Weight::Optional && !self.retries(&failure) => {
                self.degraded = true;
                self.note(StepWrite::new(step.name, StepState::Failed).detail(failure.to_string()));
                self.failures.push(AttemptFailure {
                    attempt: self.attempt,
                    step: Some(step.name),
                    failure,
                    retry_in: None,
                });
                self.current = None;
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

    /// Writes what waits and learns whether the attempt still owns its job.
    async fn write_pending(&mut self) -> Result {
        let mut change = Change::of(self.claim);
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

    fn note(&mut self, step: StepWrite) {
        self.pending.push(step);
    }

    /// What the attempt has not written yet, for its end.
    pub(crate) fn into_last_change(self) -> (Change, Ending) {
        let mut change = Change::of(self.claim);
        change.steps = self.pending;
        change.failures = self.failures;
        change.enqueue = self.enqueue;
        let ending = Ending { degraded: self.degraded, waiting: self.waiting, step: self.current };
        (change, ending)
    }
}

/// What an attempt's end needs to know of its steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) degraded: bool,
    pub(crate) waiting: bool,
    /// The step that was under way when the attempt stopped.
    pub(crate) step: Option<&'static str>,
}

/// A change that Postgres will never take, as a failure.
pub(crate) fn refused(error: &CommitError) -> Failure {
    Failure::new(Class::ProvisioningError, "checkpoint_refused", error.to_string())
        .action("change what the step returns (Postgres stores no NUL character in JSON), then retry the run")
}

fn timed_out(step: &str, limit: Duration, promise: Promise) -> Stop {
    let class = match promise {
        Promise::AtLeastOnce => Class::TransientNetwork,
        Promise::AtMostOnce => Class::UnknownOutcome,
    };
    let message = format!("step {step} did not end within {limit:?}");
    Stop::Failed(Failure::new(class, "step_timeout", message).effect(Effect::Unknown))
}
