//! How a step answers from what earlier attempts left behind, in place of being done.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::checkpoint::{Checkpoint, programming_error};
use super::{Outcome, Promise, Run, Step, Weight};
use crate::committer::StepState;
use crate::failure::{Class, Effect, Failure, Result, Stop};

/// What is noted of a step whose end was not known, once a person has said that it took effect.
pub(crate) const TOLD: &str = "it took effect, as a person says";

impl<A> Run<'_, A> {
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

    /// What a person said that a step gave of which nobody knew how it ended: from here on it is done.
    pub(super) async fn told<T>(&mut self, step: &Step, promise: Promise) -> Result<Option<T>>
    where
        T: Serialize + DeserializeOwned,
    {
        let told = self.checkpoints.get(step.name).filter(|checkpoint| checkpoint.told);
        let Some(Checkpoint { output, .. }) = told else { return Ok(None) };
        let value: T = serde_json::from_str(output).map_err(|error| unfit(step.name, &error))?;
        self.begin(step.name, promise);
        let done = self.done(step, &value).await?;
        self.end(done);
        Ok(Some(value))
    }
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

pub(super) fn unknown(step: &str) -> Failure {
    Failure::new(
        Class::UnknownOutcome,
        "unknown_outcome",
        format!("step {step} began and its end is not known; it is declared at most once, so it is not repeated"),
    )
    .effect(Effect::Unknown)
    .action("look at the provider, then `autopilot runs resolve` with --done if it happened or --redo if not")
}

/// It took effect, so it is not done again; whoever said so says it once more.
fn unfit(step: &str, error: &serde_json::Error) -> Stop {
    let message = format!(
        "step {step} is said to have taken effect, but not to have given what it gives: {error}"
    );
    Stop::Failed(
        Failure::new(Class::UnknownOutcome, "told_output", message)
            .effect(Effect::Unknown)
            .action("`autopilot runs resolve` it again, with --done and JSON that fits"),
    )
}
