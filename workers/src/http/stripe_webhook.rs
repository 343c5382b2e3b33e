//! `POST /webhooks/stripe`: verified over the raw bytes, recorded and enqueued in one transaction, then answered.
//!
//! Nothing is acknowledged before the commit, which many deliveries share. Whatever goes wrong before it is answered 5xx,
//! and Stripe delivers again for three days.

use autopilot_engine::JobId;
use autopilot_workflows::webhooks::stripe::{Delivery, Received};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::Utc;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::Http;
use super::intake::Unrecorded;
use super::limits::{RETRY_AFTER, RawBody};
use super::problem::Problem;
use super::state::refused;
use super::stripe_signature::{self, HEADER};

/// The headers that are kept with an event: enough to see who sent what, no signature and no credential.
const KEPT: [&str; 4] = ["content-type", "user-agent", "stripe-version", "x-request-id"];

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
    let digest = |body: &[u8]| format!("sha256:{}", hex::encode(Sha256::digest(body)));
    let delivery = Delivery::read(body, kept(&headers), digest).map_err(refused)?;
    let (outcome, job_id) = match http.intake.record(delivery).await {
        Ok(Received::Enqueued(job)) => ("enqueued", Some(job)),
        Ok(Received::Ignored) => ("ignored", None),
        Ok(Received::Duplicate) => ("duplicate", None),
        Ok(Received::Unreadable) => ("unreadable", None),
        Err(Unrecorded) => return Err(unrecorded()),
    };
    Ok(Json(Acknowledged { received: true, outcome, job_id }))
}

/// Whether it was recorded may be unknown: delivered again, the inbox's key makes a duplicate of it.
fn unrecorded() -> Problem {
    let detail = "The database did not confirm that the event is recorded; deliver it again.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(RETRY_AFTER)
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

fn kept(headers: &HeaderMap) -> Value {
    let texts = KEPT.into_iter().filter_map(|name| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name.to_owned(), Value::from(value)))
    });
    texts.collect::<Map<_, _>>().into()
}
