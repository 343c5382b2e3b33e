//! What earlier attempts left behind, and how a step answers from it.

use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::PgPool;

use super::{Outcome, Promise, Run, Step, Weight, World};
use crate::committer::{StepState, StepWrite};
use crate::failure::{Class, Effect, Failure, Result, Stop};
use crate::ids::{JobId, WorkspaceId};
use crate::job::Planned;
use crate::lease::Claim;
use crate::retry::Retry;
use crate::secrets::{Place, Vault};

/// A step as an earlier attempt left it.
#[derive(Debug, Clone)]
pub(super) struct Checkpoint {
    pub(super) state: StepState,
    /// Its waking time has come.
    pub(super) due: bool,
    output: Value,
}

impl Checkpoint {
    /// Begun before, and nobody knows how far it came.
    pub(super) fn begun(&self) -> bool {
        self.state == StepState::Started
    }
}

/// What a claim says about an attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) claim: Claim,
    pub(crate) workspace: WorkspaceId,
    pub(crate) number: i32,
    pub(crate) retry: Retry,
    pub(crate) plan: &'static [Planned],
}

impl<'a, A> Run<'a, A> {
    /// Takes a run up where its checkpoints say.
    pub(crate) async fn resume(app: &'a A, world: &'a World, attempt: Attempt) -> Result<Self> {
        // The first claim of a job finds no checkpoints, so it does not ask for any.
        let checkpoints = if attempt.claim.token > 1 {
            load(&world.pool, world.vault.as_ref(), attempt.workspace, attempt.claim.job).await?
        } else {
            HashMap::new()
        };
        Ok(Self {
            app,
            world,
            claim: attempt.claim,
            workspace: attempt.workspace,
            attempt: attempt.number,
            retry: attempt.retry,
            plan: attempt.plan,
            checkpoints,
            seen: std::collections::HashSet::new(),
            pending: Vec::new(),
            failures: Vec::new(),
            enqueue: Vec::new(),
            current: None,
            degraded: false,
            waiting: false,
        })
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
        Ok(())
    }

    /// What the checkpoint answers, if the step need not run.
    pub(super) fn answer<T: DeserializeOwned>(
        &mut self,
        step: &Step,
        promise: Promise,
        weight: Weight,
    ) -> Result<Option<Outcome<T>>> {
        let Some(checkpoint) = self.checkpoints.get(step.name) else { return Ok(None) };
        match checkpoint.state {
            StepState::Done => decode(step.name, checkpoint.output.clone()).map(Some),
            StepState::Started if promise == Promise::AtMostOnce => {
                Err(Stop::Failed(unknown(step.name)))
            }
            // Skipped, failed and waiting are no ends: what was missing may be there now.
            StepState::Started | StepState::Skipped | StepState::Failed => Ok(None),
            StepState::Waiting if checkpoint.due || weight == Weight::Required => Ok(None),
            StepState::Waiting => {
                self.waiting = true;
                Ok(Some(Outcome::Waiting))
            }
        }
    }

    /// The checkpoint of a step that is done.
    pub(super) async fn done<T: Serialize>(&self, step: &Step, value: &T) -> Result<StepWrite> {
        let output = serde_json::to_value(value).map_err(|error| {
            programming_error(
                "output_not_json",
                format!("the output of step {} is no JSON: {error}", step.name),
            )
        })?;
        let mut done = StepWrite::new(step.name, StepState::Done);
        if step.sealed {
            let vault = self.world.vault.as_ref().ok_or_else(|| Stop::Failed(no_keyring()))?;
            let plain = output.to_string();
            let place = place(self.workspace, self.claim.job, step.name);
            done.sealed = Some(vault.seal(&place, plain.as_bytes()).await.map_err(sealing)?);
        } else {
            done.output = Some(output);
        }
        Ok(done)
    }
}

async fn load(
    pool: &PgPool,
    vault: Option<&Vault>,
    workspace: WorkspaceId,
    job: JobId,
) -> Result<HashMap<String, Checkpoint>> {
    let rows = sqlx::query_file!("sql/load_steps.sql", job.uuid()).fetch_all(pool).await?;
    let mut checkpoints = HashMap::with_capacity(rows.len());
    for row in rows {
        let Some(state) = StepState::parse(&row.state) else {
            return Err(programming_error(
                "unknown_step_state",
                format!(
                    "step {} is in state {}, which this version does not know",
                    row.name, row.state
                ),
            ));
        };
        let output = match row.sealed {
            None => row.output.unwrap_or_default(),
            Some(sealed) => {
                let vault = vault.ok_or_else(|| Stop::Failed(no_keyring()))?;
                let place = place(workspace, job, &row.name);
                let plain = vault.unseal(&place, &sealed).await.map_err(sealing)?;
                serde_json::from_slice(&plain).unwrap_or_default()
            }
        };
        checkpoints.insert(row.name, Checkpoint { state, due: row.due, output });
    }
    Ok(checkpoints)
}

fn place(workspace: WorkspaceId, job: JobId, step: &str) -> Place<'static> {
    Place { workspace, table: "engine.step", column: "sealed", row: format!("{job}/{step}").into() }
}

fn decode<T: DeserializeOwned>(step: &str, output: Value) -> Result<Outcome<T>> {
    serde_json::from_value(output).map(Outcome::Done).map_err(|error| {
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

fn no_keyring() -> Failure {
    Failure::new(Class::ConfigurationError, "no_keyring", "a sealed step output needs a keyring")
        .action("set ENCRYPTION_KEY to id:key, the key from `openssl rand -base64 32`")
}

fn sealing(error: impl std::error::Error) -> Stop {
    Stop::Failed(Failure::new(Class::ConfigurationError, "sealing", error.to_string()))
}

fn programming_error(code: &'static str, message: String) -> Stop {
    Stop::Failed(Failure::new(Class::ConfigurationError, code, message))
}
