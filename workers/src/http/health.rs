//! Whether the process lives, and whether it can do its work.

use autopilot_engine::doctor;
use autopilot_engine::schema::{self, Misfit};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::Http;
use super::problem::Problem;
use crate::database::MIGRATORS;

/// The process answers. Asks nobody, for a database that is away is no reason to restart this process.
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

/// The database answers and its schema fits. Why not is told only to who has the token.
pub(super) async fn ready(
    State(http): State<Http>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let trusted = http.token.check(&headers).is_ok();
    let mut schemas = serde_json::Map::new();
    for (name, migrator) in MIGRATORS {
        match schema::check(&http.pool, migrator).await {
            Ok(fit) => schemas.insert(name.to_owned(), format!("{fit:?}").into()),
            Err(misfit) => return Err(not_ready(&misfit, trusted)),
        };
    }
    Ok(Json(if trusted {
        // Another process may take them yet: this one is as ready as it can be.
        let unserved = match doctor::unserved(&http.pool).await {
            Ok(unserved) => json!(unserved),
            Err(error) => json!(format!("unknown: {error}")),
        };
        json!({
            "status": "ready",
            "version": autopilot_engine::VERSION,
            "schemas": schemas,
            "unserved": unserved,
        })
    } else {
        json!({ "status": "ready" })
    }))
}

fn not_ready(misfit: &Misfit, trusted: bool) -> Problem {
    tracing::warn!(error = %misfit, "not ready");
    let detail = if trusted { misfit.to_string() } else { "This process is not ready.".to_owned() };
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        .kind("urn:autopilot:not-ready", "Not ready")
        .retry_after(super::limits::RETRY_AFTER)
}
