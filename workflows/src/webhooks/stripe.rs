//! Receiving Stripe's events: the write side of the webhook, for whoever has verified the signature.

use std::time::Duration;

use autopilot_engine::{EnqueueError, Job, JobId, NewJob, enqueue};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use sqlx::PgConnection;

use super::stripe_event::{StripeEvent, acts_on};
use crate::state::inbox::{self, EventState, NewEvent};

/// How the inbox names this provider.
pub const PROVIDER: &str = "stripe";

/// The queue that events wait in, for a wake-up after the commit.
pub const QUEUE: &str = StripeEvent::QUEUE;

const IGNORED: &str = "nothing here acts on this type";
const UNREADABLE: &str =
    "the signature is right, but the body is no event: JSON with `id` and `type` is expected";

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

/// An authentic delivery that was read and is to be recorded.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The event's, or the digest of a body that has no readable one.
    id: String,
    kind: String,
    body: Bytes,
    headers: Value,
    meaning: Meaning,
}

#[derive(Debug, Clone)]
enum Meaning {
    /// This job acts on it.
    Job(Box<NewJob>),
    /// Nothing acts on its type.
    Nothing,
    Unreadable,
}

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

impl Delivery {
    /// Reads a delivery. `digest` names a body that has no readable id; it must be the same for the same bytes.
    ///
    /// # Errors
    /// When its job cannot be written as JSON.
    pub fn read(
        body: Bytes,
        headers: Value,
        digest: impl FnOnce(&[u8]) -> String,
    ) -> Result<Self, EnqueueError> {
        let event = serde_json::from_slice::<Envelope>(&body).ok().filter(Envelope::is_plain);
        let Some(Envelope { id, kind }) = event else {
            let (id, kind) = (digest(&body), "unreadable".to_owned());
            return Ok(Self { id, kind, body, headers, meaning: Meaning::Unreadable });
        };
        let meaning = if acts_on(&kind) {
            // Once by the inbox's key: recording another would only cost.
            Meaning::Job(Box::new(NewJob::of(&StripeEvent { event: id.clone() })?.named(&id)))
        } else {
            Meaning::Nothing
        };
        Ok(Self { id, kind, body, headers, meaning })
    }

    /// How it stands in the inbox: the event's id, or the digest of its body.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The bytes of its body.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.len()
    }

    /// What becomes of it where it is new.
    fn outcome(&self) -> Received {
        match &self.meaning {
            Meaning::Job(job) => Received::Enqueued(job.id()),
            Meaning::Nothing => Received::Ignored,
            Meaning::Unreadable => Received::Unreadable,
        }
    }

    /// Its row of the inbox.
    fn event(&self) -> NewEvent<'_> {
        let (state, reason, job) = match &self.meaning {
            Meaning::Job(job) => (EventState::Received, None, Some(job.id())),
            Meaning::Nothing => (EventState::Ignored, Some(IGNORED), None),
            Meaning::Unreadable => (EventState::Failed, Some(UNREADABLE), None),
        };
        NewEvent {
            event_id: &self.id,
            event_type: &self.kind,
            payload: &self.body,
            headers: &self.headers,
            state,
            reason,
            job,
        }
    }
}

/// Records authentic deliveries and enqueues the jobs of those that are new, in the caller's transaction.
///
/// Two statements, however many they are. The answers are in their order; of an event that is there twice, the second is a
/// duplicate.
///
/// Acknowledge them only after the commit. From here to its end, the transaction waits at most `patience` for anybody's
/// lock; zero waits for ever.
///
/// # Errors
/// When the database refuses any of them, or patience ran out: then nothing is recorded. Answer 5xx, so that Stripe
/// delivers them again, or try each by itself.
pub async fn receive(
    conn: &mut PgConnection,
    deliveries: &[&Delivery],
    patience: Duration,
) -> Result<Vec<Received>, EnqueueError> {
    let events: Vec<NewEvent<'_>> = deliveries.iter().map(|delivery| delivery.event()).collect();
    let mut new = inbox::record(&mut *conn, PROVIDER, &events, patience).await?;
    let (mut received, mut jobs) = (Vec::with_capacity(deliveries.len()), Vec::new());
    for delivery in deliveries {
        if new.remove(&delivery.id) {
            if let Meaning::Job(job) = &delivery.meaning {
                jobs.push(job.as_ref().clone());
            }
            received.push(delivery.outcome());
        } else {
            received.push(Received::Duplicate);
        }
    }
    // The inbox has let each through once: their jobs need no key of their own.
    if !jobs.is_empty() {
        let _new = enqueue(conn, &jobs).await?;
    }
    Ok(received)
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
