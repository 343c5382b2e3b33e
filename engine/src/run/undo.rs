//! Compensation: a run that fails for good undoes what it has done, in reverse, durably.
//!
//! The code says after a step how it is undone. When the run fails and no retry is left, that is written down, and from then on
//! no step begins any more; what was said is done in reverse, each as a step of its own. After a crash the next attempt runs the
//! code up to where it failed, from its checkpoints, and goes on undoing.

use std::pin::Pin;

use super::answer::decode_output;
use super::perform::{Promise, Weight};
use super::{At, Run, Step};
use crate::committer::{StepState, StepWrite};
use crate::failure::{Class, Failure, Result, Stop};

/// The checkpoint which says that the run is being undone, and why.
pub(crate) const UNDOING: &str = "undo";

type Undoing<'a> = Pin<Box<dyn Future<Output = Result> + Send + 'a>>;

/// How a step is undone.
pub(super) struct Undo<'a, A> {
    name: &'static str,
    body: Box<dyn FnOnce(At<'a, A>) -> Undoing<'a> + Send + Sync + 'a>,
}

impl<'a, A: Send + Sync + 'static> Run<'a, A> {
    /// Says how what has just been done is undone, should the run fail for good: `name` is a step of its own, outside the plan,
    /// done at least once under its own key. Say it right after the step, on every attempt: it is code, and not stored. So a
    /// [`fork`](crate::ops::fork) that has taken the step over undoes it as well.
    pub fn compensate<F, U>(&mut self, name: &'static str, undo: F)
    where
        F: FnOnce(At<'a, A>) -> U + Send + Sync + 'a,
        U: Future<Output = Result> + Send + 'a,
    {
        self.undos.push(Undo { name, body: Box::new(move |at| Box::pin(undo(at))) });
    }

    /// Whether a failure of the code is to be followed by undoing.
    pub(crate) fn is_to_be_undone(&self, failure: &Failure) -> bool {
        if self.undos.is_empty() {
            return false;
        }
        self.undoing.is_some()
            || (failure.class != Class::UnknownOutcome && !self.is_retried(failure))
    }

    /// Undoes what was done, the last first. The failure that all of it is about, once all is undone.
    pub(crate) async fn undo(&mut self, failure: Failure) -> Result<Failure> {
        let failure = match &self.undoing {
            Some(failure) => failure.as_ref().clone(),
            None => {
                let mut begun = StepWrite::new(UNDOING, StepState::Done);
                begun.output = Some(serde_json::to_string(&failure).unwrap_or_default());
                self.note(begun);
                self.undoing = Some(Box::new(failure.clone()));
                self.write_pending().await?;
                failure
            }
        };
        while let Some(undo) = self.undos.pop() {
            self.undo_one(undo).await?;
        }
        Ok(failure)
    }

    /// Undoes one step. Its name is no step of the code: it neither counts as seen there nor stands in the plan.
    async fn undo_one(&mut self, undo: Undo<'a, A>) -> Result {
        let step = Step::named(undo.name);
        self.world.asks(step.name)?;
        if self.is_done(step.name) {
            return Ok(());
        }
        self.world.begins(step.name)?;
        let promise = Promise::AtLeastOnce;
        let at = self.start_step(&step, promise).await?;
        let result = tokio::time::timeout(self.limit(&step), (undo.body)(at)).await;
        self.end_step(step, promise, Weight::Required, result).await.map(drop)
    }
}

impl<A> Run<'_, A> {
    /// Learns from the checkpoints whether the run is being undone, and why.
    pub(super) fn recall_undoing(&mut self) -> Result {
        if let Some(step) = self.checkpoints.get(UNDOING) {
            self.world.asks(UNDOING)?;
            self.undoing = Some(Box::new(decode_output(UNDOING, &step.output)?));
        }
        Ok(())
    }

    /// A step that its checkpoint does not answer is about to begin. While a run is being undone, none of its code does.
    pub(super) fn begins(&self, step: &str) -> Result {
        match &self.undoing {
            Some(failure) => Err(Stop::Failed(failure.as_ref().clone())),
            None => self.world.begins(step),
        }
    }

    /// Whether steps that the run went on without stay so: behind them may be what is to be undone, or what is to be replayed.
    pub(super) fn keeps_ends(&self) -> bool {
        self.undoing.is_some() || self.world.replays()
    }
}
