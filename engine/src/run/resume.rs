//! Taking a run up: what the claim tells, and what earlier attempts left behind.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sqlx::PgPool;

use super::answer::TOLD;
use super::checkpoint::{Begun, Checkpoint, place, programming_error};
use super::{Run, World};
use crate::attempt::Claimed;
use crate::committer::{Mark, StepState};
use crate::failure::{Class, Failure, Result, Stop};
use crate::ids::{JobId, WorkspaceId};
use crate::job::Planned;
use crate::retry::Retry;
use crate::secrets::{Vault, no_keyring};

impl<'a, A> Run<'a, A> {
    /// An attempt, as far as its claim tells.
    pub(crate) fn new(
        app: &'a A,
        world: &'a World,
        job: &Claimed,
        retry: Retry,
        plan: &'static [Planned],
    ) -> Self {
        let begun = job.begun.as_ref();
        Self {
            app,
            world,
            claim: job.claim,
            workspace: job.workspace,
            attempt: job.attempt,
            retry,
            plan,
            checkpoints: HashMap::new(),
            begun: begun.map(|(step, starts)| Begun { step: step.clone().into(), starts: *starts }),
            foreseen: job.foreseen,
            // Until that step begins, the row says too much.
            mark: job.foreseen.map_or(Mark::Keep, |_| Mark::Clear),
            seen: HashSet::new(),
            pending: Vec::new(),
            extras: None,
            current: None,
            calls: Arc::default(),
            degraded: false,
            waiting: false,
            when_ended: None,
            undos: Vec::new(),
            undoing: None,
            step_retry: None,
        }
    }

    /// Takes the run up where the checkpoints of earlier attempts say. Steps that the plan does not name must be among those
    /// that it named once.
    pub(crate) async fn recall(&mut self, retired: &[&str]) -> Result {
        // The first claim of a job finds no checkpoints, so it does not ask for any.
        if self.claim.token > 1 {
            let (pool, vault) = (&self.world.pool, self.world.vault.as_ref());
            // Boxed, for most attempts do without it.
            let checkpoints = Box::pin(load(pool, vault, self.workspace, self.claim.job)).await?;
            self.take_up(checkpoints, retired)?;
        }
        Ok(())
    }

    pub(super) fn take_up(
        &mut self,
        checkpoints: HashMap<String, Checkpoint>,
        retired: &[&str],
    ) -> Result {
        self.checkpoints = checkpoints;
        self.recall_undoing()?;
        self.know_all_steps(retired)
    }

    /// What was begun under a name that the plan does not have would be done again under its new one.
    fn know_all_steps(&self, retired: &[&str]) -> Result {
        // Undoing has steps of its own, and begins no other.
        if self.plan.is_empty() || self.undoing.is_some() {
            return Ok(());
        }
        let begun = self.begun.iter().map(|begun| begun.step.as_ref());
        let mut unknown: Vec<&str> = self
            .checkpoints
            .keys()
            .map(String::as_str)
            .chain(begun)
            .filter(|step| !self.plan.iter().any(|planned| planned.name == *step))
            .filter(|step| !retired.contains(step))
            .collect();
        unknown.sort_unstable();
        let Some(step) = unknown.first() else { return Ok(()) };
        Err(Stop::Failed(
            Failure::new(
                Class::ConfigurationError,
                "step_unknown",
                format!("the run has begun step {step}, which is not in the plan of this version"),
            )
            .action(format!(
                "if {step} was renamed, give it its name back; if it was taken out, add it to RETIRED; then retry the run"
            )),
        ))
    }
}

/// In which state a stored step is.
pub(super) fn state_of(step: &str, state: &str) -> Result<StepState> {
    StepState::parse(state).ok_or_else(|| {
        programming_error(
            "unknown_step_state",
            format!("step {step} is in state {state}, which this version does not know"),
        )
    })
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
        let state = state_of(&row.name, &row.state)?;
        let output = match row.sealed {
            None => row.output.unwrap_or_else(|| "null".to_owned()),
            Some(sealed) => {
                let vault = vault.ok_or_else(no_keyring)?;
                let place = place(workspace, job, &row.name);
                let plain = Box::pin(vault.unseal(&place, &sealed)).await?;
                String::from_utf8_lossy(&plain).into_owned()
            }
        };
        let told = state == StepState::Started && row.detail.as_deref() == Some(TOLD);
        let (starts, outages, due, over) = (row.starts, row.outages, row.due, row.over);
        let checkpoint = Checkpoint { state, starts, outages, due, over, output, told };
        checkpoints.insert(row.name, checkpoint);
    }
    Ok(checkpoints)
}
