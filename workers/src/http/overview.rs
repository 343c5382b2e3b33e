//! How the studios stand, over HTTP.

use autopilot_engine::WorkspaceId;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde_json::{Map, Value};

use super::Http;
use super::autopilot::unknown;
use super::fields::{Fields, invalid};
use super::problem::Problem;
use super::state::refused;
use crate::fail::Fail;
use crate::health::{self, Page};
use crate::input;

/// What was asked for.
enum Asked {
    One(WorkspaceId),
    All(Page),
}

/// `GET /api/autopilot/health?workspaceId=` or `?all=true&limit=&after=`. It asks no provider.
pub(super) async fn show(
    State(http): State<Http>,
    query: Result<Query<Map<String, Value>>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(query) = query.map_err(|error| invalid(vec![format!("the query: {error}")]))?;
    match asked(query)? {
        Asked::One(workspace) => {
            let found = health::of(&http.pool, workspace).await.map_err(untold)?;
            shown(&found.ok_or_else(|| unknown(workspace))?)
        }
        Asked::All(page) => shown(&health::all(&http.pool, page).await.map_err(untold)?),
    }
}

/// Who may ask for all of it may know why it cannot be told.
fn untold(fail: Fail) -> Problem {
    let cause = fail.to_string();
    refused(fail).extend("cause", cause)
}

fn shown(value: &impl serde::Serialize) -> Result<Json<Value>, Problem> {
    serde_json::to_value(value).map(Json).map_err(refused)
}

fn asked(query: Map<String, Value>) -> Result<Asked, Problem> {
    let names_one = query.contains_key("workspaceId");
    let names_all = query.contains_key("all");
    if names_one == names_all {
        let both = "say either workspaceId=UUID or all=true".to_owned();
        return Err(invalid(vec![both]));
    }
    let mut fields = Fields::of(query);
    if names_one {
        let workspace = fields.required("workspaceId", input::workspace);
        fields.finish()?;
        // Told by `finish`, if it were absent.
        return workspace.map(Asked::One).ok_or_else(|| invalid(Vec::new()));
    }
    fields.required("all", |text| {
        if text == "true" { Ok(()) } else { Err("is only ever true".to_owned()) }
    });
    let limit = fields.optional("limit", |text| input::count(text, Page::MOST));
    let after = fields.optional("after", input::workspace);
    fields.finish()?;
    Ok(Asked::All(Page { after, limit: limit.unwrap_or(Page::USUAL) }))
}
