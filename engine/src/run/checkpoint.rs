//! What earlier attempts left behind, and how a step answers from it.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Outcome, Promise, Run, Step, Weight};
use crate::committer::{Mark, StepState, StepWrite};
use crate::failure::{Class, Effect, Failure, Result, Stop};
use crate::ids::{JobId, WorkspaceId};
use crate::secrets::{Place, no_keyring};

/// A step as an earlier attempt left it.
#[derive(Debug, Clone)]
pub(super) struct Checkpoint {
    pub(super) state: StepState,
    /// How often it was begun.
    pub(super) starts: i32,
    /// Its waking time has come.
    pub(super) due: bool,
    /// It has waited as long as it was to.
    pub(super) over: bool,
    /// JSON.
    pub(super) output: String,
}

impl Checkpoint {
    /// Of a step that was begun and whose end is not known.
    fn begun(starts: i32) -> Self {
        Self {
            state: StepState::Started,
            starts,
            due: false,
            over: false,
            output: "null".to_owned(),
        }
    }
}

/// A step that was begun and whose end is not known, as it stands in the job's row.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    pub(super) step: Cow<'static, str>,
    pub(super) starts: i32,
}

/// The step under way in this attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Current {
    pub(super) name: &'static str,
    pub(super) starts: i32,
    pub(super) since: Instant,
    pub(super) promise: Promise,
}

