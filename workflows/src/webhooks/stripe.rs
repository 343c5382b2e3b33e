//! Receiving Stripe's events: the write side of the webhook, for whoever has verified the signature.

use autopilot_engine::{EnqueueError, Enqueued, Job, JobId, NewJob, enqueue};
use serde::Deserialize;
use serde_json::Value;
use sqlx::PgConnection;

use super::stripe_event::{StripeEvent, acts_on};
use crate::state::inbox::{self, EventState, Mark, NewEvent, Recorded};

/// How the inbox names this provider.
pub const PROVIDER: &str = "stripe";

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Received {
    /// Recorded, and a job acts on it.
    Enqueued(JobId),
    /// Recorded; nothing here acts on its type.
    Ignored,
    /// Delivered before; nothing was done again.
    Duplicate,
    /// Authentic, but not an event that we can read: recorded as failed, for a person.
    Unreadable,
}

/// The queue that events wait in, for a wake-up after the commit.
pub const QUEUE: &str = StripeEvent::QUEUE;

#[derive(Deserialize)]
struct Envelope {
    id: String,
    #[serde(rename = "type")]
    kind: String,
}

impl Envelope {
    /// Whether its names fit into rows: a NUL would make the database refuse the event at every delivery.
    fn is_plain(&self) -> bool {
        [&self.id, &self.kind].into_iter().all(|name| {
            (1..=255).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic())
        })
    }
}

/// Records an authentic delivery and enqueues its job, in the caller's transaction.
///
/// Acknowledge it only after the commit. `digest` names a body that has no readable id; it must be the same for the same bytes.
///
/// # Errors
/// When the database refuses; then answer 5xx, so that Stripe delivers it again.
pub async fn receive(
    conn: &mut PgConnection,
    body: &[u8],
    headers: &Value,
    digest: &str,
) -> Result<Received, EnqueueError> {
    let event = match serde_json::from_slice::<Envelope>(body) {
        Ok(event) if event.is_plain() => event,
        Ok(_) | Err(_) => return unreadable(conn, body, headers, digest).await,
    };
    let job = NewJob::of(&StripeEvent { event: event.id.clone() })?.key(&event.id);
    let new = NewEvent {
        provider: PROVIDER,
        event_id: &event.id,
        event_type: &event.kind,
        workspace: None,
        payload: body,
        headers,
        job: None,
    };
    if inbox::record(&mut *conn, &new).await? == Recorded::Duplicate {
        return Ok(Received::Duplicate);
    }
    if !acts_on(&event.kind) {
        let ignored = Mark {
            state: EventState::Ignored,
            reason: Some("nothing here acts on this type"),
            workspace: None,
            job: None,
        };
        inbox::mark(conn, PROVIDER, &event.id, &ignored).await?;
        return Ok(Received::Ignored);
    }
    let mut received = Received::Duplicate;
    for enqueued in enqueue(&mut *conn, &[job]).await? {
        let received_mark = Mark {
            state: EventState::Received,
            reason: None,
            workspace: None,
            job: Some(enqueued.id()),
        };
        inbox::mark(&mut *conn, PROVIDER, &event.id, &received_mark).await?;
        received = match enqueued {
            Enqueued::New(id) | Enqueued::Existing(id) => Received::Enqueued(id),
        };
    }
    Ok(received)
}

async fn unreadable(
    conn: &mut PgConnection,
    body: &[u8],
    headers: &Value,
    digest: &str,
) -> Result<Received, EnqueueError> {
    let new = NewEvent {
        provider: PROVIDER,
        event_id: digest,
        event_type: "unreadable",
        workspace: None,
        payload: body,
        headers,
        job: None,
    };
    if inbox::record(&mut *conn, &new).await? == Recorded::Duplicate {
        return Ok(Received::Duplicate);
    }
    let failed = Mark {
        state: EventState::Failed,
        reason: Some(
            "the signature is right, but the body is no event: JSON with `id` and `type` is expected",
        ),
        workspace: None,
        job: None,
    };
    inbox::mark(conn, PROVIDER, digest, &failed).await?;
    Ok(Received::Unreadable)
}

/// Lets an event that waits for a person be handled again, in the caller's transaction.
///
/// # Errors
/// When the database refuses.
pub async fn replay(
    conn: &mut PgConnection,
    event_id: &str,
) -> Result<Option<JobId>, EnqueueError> {
    if inbox::get(&mut *conn, PROVIDER, event_id).await?.is_none() {
        return Ok(None);
    }
    let job = NewJob::of(&StripeEvent { event: event_id.to_owned() })?;
    Ok(enqueue(conn, &[job]).await?.first().map(|enqueued| enqueued.id()))
}
