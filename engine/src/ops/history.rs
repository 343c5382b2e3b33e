//! The history of a run as a file: what its tests replay.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgPool;

use super::OpsError;
use super::runs::PlannedStep;
use super::source::{Source, Stored};
use crate::ids::{JobId, WorkspaceId};

/// What is stored of a run: what it was to do, and its checkpoints.
///
/// It goes to JSON and back unchanged, and holds no sealed value; what
/// payload and outputs say openly stands in it as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunHistory {
    /// The run, and its job.
    pub run: JobId,
    /// Its kind.
    pub kind: String,
    /// The version of the code that enqueued it; none where its kind declares no steps.
    pub version: Option<String>,
    /// Its tenant.
    pub workspace: WorkspaceId,
    /// Where it stood: `ready`, `scheduled`, `running` or `aside` while it lived, its outcome, or why it was set aside.
    pub status: String,
    /// Why it was set aside.
    pub failure: Option<Value>,
    /// What it was to do.
    pub payload: Value,
    /// The plan that it was enqueued with, in order.
    pub plan: Vec<PlannedStep>,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Its checkpoints: in the order of the plan, then those that it does not have, as they ended.
    pub steps: Vec<StoredStep>,
}

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StoredStep {
    /// The step's name.
    pub name: String,
    /// `started`, `done`, `skipped`, `waiting` or `failed`.
    pub state: String,
    /// How often it was begun.
    pub starts: i32,
    /// What it gave; `null` where it gave nothing, and where that is sealed.
    pub output: Value,
    /// It gave something that is sealed and not in here.
    pub sealed: bool,
    /// Why it was skipped, what it waits for, how it failed.
    pub detail: Option<String>,
    /// When it was begun last.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// The history of a run as far as it has come.
///
/// Kept as a file, it lets a test show that today's code still understands it (`World::replay` of the test kit). Jobs of kinds that
/// declare no steps have one as well, without a plan.
///
/// # Errors
/// [`OpsError::NotFound`] when there is no such run, or no more.
pub async fn export(pool: &PgPool, id: JobId) -> Result<RunHistory, OpsError> {
    let source = Source::load(pool, id).await?;
    let stored = source.checkpoints(pool, id.uuid()).await?;
    let plan = source.plan();
    let mut steps: Vec<StoredStep> = stored.into_iter().map(StoredStep::from).collect();
    let place = |step: &StoredStep| plan.iter().position(|planned| planned.name == step.name);
    steps.sort_by_key(|step| place(step).unwrap_or(usize::MAX));
    Ok(RunHistory {
        run: id,
        payload: json(&source.payload),
        kind: source.kind,
        version: source.version,
        workspace: source.workspace,
        status: source.status,
        failure: source.failure,
        created_at: source.created_at,
        finished_at: source.finished_at,
        plan,
        steps,
    })
}

impl From<Stored> for StoredStep {
    fn from(stored: Stored) -> Self {
        Self {
            name: stored.name,
            state: stored.state,
            starts: stored.starts,
            output: stored.output.as_deref().map(json).unwrap_or_default(),
            sealed: stored.sealed.is_some(),
            detail: stored.detail,
            started_at: stored.started_at,
            finished_at: stored.finished_at,
        }
    }
}

/// What a column of type json holds. A number that no JSON value of ours can hold makes all of it a text, so that whoever replays it
/// is told instead of being given something else.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_too_large| Value::String(text.to_owned()))
}
