//! What a provider delivered, read and ready to be recorded: the write side of every webhook, for whoever has verified the
//! signature.

use std::time::Duration;

use autopilot_engine::{EnqueueError, JobId, NewJob, enqueue};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use crate::state::inbox::{self, EventState, NewEvent};
use crate::state::provider::Provider;

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
    /// Authentic, but nothing that we can read: recorded as failed, for a person.
    Unreadable,
}

/// An authentic delivery that was read and is to be recorded.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub(super) provider: Provider,
    /// The provider's id, or the digest of a body that has no readable one.
    pub(super) id: String,
    pub(super) kind: String,
    /// When it happened, where the provider says so.
    pub(super) occurred_at: Option<DateTime<Utc>>,
    pub(super) body: Bytes,
    pub(super) headers: Value,
    pub(super) meaning: Meaning,
}

/// What is to become of a delivery that is new.
#[derive(Debug, Clone)]
pub(super) enum Meaning {
    /// This job acts on it.
    Job(Box<NewJob>),
    /// Nothing acts on its type.
    Nothing,
    /// Why it cannot be read.
    Unreadable(&'static str),
}

const IGNORED: &str = "nothing here acts on this type";

impl Delivery {
    /// Who sent it.
    #[must_use]
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// How it stands in the inbox: the provider's id, or the digest of its body.
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
            Meaning::Unreadable(_) => Received::Unreadable,
        }
    }

    /// Its row of the inbox.
    fn event(&self) -> NewEvent<'_> {
        let (state, reason, job) = match &self.meaning {
            Meaning::Job(job) => (EventState::Received, None, Some(job.id())),
            Meaning::Nothing => (EventState::Ignored, Some(IGNORED), None),
            Meaning::Unreadable(why) => (EventState::Failed, Some(*why), None),
        };
        NewEvent {
            provider: self.provider,
            event_id: &self.id,
            event_type: &self.kind,
            occurred_at: self.occurred_at,
            payload: &self.body,
            headers: &self.headers,
            state,
            reason,
            job,
        }
    }
}

/// Whether a provider's name for something fits into a row: a NUL would make the database refuse it at every delivery.
pub(super) fn is_plain(name: &str) -> bool {
    (1..=255).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Records authentic deliveries and enqueues the jobs of those that are new, in the caller's transaction.
///
/// Two statements, however many they are, and whoever sent them. The answers are in their order; of an event that is there
/// twice, the second is a duplicate.
///
/// Acknowledge them only after the commit. From here to its end, the transaction waits at most `patience` for anybody's
/// lock; zero waits for ever.
///
/// # Errors
/// When the database refuses any of them, or patience ran out: then nothing is recorded. Answer 5xx, so that the provider
/// delivers them again, or try each by itself.
pub async fn receive(
    conn: &mut PgConnection,
    deliveries: &[&Delivery],
    patience: Duration,
) -> Result<Vec<Received>, EnqueueError> {
    let events: Vec<NewEvent<'_>> = deliveries.iter().map(|delivery| delivery.event()).collect();
    let mut new = inbox::record(&mut *conn, &events, patience).await?;
    let (mut received, mut jobs) = (Vec::with_capacity(deliveries.len()), Vec::new());
    for delivery in deliveries {
        if new.remove(&(delivery.provider, delivery.id.clone())) {
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
