//! What the product tells us of its studios: sign-up, and the end of the onboarding wizard.

use autopilot_engine::WorkspaceId;
use autopilot_workflows::provisioning::{self, Triggered};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Http;
use super::fields::{Fields, invalid};
use super::limits::RawBody;
use super::problem::Problem;
use super::state::refused;
use crate::input;
use crate::studio::{self, Description, Taken};

/// `PUT /api/workspaces/{id}`: the studio exists. Any number of times.
pub(super) async fn register(
    State(http): State<Http>,
    path: Result<Path<String>, PathRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let id = path.map_err(|error| invalid(vec![format!("id: {error}")]))?;
    let workspace = input::workspace(&id).map_err(|what| invalid(vec![format!("id: {what}")]))?;
    let mut tx = http.pool.begin().await.map_err(refused)?;
    let created = studio::register(&mut tx, workspace).await.map_err(refused)?;
    tx.commit().await.map_err(refused)?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(json!({ "workspaceId": workspace, "created": created }))))
}

/// `POST /api/onboarding/complete`: what the studio says of itself, then its provisioning.
pub(super) async fn complete(
    State(http): State<Http>,
    RawBody(body): RawBody,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let told = onboarding(&body)?;
    let workspace = told.workspace;
    let triggered = describe_and_provision(&http, &told).await?;
    http.waker.wake(Triggered::QUEUE);
    Ok((StatusCode::ACCEPTED, Json(super::autopilot::started(workspace, triggered))))
}

/// What the wizard asked for.
struct Told {
    workspace: WorkspaceId,
    said: Description,
    /// Stripe's connected account.
    stripe_account: Option<String>,
}

fn onboarding(body: &[u8]) -> Result<Told, Problem> {
    let mut fields = Fields::read(body)?;
    let workspace = fields.required("workspaceId", input::workspace);
    let name = fields.required("name", input::name);
    let country = fields.optional("country", input::country);
    let locale = fields.optional("locale", input::locale);
    let contact_email = fields.optional("contactEmail", input::email);
    let twilio_address = fields.optional("twilioAddressSid", input::twilio_address);
    let twilio_bundle = fields.optional("twilioBundleSid", input::twilio_bundle);
    let stripe_account = fields.optional("stripeAccount", input::stripe_account);
    fields.finish()?;
    // Told by `finish`, if either were absent.
    let (Some(workspace), Some(name)) = (workspace, name) else { return Err(invalid(Vec::new())) };
    let said = Description { name, country, locale, contact_email, twilio_address, twilio_bundle };
    Ok(Told { workspace, said, stripe_account })
}

/// One transaction: a studio is never described and then forgotten.
async fn describe_and_provision(http: &Http, told: &Told) -> Result<Triggered, Problem> {
    let Told { workspace, said, stripe_account } = told;
    let workspace = *workspace;
    let mut tx = http.pool.begin().await.map_err(refused)?;
    studio::register(&mut tx, workspace).await.map_err(refused)?;
    studio::describe(&mut tx, workspace, said, http.default_country).await.map_err(refused)?;
    if let Some(account) = stripe_account
        && let Err(Taken { owner }) =
            studio::connect(&mut tx, workspace, account).await.map_err(refused)?
    {
        let detail = format!("{account} belongs to workspace {owner}; an account never moves.");
        return Err(Problem::new(StatusCode::CONFLICT, detail)
            .action("Correct stripeAccount. Nothing was written."));
    }
    // A run that waits for the studio's documents looks again, for the trigger joins it and wakes what waits.
    let triggered = provisioning::trigger(&mut tx, workspace, None).await.map_err(refused)?;
    tx.commit().await.map_err(refused)?;
    Ok(triggered)
}
