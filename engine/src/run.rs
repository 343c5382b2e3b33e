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
//! | [`Run::wait_for`] | goes on when an event of a key comes, or has come, or after a time |
//! | [`Run::spawn`], [`Run::join`] | a child, once, and its output |
//! | [`Run::each`] | a child for each of a list, so many at a time, and their outputs |
//! | [`Run::compensate`] | says how a step is undone, should the run fail for good |
//! | [`Run::settle`] | goes on when no step above waits any more |

mod answer;
mod at;
pub(crate) mod boundary;
mod call_notes;
mod checkpoint;
mod children;
mod guard;
mod perform;
mod replay;
mod resume;
mod spec;
mod transact;
mod undo;
mod wait;
mod world;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use at::{At, StepKey};
pub use children::Child;
pub use spec::{Outcome, Step};

use crate::committer::{Change, Extras, Mark, StepWrite};
use crate::enqueue::NewJob;
use crate::failure::{Failure, Result, Stop};
use crate::ids::{JobId, WorkspaceId};
use crate::job::Planned;
use crate::lease::Claim;
use crate::retry::Retry;
pub(crate) use answer::TOLD;
use call_notes::CallNotes;
pub(crate) use checkpoint::place;
use checkpoint::{Begun, Checkpoint, Current, programming_error};
pub(crate) use perform::refused;
use perform::{Promise, Weight};
#[cfg(any(test, feature = "testing"))]
pub(crate) use replay::{Replay, Stopped};
pub(crate) use undo::UNDOING;
use undo::Undo;
pub use world::Ended;
pub(crate) use world::{Ending, WhenEnded, World};

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
    /// The step that was begun last and is not known to have ended, over all attempts.
    begun: Option<Begun>,
    /// The step whose beginning was written together with the job's own: if it is the first, it need not be written again.
    foreseen: Option<&'static str>,
    mark: Mark,
    seen: HashSet<&'static str>,
    /// Checkpoints that the next write carries along: nothing external happens before it commits.
    pending: Vec<StepWrite>,
    /// What few attempts write beside. Failures and children go out with the next write, the rest with the end.
    extras: Option<Box<Extras>>,
    current: Option<Current>,
    /// What its code learns of whom it calls.
    calls: Arc<CallNotes>,
    degraded: bool,
    waiting: bool,
    when_ended: Option<WhenEnded<A>>,
    /// How what was done is undone, in the order in which it was done.
    undos: Vec<Undo<'a, A>>,
    /// Why the run is being undone, if it is.
    undoing: Option<Box<Failure>>,
    /// The own policy of the step that failed, and how often that was begun.
    step_retry: Option<Box<(Retry, u32)>>,
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
        let begun = self.was_begun(step.name);
        let both = async |at: At<'_, A>| {
            if begun && let Some(found) = lookup(at.again()).await? {
                return Ok(found);
            }
            at.before_call().await?;
            body(at).await
        };
        let outcome = self.perform(step, Promise::Asked, Weight::Required, both).await?;
        outcome.done().ok_or(Stop::Parked)
    }

    /// Does it at most once, and asks before anybody has to: if an earlier attempt began it and its end is not known, `lookup` says how
    /// it ended, or waits until somebody tells. What `lookup` does not know either stops for review with class `UNKNOWN_OUTCOME`.
    ///
    /// A failure with [`Effect::None`] is a known end, after which the next attempt begins it anew: so make the call the last thing that
    /// the closure does.
    ///
    /// # Errors
    /// What either closure returns, or the unknown outcome.
    pub async fn reconcile_once<T, L, F>(
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
        let begun = self.was_begun(step.name);
        let both = async |at: At<'_, A>| {
            if begun {
                let found = lookup(at).await?;
                return found.ok_or_else(|| Stop::Failed(answer::unknown(step.name)));
            }
            body(at).await
        };
        let outcome = self.perform(step, Promise::AskedOnce, Weight::Required, both).await?;
        self.write_pending().await?;
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

    /// Enqueues a job when this run ends well: it commits together with the last checkpoint and the ack (L8).
    pub fn enqueue(&mut self, job: NewJob) {
        self.extras().enqueue.push(job);
    }

    /// Gives the job an output: kept when it ends well, in the same commit, and found by [`ops::search`](crate::ops::search).
    /// The last one counts.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn output<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        let json = serde_json::to_string(value).map_err(|error| {
            programming_error("output_not_json", format!("the job's output is no JSON: {error}"))
        })?;
        self.extras().output = Some(json);
        Ok(())
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

    /// Calls `then` in this process once the end of this attempt is committed, for whoever waits for it here. The last
    /// one counts. Like every hint it may never come: a crash in between, or an attempt elsewhere, calls nobody.
    pub fn when_ended(&mut self, then: impl FnOnce(&A, Ended) + Send + Sync + 'static) {
        self.when_ended = Some(Box::new(then));
    }

    fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// What the attempt has not written yet, for its end.
    pub(crate) fn into_last_change(self) -> (Change, Ending, Option<WhenEnded<A>>) {
        let mut change = Change::of(self.claim);
        change.mark = self.mark;
        change.steps = self.pending;
        change.extras = self.extras;
        let ending = Ending {
            degraded: self.degraded,
            waiting: self.waiting,
            step: self.current.map(|step| step.name),
            step_retry: self.step_retry,
            undoing: self.undoing.is_some(),
        };
        (change, ending, self.when_ended)
    }
}
