//! What all providers' deliveries share on their way into the inbox.

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::intake::Unrecorded;
use super::limits::RETRY_AFTER;
use super::problem::Problem;

/// The headers that are kept with an event: enough to see who sent what, no signature and no credential.
const KEPT: [&str; 5] =
    ["content-type", "user-agent", "stripe-version", "x-request-id", "i-twilio-idempotency-token"];

/// The headers worth keeping.
pub(super) fn kept(headers: &HeaderMap) -> Value {
    let texts = KEPT.into_iter().filter_map(|name| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name.to_owned(), Value::from(value)))
    });
    texts.collect::<Map<_, _>>().into()
}

/// What names a body that has no id of its own.
pub(super) fn digest(body: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(body)))
}

/// Whether it was recorded may be unknown: delivered again, the inbox's key makes a duplicate of it.
pub(super) fn unrecorded(_: Unrecorded) -> Problem {
    let detail = "The database did not confirm that the event is recorded; deliver it again.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(RETRY_AFTER)
}
