//! What earlier attempts left behind, and what a step that begins or ends leaves.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Promise, Run, Step};
use crate::committer::{Mark, StepState, StepWrite};
use crate::failure::{Class, Effect, Failure, Result, Stop};
use crate::ids::{JobId, WorkspaceId};
use crate::secrets::{Place, no_keyring};

/// A step as an earlier attempt left it.
#[derive(Debug, Clone)]
pub(super) struct Checkpoint {
    pub(super) state: StepState,
    /// How often it was begun, without those times that ended in waiting.
    pub(super) starts: i32,
    /// How often it met an outage that cost nothing.
    pub(super) outages: i32,
    /// Its waking time has come.
    pub(super) due: bool,
    /// It has waited as long as it was to.
    pub(super) over: bool,
    /// JSON.
    pub(super) output: String,
    /// Its end was not known, and a person has said that it took effect and gave that output.
    pub(super) told: bool,
}

impl Checkpoint {
    /// Of a step that was begun and whose end is not known.
    fn begun(starts: i32, outages: i32) -> Self {
        Self {
            state: StepState::Started,
            starts,
            outages,
            due: false,
            over: false,
            output: "null".to_owned(),
            told: false,
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
    pub(super) outages: i32,
    pub(super) since: Instant,
    pub(super) promise: Promise,
    /// It was begun before, and its end is not known.
    pub(super) again: bool,
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
        let again = self.was_begun(step);
        let before = self.begun.take();
        let outages = self.outages(step);
        let mut starts = self.checkpoints.get(step).map_or(0, |checkpoint| checkpoint.starts);
        match before {
            Some(begun) if begun.step == step => starts = starts.max(begun.starts),
            Some(begun) if self.was_begun_there(&begun) => {
                let mut left = StepWrite::new(begun.step.clone(), StepState::Started);
                (left.starts, left.outages) = (begun.starts, self.outages(&begun.step));
                let checkpoint = Checkpoint::begun(left.starts, left.outages);
                self.pending.push(left);
                self.checkpoints.insert(begun.step.into_owned(), checkpoint);
            }
            Some(_) | None => {}
        }
        let starts = starts + 1;
        self.begun = Some(Begun { step: step.into(), starts });
        self.mark = if foreseen { Mark::Keep } else { Mark::Begin { step, starts } };
        let since = Instant::now();
        self.current = Some(Current { name: step, starts, outages, since, promise, again });
        self.calls.clear();
    }

    /// How often a step has met an outage that cost nothing.
    pub(super) fn outages(&self, step: &str) -> i32 {
        self.checkpoints.get(step).map_or(0, |checkpoint| checkpoint.outages)
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

    /// Notes that the step under way waits; the job's row goes on to say that it was begun, and how that ended is not known.
    pub(super) fn pause(&mut self, record: StepWrite) {
        if let (Some(begun), Some(current)) = (&mut self.begun, self.current)
            && begun.step == current.name
            && begun.starts > record.starts
        {
            begun.starts = record.starts;
            self.mark = Mark::Begin { step: current.name, starts: record.starts };
        }
        self.pending.push(record);
        self.current = None;
    }

    /// The failure of an attempt whose code is dropped where it stands: it took longer than its kind allows, or what runs it has
    /// lost patience.
    pub(crate) fn dropped(&self, timeout: Option<Duration>) -> Failure {
        let step = self.current.map_or_else(String::new, |step| format!(" in step {}", step.name));
        let class = match self.current.map(|step| step.promise) {
            Some(Promise::AtMostOnce) => Class::UnknownOutcome,
            Some(Promise::AtLeastOnce | Promise::Asked | Promise::AskedOnce) | None => {
                Class::TransientNetwork
            }
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
            (write.starts, write.outages) = (current.starts, current.outages);
            write.took = current.since.elapsed();
        }
        write
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

pub(super) fn programming_error(code: &'static str, message: String) -> Stop {
    Stop::Failed(Failure::new(Class::ConfigurationError, code, message))
}
