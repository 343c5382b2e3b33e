//! Breakers over HTTP: see them, stop the calls to a provider, let them go on.

use autopilot_engine::ops::breakers::{self, Guarded};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Http;
use super::fields::{Fields, invalid};
use super::limits::RawBody;
use super::problem::Problem;
use super::state::refused;
use crate::input;

/// What one answer lists, at most.
const MOST: i64 = 1000;

/// Who is written down for what was asked over HTTP: whoever has the token.
const WHO: &str = "api";

/// `GET /api/autopilot/breakers`: those that are open or count, the open ones first.
pub(super) async fn list(State(http): State<Http>) -> Result<Json<Value>, Problem> {
    let found = breakers::list(&http.pool, None, MOST).await.map_err(refused)?;
    Ok(Json(json!({ "breakers": found })))
}

/// `POST /api/autopilot/breakers/trip`: nobody calls it any more.
pub(super) async fn trip(
    State(http): State<Http>,
    RawBody(body): RawBody,
) -> Result<Json<Value>, Problem> {
    let (breaker, reason) = asked(&body)?;
    breakers::trip(&http.pool, &breaker, WHO, &reason).await.map_err(refused)?;
    Ok(Json(json!({ "tripped": breaker, "reason": reason })))
}

/// `POST /api/autopilot/breakers/reset`: it is called again.
pub(super) async fn reset(
    State(http): State<Http>,
    RawBody(body): RawBody,
) -> Result<Json<Value>, Problem> {
    let (breaker, reason) = asked(&body)?;
    let woken = breakers::reset(&http.pool, &breaker, WHO, &reason).await.map_err(refused)?;
    match woken {
        Some(woken) => Ok(Json(json!({ "reset": breaker, "woken": woken }))),
        None => Err(Problem::new(
            StatusCode::NOT_FOUND,
            format!("The breaker {breaker} is closed: there is nothing to reset."),
        )
        .kind("urn:autopilot:breaker-closed", "Closed already")
        .action("GET /api/autopilot/breakers")),
    }
}

/// `{"breaker": "PROVIDER" or "PROVIDER/WORKSPACE", "reason": "…"}`.
fn asked(body: &[u8]) -> Result<(Guarded, String), Problem> {
    let mut fields = Fields::read(body)?;
    let breaker = fields.required("breaker", input::breaker);
    let reason = fields.required("reason", input::name);
    fields.finish()?;
    // Told by `finish`, if they were absent.
    breaker.zip(reason).ok_or_else(|| invalid(Vec::new()))
}
