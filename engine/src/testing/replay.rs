//! Histories of real runs, replayed: does today's code still understand them?

use std::time::Instant;

use super::World;
use crate::attempt::{Claimed, CodeEnded, decode, guarded};
use crate::committer::Committer;
use crate::failure::{Class, Failure, Stop};
use crate::lease::{Claim, Lease};
use crate::loops::listen::Waker;
use crate::ops::RunHistory;
use crate::registry::Kind;
use crate::run::{self, Ending, Replay, Run, Stopped};
use crate::strain::Strains;

/// How far today's code came with what a run has stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// The stored steps that it asked for, in its order.
    pub asked: Vec<String>,
    /// The step before which it stopped, because no checkpoint answers it; none where it ended otherwise.
    pub next: Option<String>,
    /// The stored steps that it did not ask for: renamed, taken out, or behind where it stopped.
    pub unasked: Vec<String>,
    /// How it ended.
    pub end: ReplayEnd,
}

/// How a replay ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayEnd {
    /// The code came to its end, with every step answered.
    Completed,
    /// As well, with a step that was skipped or given up.
    Degraded,
    /// It would begin the step [`Replayed::next`].
    Begins,
    /// It waits as the run did, in [`Replayed::next`] or for what a step above waits for.
    Waits,
    /// It needs the output of this step, which is sealed and not part of the history.
    Sealed(String),
    /// What is stored of a step does not fit the type that today's code expects.
    Misfit {
        /// The step.
        step: String,
        /// What does not fit.
        error: String,
    },
    /// It fails, as the run would if it were taken up now.
    ///
    /// The payload does not fit, a step's name is not known any more, the code
    /// says so between its steps, or the run is being undone, and all of that is answered.
    Failed(Failure),
}

impl<A: Send + Sync + 'static> World<A> {
    /// Runs the code of today against the checkpoints of a stored run.
    ///
    /// No step is performed and nothing is written: a step that has ended in the history answers from it, and the replay stops before
    /// the first one that has not. Code between steps runs, as on every attempt.
    ///
    /// # Panics
    /// When no job of the history's kind is registered.
    pub async fn replay(&self, history: &RunHistory) -> Replayed {
        let kind = self.registry.get(&history.kind).unwrap_or_else(|| {
            panic!(
                "the history is of kind {:?}, which is not known here; known kinds: {}",
                history.kind,
                self.registry.known()
            )
        });
        let lease = Lease::new(self.config.lease, Instant::now(), Strains::default());
        let pool = self.pool().clone();
        // Nothing is ever handed to it.
        let committer =
            Committer::start(pool.clone(), Waker::start(pool.clone()), &lease, lease.ended.clone());
        let world = run::World {
            replay: Some(Replay::of(history)),
            ..run::World::new(pool, committer, lease, &self.config)
        };
        let end = end(self.app.as_ref(), &world, kind, history).await;
        world.lease.end();
        let heard = world.replay.as_ref().map(Replay::heard).unwrap_or_default();
        let unasked = history.steps.iter().map(|step| step.name.clone());
        let unasked = unasked.filter(|step| !heard.asked.contains(step)).collect();
        let (next, end) = match (heard.stopped, end) {
            // Taken up now it would fail before its code begins; how far that comes is good to know all the same.
            (Some(Stopped::Before(step)), Ended::Refused(failure)) => {
                (Some(step), ReplayEnd::Failed(failure))
            }
            (_, Ended::Refused(failure)) => (None, ReplayEnd::Failed(failure)),
            (Some(Stopped::Before(step)), Ended::Code(..)) => {
                let waited = |stored: &crate::ops::StoredStep| {
                    stored.name == step && stored.state == "waiting"
                };
                let waits = history.steps.iter().any(waited);
                (Some(step), if waits { ReplayEnd::Waits } else { ReplayEnd::Begins })
            }
            (Some(Stopped::Sealed(step)), Ended::Code(..)) => (None, ReplayEnd::Sealed(step)),
            (None, Ended::Code(ended, ending)) => (None, of(ended, &ending, heard.asked.last())),
        };
        Replayed { asked: heard.asked, next, unasked, end }
    }
}

/// How the code ended, or why it would not be run.
enum Ended {
    Refused(Failure),
    Code(CodeEnded, Ending),
}

/// An attempt without its writes.
async fn end<A: Send + Sync + 'static>(
    app: &A,
    world: &run::World,
    kind: &dyn Kind<A>,
    history: &RunHistory,
) -> Ended {
    let job = Claimed {
        claim: Claim { job: history.run, token: 2 },
        workspace: history.workspace,
        kind: history.kind.clone(),
        attempt: 1,
        crashes: 0,
        begun: None,
        foreseen: None,
        limited: false,
        family: None,
        payload: history.payload.to_string(),
    };
    let runnable = match decode(world, kind, &job).await {
        Ok(runnable) => runnable,
        Err(failure) => return Ended::Refused(failure),
    };
    let retry = world.retry_of(kind.retry());
    let mut run = Run::new(app, world, &job, retry, kind.plan());
    let taken_up = run.recall_from(history, kind.retired());
    let mut ended = guarded(runnable.as_ref(), &mut run).await;
    if let CodeEnded::Stopped(Err(Stop::Failed(failure))) = &ended
        && run.is_undoing()
    {
        ended = match Box::pin(run.undo(failure.clone())).await {
            Ok(failure) => CodeEnded::Undone(failure),
            Err(stop) => CodeEnded::Stopped(Err(stop)),
        };
    }
    match taken_up {
        Err(Stop::Failed(failure)) => Ended::Refused(failure),
        Ok(()) | Err(Stop::Lost | Stop::Parked | Stop::Waiting(_) | Stop::Skipped { .. }) => {
            let (_, ending, _) = run.into_last_change();
            Ended::Code(ended, ending)
        }
    }
}

/// The end of code that nothing has stopped.
fn of(ended: CodeEnded, ending: &Ending, last: Option<&String>) -> ReplayEnd {
    match ended {
        CodeEnded::Stopped(Ok(())) if ending.waiting => ReplayEnd::Waits,
        CodeEnded::Stopped(Ok(())) if ending.degraded => ReplayEnd::Degraded,
        CodeEnded::Stopped(Ok(())) => ReplayEnd::Completed,
        CodeEnded::Stopped(Err(Stop::Parked | Stop::Waiting(_))) => ReplayEnd::Waits,
        CodeEnded::Stopped(Err(Stop::Failed(failure)))
            if failure.code == "output_changed_shape" =>
        {
            ReplayEnd::Misfit { step: last.cloned().unwrap_or_default(), error: failure.message }
        }
        CodeEnded::Stopped(Err(Stop::Failed(failure))) | CodeEnded::Undone(failure) => {
            ReplayEnd::Failed(failure)
        }
        CodeEnded::Stopped(Err(Stop::Skipped { reason })) => {
            ReplayEnd::Failed(Failure::new(Class::ConfigurationError, "skipped", reason))
        }
        CodeEnded::Stopped(Err(Stop::Lost)) => ReplayEnd::Failed(Failure::new(
            Class::ConfigurationError,
            "lost",
            "the code says that it has lost its job, which nobody told it",
        )),
        CodeEnded::Panicked(text) => {
            ReplayEnd::Failed(Failure::new(Class::ProvisioningError, "panicked", text))
        }
    }
}
