//! `POST /webhooks/stripe`: verified over the raw bytes, recorded and enqueued in one transaction, then answered.
//!
//! Nothing is acknowledged before the commit, which many deliveries share. Whatever goes wrong before it is answered 5xx,
//! and Stripe delivers again for three days.

use autopilot_engine::JobId;
use autopilot_workflows::webhooks::{Received, stripe};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::Utc;
use serde::Serialize;

use super::Http;
use super::delivered::{digest, kept, unrecorded};
use super::limits::{RETRY_AFTER, RawBody};
use super::problem::Problem;
use super::state::refused;
use super::stripe_signature::{self, HEADER};

/// What Stripe is told; it reads the status only.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Acknowledged {
    received: bool,
    outcome: &'static str,
    job_id: Option<JobId>,
}

/// Records one delivery.
pub(super) async fn receive(
    State(http): State<Http>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Json<Acknowledged>, Problem> {
    verify(&http, &headers, &body)?;
    let delivery = stripe::read(body, kept(&headers), digest).map_err(refused)?;
    let (outcome, job_id) = match http.intake.record(delivery).await {
        Ok(Received::Enqueued(job)) => ("enqueued", Some(job)),
        Ok(Received::Ignored) => ("ignored", None),
        Ok(Received::Duplicate) => ("duplicate", None),
        Ok(Received::Unreadable) => ("unreadable", None),
        Err(unknown) => return Err(unrecorded(unknown)),
    };
    Ok(Json(Acknowledged { received: true, outcome, job_id }))
}

/// One and the same refusal whatever is wrong with the signature; the log says what.
fn verify(http: &Http, headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
    if http.stripe_secrets.is_empty() {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "This server does not know the secret of Stripe's webhooks.",
        )
        .action("Set STRIPE_WEBHOOK_SECRET to the endpoint's signing secret, whsec_….")
        .retry_after(RETRY_AFTER));
    }
    let mut values = headers.get_all(HEADER).iter();
    let header = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        (Some(_) | None, _) => None,
    };
    let now = Utc::now().timestamp();
    stripe_signature::verify(header, body, &http.stripe_secrets, now).map_err(|error| {
        tracing::warn!(reason = %error, "a Stripe webhook was refused");
        Problem::new(
            StatusCode::BAD_REQUEST,
            "The Stripe-Signature header does not vouch for this body, here and now.",
        )
        .kind("urn:autopilot:webhook-signature", "Signature refused")
    })
}
