//! `POST /webhooks/stripe`: verified over the raw bytes, recorded and enqueued in one transaction, then answered.
//!
//! Nothing is acknowledged before the commit. Whatever goes wrong before it is answered 5xx, and Stripe delivers
//! again for three days.

use autopilot_engine::EnqueueError;
use autopilot_workflows::webhooks::stripe::{self, Received};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::Utc;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::Http;
use super::limits::{RETRY_AFTER, RawBody};
use super::problem::Problem;
use super::stripe_signature::{self, HEADER};

/// The headers that are kept with an event: enough to see who sent what, no signature and no credential.
const KEPT: [&str; 4] = ["content-type", "user-agent", "stripe-version", "x-request-id"];

/// Records one delivery.
pub(super) async fn receive(
    State(http): State<Http>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Json<Value>, Problem> {
    verify(&http, &headers, &body)?;
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&body)));
    let received = record(&http, &body, &kept(&headers), &digest).await.map_err(|error| {
        tracing::error!(%error, "a Stripe event was not recorded; Stripe delivers it again");
        super::state::unavailable()
    })?;
    let (outcome, job) = match received {
        Received::Enqueued(job) => {
            http.waker.wake(stripe::QUEUE);
            ("enqueued", Some(job))
        }
        Received::Ignored => ("ignored", None),
        Received::Duplicate => ("duplicate", None),
        Received::Unreadable => {
            tracing::warn!(digest, "a signed Stripe event cannot be read; it is kept in the inbox");
            ("unreadable", None)
        }
    };
    Ok(Json(json!({ "received": true, "outcome": outcome, "jobId": job })))
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

async fn record(
    http: &Http,
    body: &[u8],
    headers: &Value,
    digest: &str,
) -> Result<Received, EnqueueError> {
    let mut tx = http.pool.begin().await?;
    let received = stripe::receive(&mut tx, body, headers, digest).await?;
    // An answer to the commit that is lost leaves the delivery unknown: answered 503, it comes again, and the
    // inbox's key makes a duplicate of it.
    tx.commit().await?;
    Ok(received)
}

fn kept(headers: &HeaderMap) -> Value {
    let texts = KEPT.into_iter().filter_map(|name| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name.to_owned(), Value::from(value)))
    });
    texts.collect::<Map<_, _>>().into()
}
