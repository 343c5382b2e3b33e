//! Reading Stripe's events.

use autopilot_engine::{EnqueueError, NewJob};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::delivery::{Delivery, Meaning, is_plain};
use super::stripe_event::StripeEvent;
use super::stripe_types::acts_on;
use crate::state::provider::Provider;

const UNREADABLE: &str =
    "the signature is right, but the body is no event: JSON with `id` and `type` is expected";
const THIN: &str = "this is a thin event, which says nothing of what happened: in Stripe's dashboard, give the endpoint \
                    snapshot payloads";

/// What Stripe calls an event that carries no object.
const THIN_OBJECT: &str = "v2.core.event";

#[derive(Deserialize)]
struct Envelope {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    object: String,
    /// Seconds since 1970.
    created: Option<i64>,
}

/// Reads a delivery. `digest` names a body that has no readable id; it must be the same for the same bytes.
///
/// # Errors
/// When its job cannot be written as JSON.
pub fn read(
    body: Bytes,
    headers: Value,
    digest: impl FnOnce(&[u8]) -> String,
) -> Result<Delivery, EnqueueError> {
    let provider = Provider::Stripe;
    let event = serde_json::from_slice::<Envelope>(&body)
        .ok()
        .filter(|event| is_plain(&event.id) && is_plain(&event.kind));
    let Some(Envelope { id, kind, object, created }) = event else {
        let (id, kind) = (digest(&body), "unreadable".to_owned());
        let meaning = Meaning::Unreadable(UNREADABLE);
        return Ok(Delivery { provider, id, kind, occurred_at: None, body, headers, meaning });
    };
    let meaning = if object == THIN_OBJECT {
        Meaning::Unreadable(THIN)
    } else if acts_on(&kind) {
        // Once by the inbox's key: recording another would only cost.
        Meaning::Job(Box::new(NewJob::of(&StripeEvent { event: id.clone() })?.named(&id)))
    } else {
        Meaning::Nothing
    };
    let occurred_at = created.and_then(|seconds| DateTime::<Utc>::from_timestamp(seconds, 0));
    Ok(Delivery { provider, id, kind, occurred_at, body, headers, meaning })
}
