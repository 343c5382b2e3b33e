//! Durable runs, as an operator sees them: honest progress, each step, each error.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::OpsError;
use super::jobs::{FailureView, Filter, failures};
use crate::ids::{JobId, WorkspaceId};

/// A run in a list.
#[derive(Debug, Clone, Serialize)]
pub struct RunView {
    /// The run, and its job.
    pub id: JobId,
    /// Its tenant.
    pub workspace: WorkspaceId,
    /// Its kind.
    pub kind: String,
    /// The version of the code that enqueued it.
    pub version: String,
    /// `queued`, `running`, `waiting`, `retrying`, `aside` (held back by a limit or a pause), `completed`, `degraded`, `cancelled`, or why it was set aside.
    pub status: String,
    /// The weight of the steps that are done, of all; skipped and failed ones do not count (P8).
    pub percent: i32,
    /// How many steps are done.
    pub steps_done: i32,
    /// How many there are.
    pub steps: i32,
    /// The step under way.
    pub current_step: Option<String>,
    /// What that step says of its progress.
    pub note: Option<String>,
    /// What it waits for, in the words of the step whose time comes first.
    pub waits_for: Option<String>,
    /// Until when it waits for that, at the longest.
    pub waits_until: Option<DateTime<Utc>>,
    /// The limit or pause that it stands aside for: `limit:` and its key, `kind:` or `workspace:`.
    pub blocked_on: Option<String>,
    /// Attempts that counted.
    pub attempt: i32,
    /// Attempts that ended without a word.
    pub crashes: i32,
    /// When it goes on, while it waits.
    pub next_at: Option<DateTime<Utc>>,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Why it was set aside.
    pub failure: Option<Value>,
    /// The run whose checkpoints it began with, where it is a [`fork`](crate::ops::fork).
    pub forked_from: Option<JobId>,
    /// The step that it was forked at.
    pub forked_at: Option<String>,
    #[serde(skip)]
    plan: Value,
}

/// A step of a run.
#[derive(Debug, Clone, Serialize)]
pub struct StepView {
    /// Its name.
    pub name: String,
    /// Its share of the progress.
    pub weight: u32,
    /// `pending`, `started`, `done`, `skipped`, `waiting` or `failed`.
    pub state: String,
    /// How often it was begun.
    pub starts: i32,
    /// Why it was skipped, what it waits for, how it failed.
    pub detail: Option<String>,
    /// When it looks again.
    pub wake_at: Option<DateTime<Utc>>,
    /// When it was begun last.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A run with its steps and every attempt's error.
#[derive(Debug, Clone, Serialize)]
pub struct RunDetails {
    /// The run.
    #[serde(flatten)]
    pub run: RunView,
    /// The steps in the order of the plan.
    #[serde(rename = "plan")]
    pub steps: Vec<StepView>,
    /// What went wrong, oldest first.
    pub failures: Vec<FailureView>,
}

impl RunView {
    /// Whether nothing will change any more without somebody doing something.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        !matches!(self.status.as_str(), "queued" | "running" | "waiting" | "retrying" | "aside")
    }

    /// The newest of a kind in each workspace.
    pub(super) async fn newest(
        conn: &mut PgConnection,
        workspaces: &[Uuid],
        kind: &str,
    ) -> Result<Vec<Self>, sqlx::Error> {
        sqlx::query_file_as!(Self, "sql/standing/runs.sql", workspaces, kind).fetch_all(conn).await
    }
}

/// A step of the plan that a run was enqueued with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its name.
    pub name: String,
    /// Its share of the progress.
    pub weight: u32,
}

/// Runs, the newest first.
///
/// # Errors
/// When the database refuses.
pub async fn list(pool: &PgPool, filter: &Filter) -> Result<Vec<RunView>, OpsError> {
    find(pool, filter, None).await
}

/// The newest run of a kind in a workspace.
///
/// # Errors
/// When the database refuses.
pub async fn latest(
    pool: &PgPool,
    workspace: WorkspaceId,
    kind: &str,
) -> Result<Option<RunView>, OpsError> {
    let filter =
        Filter { workspace: Some(workspace), kind: Some(kind.to_owned()), status: None, limit: 1 };
    Ok(find(pool, &filter, None).await?.pop())
}

/// One run with its steps and errors.
///
/// # Errors
/// [`OpsError::NotFound`] when there is none.
pub async fn show(pool: &PgPool, id: JobId) -> Result<RunDetails, OpsError> {
    let run =
        find(pool, &Filter::default(), Some(id)).await?.pop().ok_or(OpsError::NotFound(id))?;
    let mut begun: HashMap<String, StepView> =
        sqlx::query_file!("sql/ops/run_steps.sql", id.uuid(), run.created_at)
            .fetch_all(pool)
            .await?
            .into_iter()
            .map(|row| {
                let step = StepView {
                    name: row.name.clone(),
                    weight: 0,
                    state: row.state,
                    starts: row.starts,
                    detail: row.detail,
                    wake_at: row.wake_at,
                    started_at: Some(row.started_at),
                    finished_at: row.finished_at,
                };
                (row.name, step)
            })
            .collect();
    let plan: Vec<PlannedStep> = serde_json::from_value(run.plan.clone()).unwrap_or_default();
    let mut steps: Vec<StepView> = plan
        .into_iter()
        .map(|planned| match begun.remove(&planned.name) {
            Some(step) => StepView { weight: planned.weight, ..step },
            None => StepView {
                name: planned.name,
                weight: planned.weight,
                state: "pending".to_owned(),
                starts: 0,
                detail: None,
                wake_at: None,
                started_at: None,
                finished_at: None,
            },
        })
        .collect();
    // What stands outside the plan: what was undone.
    let mut others: Vec<StepView> = begun.into_values().collect();
    others.sort_by_key(|step| step.started_at);
    steps.extend(others);
    Ok(RunDetails { run, steps, failures: failures(pool, id).await? })
}

async fn find(pool: &PgPool, filter: &Filter, id: Option<JobId>) -> Result<Vec<RunView>, OpsError> {
    let rows = sqlx::query_file_as!(
        RunView,
        "sql/ops/list_runs.sql",
        filter.workspace.map(WorkspaceId::uuid),
        filter.kind,
        filter.status,
        id.map(JobId::uuid),
        filter.limit()
    )
    .fetch_all(pool)
    .await?;
    Ok(rows)
}
