//! Taking a run up: what the claim says of the attempt, and what earlier attempts left behind.

use std::collections::{HashMap, HashSet};

use sqlx::PgPool;

use super::checkpoint::{Begun, Checkpoint, no_keyring, place, programming_error, sealing};
use super::{Run, World};
use crate::committer::{Mark, StepState};
use crate::failure::{Result, Stop};
use crate::ids::{JobId, WorkspaceId};
use crate::job::Planned;
use crate::lease::Claim;
use crate::retry::Retry;
use crate::secrets::Vault;

/// What a claim says about an attempt.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) claim: Claim,
    pub(crate) workspace: WorkspaceId,
    pub(crate) number: i32,
    pub(crate) retry: Retry,
    pub(crate) plan: &'static [Planned],
    pub(crate) begun: Option<(String, i32)>,
    /// The step that the job's row says has begun, because the job began here together with it.
    pub(crate) foreseen: Option<&'static str>,
}

impl<'a, A> Run<'a, A> {
    /// Takes a run up where its checkpoints say.
    pub(crate) async fn resume(app: &'a A, world: &'a World, attempt: Attempt) -> Result<Self> {
        // The first claim of a job finds no checkpoints, so it does not ask for any.
        let checkpoints = if attempt.claim.token > 1 {
            let (pool, vault) = (&world.pool, world.vault.as_ref());
            // Boxed, for most attempts do without it.
            Box::pin(load(pool, vault, attempt.workspace, attempt.claim.job)).await?
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
            begun: attempt.begun.map(|(step, starts)| Begun { step: step.into(), starts }),
            foreseen: attempt.foreseen,
            // Until that step begins, the row says too much.
            mark: attempt.foreseen.map_or(Mark::Keep, |_| Mark::Clear),
            seen: HashSet::new(),
            pending: Vec::new(),
            failures: Vec::new(),
            enqueue: Vec::new(),
            current: None,
            degraded: false,
            waiting: false,
            when_ended: None,
        })
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
            None => row.output.unwrap_or_else(|| "null".to_owned()),
            Some(sealed) => {
                let vault = vault.ok_or_else(|| Stop::Failed(no_keyring()))?;
                let place = place(workspace, job, &row.name);
                let plain = vault.unseal(&place, &sealed).await.map_err(sealing)?;
                String::from_utf8_lossy(&plain).into_owned()
            }
        };
        checkpoints
            .insert(row.name, Checkpoint { state, starts: row.starts, due: row.due, output });
    }
    Ok(checkpoints)
}