impl<A> Run<'_, A> {
    /// Begun before and not known to have ended: nobody knows how far it came.
    pub(super) fn was_begun(&self, step: &str) -> bool {
        let state = self.checkpoints.get(step).map(|checkpoint| checkpoint.state);
        match state {
            Some(StepState::Done) => false,
            Some(StepState::Started) => true,
            Some(StepState::Skipped | StepState::Waiting | StepState::Failed) | None => {
                self.begun.as_ref().is_some_and(|begun| begun.step == step)
            }
        }
    }

    /// Notes that a step begins. The job's row has room for one: where another begun step stands there, that one's
    /// record moves to a row of its own.
    pub(super) fn begin(&mut self, step: &'static str, promise: Promise) {
        let foreseen = self.foreseen.take() == Some(step);
        let before = self.begun.take();
        let mut starts = self.checkpoints.get(step).map_or(0, |checkpoint| checkpoint.starts);
        match before {
            Some(begun) if begun.step == step => starts = starts.max(begun.starts),
            Some(begun) if self.was_begun_there(&begun) => {
                let mut left = StepWrite::new(begun.step.clone(), StepState::Started);
                left.starts = begun.starts;
                self.pending.push(left);
                let checkpoint = Checkpoint::begun(begun.starts);
                self.checkpoints.insert(begun.step.into_owned(), checkpoint);
            }
            Some(_) | None => {}
        }
        let starts = starts + 1;
        self.begun = Some(Begun { step: step.into(), starts });
        self.mark = if foreseen { Mark::Keep } else { Mark::Begin { step, starts } };
        self.current = Some(Current { name: step, starts, since: Instant::now(), promise });
    }

    /// Whether what the job's row tells of a begun step is news: no checkpoint says that it is done.
    fn was_begun_there(&self, begun: &Begun) -> bool {
        let checkpoint = self.checkpoints.get(begun.step.as_ref());
        checkpoint.is_none_or(|checkpoint| checkpoint.state != StepState::Done)
    }

    /// Notes how the step under way ended; the attempt's next write carries it along, and with it that nothing is under
    /// way any more.
    pub(super) fn end(&mut self, record: StepWrite) {
        self.pending.push(record);
        self.begun = None;
        self.current = None;
        self.mark = Mark::Clear;
    }

    /// The failure of an attempt whose code is dropped where it stands: it took longer than its kind allows, or what runs it has
    /// lost patience.
    pub(crate) fn dropped(&self, timeout: Option<Duration>) -> Failure {
        let step = self.current.map_or_else(String::new, |step| format!(" in step {}", step.name));
        let class = match self.current.map(|step| step.promise) {
            Some(Promise::AtMostOnce) => Class::UnknownOutcome,
            Some(Promise::AtLeastOnce) | None => Class::TransientNetwork,
        };
        let (code, message) = match timeout {
            Some(limit) => (
                "attempt_timeout",
                format!(
                    "the attempt did not end within {limit:?}, which is the most of its kind; it was dropped{step}"
                ),
            ),
            None => (
                "dropped",
                format!(
                    "the attempt was dropped{step} before it ended, by what runs it: a timeout, for example"
                ),
            ),
        };
        Failure::new(class, code, message).effect(Effect::Unknown)
    }

    /// The record of how the step under way ended.
    pub(super) fn ended(&self, state: StepState, step: &'static str) -> StepWrite {
        let mut write = StepWrite::new(step, state);
        if let Some(current) = self.current.filter(|current| current.name == step) {
            write.starts = current.starts;
            write.took = current.since.elapsed();
        }
        write
    }

    /// Each name once in a run, and only names of the plan, where there is one.
    pub(super) fn enter(&mut self, name: &'static str) -> Result {
        if !self.seen.insert(name) {
            return Err(programming_error(
                "duplicate_step",
                format!("step {name} stands twice in one run; give each step a name of its own"),
            ));
        }
        if !self.plan.is_empty() && !self.plan.iter().any(|planned| planned.name == name) {
            return Err(programming_error(
                "unplanned_step",
                format!("step {name} is not in the plan of its kind; add it to STEPS"),
            ));
        }
        self.world.asks(name)
    }

    /// Whether its checkpoint says that it need not run any more.
    pub(super) fn is_done(&self, step: &str) -> bool {
        self.checkpoints.get(step).is_some_and(|checkpoint| checkpoint.state == StepState::Done)
    }

    /// What the checkpoint answers, if the step need not run.
    pub(super) fn answer<T: DeserializeOwned>(
        &mut self,
        step: &Step,
        promise: Promise,
        weight: Weight,
    ) -> Result<Option<Outcome<T>>> {
        if promise == Promise::AtMostOnce && self.was_begun(step.name) {
            return Err(Stop::Failed(unknown(step.name)));
        }
        let Some(checkpoint) = self.checkpoints.get(step.name) else { return Ok(None) };
        match checkpoint.state {
            StepState::Done => decode(step.name, &checkpoint.output).map(Some),
            StepState::Skipped if self.keeps_ends() && weight != Weight::Required => {
                self.degraded |= weight == Weight::Skippable;
                Ok(Some(Outcome::Skipped))
            }
            StepState::Failed if self.keeps_ends() && weight == Weight::Optional => {
                self.degraded = true;
                Ok(Some(Outcome::Failed))
            }
            // Skipped, failed and waiting are no ends: what was missing may be there now.
            StepState::Started | StepState::Skipped | StepState::Failed => Ok(None),
            StepState::Waiting
                if weight == Weight::Required || (checkpoint.due && !self.keeps_ends()) =>
            {
                Ok(None)
            }
            StepState::Waiting => {
                self.waiting = true;
                Ok(Some(Outcome::Waiting))
            }
        }
    }

    /// The checkpoint of a step that is done.
    pub(super) async fn done<T: Serialize>(&self, step: &Step, value: &T) -> Result<StepWrite> {
        let output = serde_json::to_string(value).map_err(|error| {
            programming_error(
                "output_not_json",
                format!("the output of step {} is no JSON: {error}", step.name),
            )
        })?;
        let mut done = self.ended(StepState::Done, step.name);
        if step.sealed {
            let vault = self.world.vault.as_ref().ok_or_else(no_keyring)?;
            let place = place(self.workspace, self.claim.job, step.name);
            done.sealed = Some(Box::pin(vault.seal(&place, output.as_bytes())).await?);
        } else {
            done.output = Some(output);
        }
        Ok(done)
    }
}

pub(crate) fn place(workspace: WorkspaceId, job: JobId, step: &str) -> Place<'static> {
    Place { workspace, table: "engine.step", column: "sealed", row: format!("{job}/{step}").into() }
}

fn decode<T: DeserializeOwned>(step: &str, output: &str) -> Result<Outcome<T>> {
    decode_output(step, output).map(Outcome::Done)
}

/// What a checkpoint says that a step gave.
pub(super) fn decode_output<T: DeserializeOwned>(step: &str, output: &str) -> Result<T> {
    serde_json::from_str(output).map_err(|error| {
        programming_error(
            "output_changed_shape",
            format!("the checkpoint of step {step} was written by another version and does not fit this one: {error}"),
        )
    })
}

fn unknown(step: &str) -> Failure {
    Failure::new(
        Class::UnknownOutcome,
        "unknown_outcome",
        format!("step {step} began and its end is not known; it is declared at most once, so it is not repeated"),
    )
    .effect(Effect::Unknown)
    .action("look at the provider, then retry the run if nothing happened, or cancel it")
}

pub(super) fn programming_error(code: &'static str, message: String) -> Stop {
    Stop::Failed(Failure::new(Class::ConfigurationError, code, message))
}
