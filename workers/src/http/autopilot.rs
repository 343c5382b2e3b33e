//! The autopilot's own interface: start a provisioning, start all that are due, see how one stands.

use autopilot_engine::ops::{self, OpsError};
use autopilot_engine::{Job as _, WorkspaceId};
use autopilot_workflows::provisioning::{self, Provision, Triggered};
use autopilot_workflows::state::workspaces;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::Http;
use super::fields::{Fields, invalid};
use super::limits::RawBody;
use super::problem::Problem;
use super::state::refused;
use crate::{input, studio};

/// How many due studios one request starts, at most and if it does not say.
const MOST_DUE: u32 = 1000;
const USUAL_DUE: u32 = 100;

/// `POST /api/autopilot/reprovision`: one studio, again or for the first time.
pub(super) async fn reprovision(
    State(http): State<Http>,
    RawBody(body): RawBody,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let workspace = named(Fields::read(&body)?)?;
    let mut tx = http.pool.begin().await.map_err(refused)?;
    let triggered = studio::provision(&mut tx, workspace).await.map_err(refused)?;
    let triggered = triggered.ok_or_else(|| unknown(workspace))?;
    tx.commit().await.map_err(refused)?;
    http.waker.wake(Triggered::QUEUE);
    Ok((StatusCode::ACCEPTED, Json(started(workspace, triggered))))
}

/// `POST /api/autopilot/run`: every studio that is due, the longest due first.
pub(super) async fn run_due(
    State(http): State<Http>,
    RawBody(body): RawBody,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let mut fields = Fields::read(&body)?;
    let limit = fields.count("limit", MOST_DUE).unwrap_or(USUAL_DUE);
    fields.finish()?;
    let mut tx = http.pool.begin().await.map_err(refused)?;
    let due = provisioning::trigger_due(&mut tx, limit).await.map_err(refused)?;
    tx.commit().await.map_err(refused)?;
    http.waker.wake(Triggered::QUEUE);
    let runs: Vec<Value> =
        due.into_iter().map(|(workspace, triggered)| started(workspace, triggered)).collect();
    Ok((StatusCode::ACCEPTED, Json(json!({ "count": runs.len(), "runs": runs }))))
}

/// `GET /api/autopilot/status?workspaceId=`: the studio, and its newest run step by step.
pub(super) async fn status(
    State(http): State<Http>,
    query: Result<Query<Map<String, Value>>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(query) = query.map_err(|error| invalid(vec![format!("the query: {error}")]))?;
    let workspace = named(Fields::of(query))?;
    let mut conn = http.pool.acquire().await.map_err(refused)?;
    let known = workspaces::get(&mut conn, workspace).await.map_err(refused)?;
    drop(conn);
    let known = known.ok_or_else(|| unknown(workspace))?;
    let latest =
        ops::runs::latest(&http.pool, workspace, Provision::KIND).await.map_err(refused)?;
    let run = match latest {
        Some(run) => match ops::runs::show(&http.pool, run.id).await {
            Ok(details) => Some(shown(&details)),
            Err(OpsError::NotFound(_)) => None,
            Err(error) => return Err(refused(error)),
        },
        None => None,
    };
    Ok(Json(json!({
        "workspaceId": workspace,
        "dueSince": known.due_since,
        "lastOutcome": known.last_outcome,
        "run": run,
    })))
}

/// What a trigger answers.
pub(super) fn started(workspace: WorkspaceId, triggered: Triggered) -> Value {
    json!({ "workspaceId": workspace, "runId": triggered.run, "joined": triggered.joined })
}

fn named(mut fields: Fields) -> Result<WorkspaceId, Problem> {
    let workspace = fields.required("workspaceId", input::workspace);
    fields.finish()?;
    // Told by `finish`, if it were absent.
    workspace.ok_or_else(|| invalid(Vec::new()))
}

pub(super) fn unknown(workspace: WorkspaceId) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("Workspace {workspace} is not registered here."))
        .kind("urn:autopilot:unknown-workspace", "Unknown workspace")
        .action(format!("PUT /api/workspaces/{workspace}"))
}

/// A run for programs. Its failure and action stand apart, because they are what somebody is woken for.
fn shown(details: &ops::runs::RunDetails) -> Value {
    let run = &details.run;
    let steps: Vec<Value> = details
        .steps
        .iter()
        .map(|step| {
            json!({
                "name": step.name,
                "weight": step.weight,
                "state": step.state,
                "attempt": step.starts,
                "detail": step.detail,
                "looksAgainAt": step.wake_at,
                "startedAt": step.started_at,
                "finishedAt": step.finished_at,
            })
        })
        .collect();
    json!({
        "runId": run.id,
        "status": run.status,
        "percent": run.percent,
        "stepsDone": run.steps_done,
        "stepsTotal": run.steps,
        "attempt": run.attempt,
        "createdAt": run.created_at,
        "nextAt": run.next_at,
        "finishedAt": run.finished_at,
        "steps": steps,
        "failure": run.failure,
        "action": run.failure.as_ref().and_then(|failure| failure.get("action")),
    })
}
