//! How one studio stands.

use autopilot_engine::WorkspaceId;
use autopilot_engine::ops::breakers;
use autopilot_engine::ops::standing::Letter;
use autopilot_workflows::state::health::{Component, Standing};
use autopilot_workflows::state::repairs::{self, Repair};
use autopilot_workflows::state::workspaces;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::facts::{Facts, gather};
use super::issues::action;
use super::open::component_of;
use super::{Issue, Overall};
use crate::fail::Fail;

/// So many repairs are told of a studio.
const MOST_REPAIRS: u32 = 5;

/// How one studio stands.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkspaceHealth {
    /// The studio.
    pub(crate) workspace_id: WorkspaceId,
    /// Its worst issue decides.
    pub(crate) overall: Overall,
    /// Its providers.
    pub(crate) integrations: Vec<Integration>,
    /// Its newest provisioning; null where there was none, or it is long forgotten.
    pub(crate) provisioning: Option<Value>,
    /// Providers that are not called: for anybody, or for this studio.
    pub(crate) breakers: Vec<Value>,
    /// What was set aside, the newest first.
    pub(crate) dead_letters: Vec<Letter>,
    /// What is wrong, the most severe first.
    pub(crate) issues: Vec<Issue>,
    /// What checks found lately and what came of it, the newest first.
    pub(crate) repairs: Vec<Repair>,
}

/// How a provider stands for one studio.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Integration {
    /// Which.
    pub(crate) name: Component,
    /// How it stands.
    pub(crate) state: Standing,
    /// Since when.
    pub(crate) since: Option<DateTime<Utc>>,
    /// When it was asked last.
    pub(crate) checked_at: Option<DateTime<Utc>>,
    /// What it said.
    pub(crate) detail: String,
}

/// How a workspace stands; none that is not registered.
///
/// # Errors
/// The database's.
pub(crate) async fn of(
    pool: &PgPool,
    workspace: WorkspaceId,
) -> Result<Option<WorkspaceHealth>, Fail> {
    let whole = breakers::of_everybody(pool).await?;
    let mut conn = pool.acquire().await?;
    let Some(known) = workspaces::get(&mut conn, workspace).await? else { return Ok(None) };
    let facts = gather(&mut conn, vec![known], &whole).await?;
    let repairs = repairs::list(&mut conn, Some(workspace), MOST_REPAIRS).await?;
    Ok(facts.into_iter().next().map(|facts| facts.view(repairs)))
}

impl Facts<'_> {
    fn view(self, repairs: Vec<Repair>) -> WorkspaceHealth {
        let issues = self.issues();
        let open = self.open();
        let breakers = open.iter().map(|open| {
            json!({
                "breaker": open.key,
                "provider": open.service,
                "reason": open.reason,
                "since": open.since,
                "triedAt": open.tried_at,
                "tripped": open.is_tripped,
            })
        });
        WorkspaceHealth {
            workspace_id: self.workspace.id,
            overall: Overall::of(&issues),
            integrations: Component::INTEGRATIONS.map(|name| self.integration(name)).into(),
            provisioning: self.provisioning(),
            breakers: breakers.collect(),
            issues,
            repairs,
            dead_letters: self.letters,
        }
    }

    fn integration(&self, name: Component) -> Integration {
        let kept = self.kept.iter().find(|kept| kept.seen.component == name);
        let checked_at = kept.map(|kept| kept.checked_at);
        let open = self.open();
        let open = open.iter().find(|open| component_of(open.service) == name.name());
        match (open, kept) {
            (Some(open), _) => Integration {
                name,
                state: Standing::Failing,
                since: open.since,
                checked_at,
                detail: format!("it is not called: {}", open.reason),
            },
            (None, Some(kept)) => Integration {
                name,
                state: kept.seen.standing,
                since: Some(kept.since),
                checked_at,
                detail: kept.seen.detail.clone(),
            },
            (None, None) => Integration {
                name,
                state: Standing::NotSetUp,
                since: None,
                checked_at,
                detail: "nobody has asked about it for this studio yet".to_owned(),
            },
        }
    }

    fn provisioning(&self) -> Option<Value> {
        let run = self.run.as_ref()?;
        Some(json!({
            "status": run.status,
            "percent": run.percent,
            "runId": run.id,
            "step": run.current_step,
            "waitsFor": run.waits_for,
            "waitsUntil": run.waits_until,
            "nextAt": run.next_at,
            "finishedAt": run.finished_at,
            "failure": run.failure,
            "action": run.failure.as_ref().and_then(action),
        }))
    }
}
