//! A job that is to be enqueued, and how its identity is derived.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::EnqueueError;
use crate::ids::{JobId, WorkspaceId};
use crate::job::{Job, Planned, Priority};

/// A job that is to be enqueued.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    pub(crate) id: JobId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) kind: String,
    pub(crate) queue: String,
    pub(crate) priority: Priority,
    pub(crate) due: Due,
    pub(crate) unique: Option<String>,
    pub(crate) key: Option<Uuid>,
    /// JSON.
    pub(crate) payload: String,
    /// JSON.
    pub(crate) plan: Option<String>,
    /// The first step of the plan.
    pub(crate) first_step: Option<&'static str>,
}

/// When a job is to run, by the database's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Due {
    Now,
    At(DateTime<Utc>),
    In(Duration),
}

/// The namespace of ids that are derived from idempotency keys and of step keys.
pub(crate) const KEY_NAMESPACE: Uuid = Uuid::from_u128(0x6175_746f_7069_6c6f_745f_656e_6769_6e65);

impl NewJob {
    /// A job that is due at once.
    ///
    /// # Errors
    /// When the job cannot be written as JSON.
    pub fn of<J: Job>(job: &J) -> Result<Self, EnqueueError> {
        let encode = |source| EnqueueError::Encode { kind: J::KIND.to_owned(), source };
        let plan: &[Planned] = J::STEPS;
        Ok(Self {
            id: JobId::now_v7(),
            workspace: job.workspace(),
            kind: J::KIND.to_owned(),
            queue: J::QUEUE.to_owned(),
            priority: J::PRIORITY,
            due: Due::Now,
            unique: job.unique(),
            key: None,
            payload: serde_json::to_string(job).map_err(encode)?,
            plan: if plan.is_empty() {
                None
            } else {
                Some(serde_json::to_string(plan).map_err(encode)?)
            },
            first_step: plan.first().map(|planned| planned.name),
        })
    }

    /// The caller's idempotency key, for example a webhook's event id. A second enqueue of the same workspace,
    /// kind and key answers with the first job, also when that has finished. The job's id is derived from it,
    /// so that after a failover that lost the last commits the same event carries the same keys to providers.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        let id = self.derived(key);
        self.key = Some(id);
        self.id = JobId::from(id);
        self
    }

    /// Derives the id from a name, as [`key`](Self::key) does, but records no key: whoever enqueues it sees to it that it is
    /// enqueued once, for example by a row of its own that is inserted in the same transaction. It costs half of a job
    /// with a key. Enqueueing it again while it is in the queue is an error of the database.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.id = JobId::from(self.derived(name));
        self
    }

    fn derived(&self, name: &str) -> Uuid {
        let name = format!("{}\n{}\n{name}", self.workspace, self.kind);
        Uuid::new_v5(&KEY_NAMESPACE, name.as_bytes())
    }

    /// Runs it not before `at`, by the database's clock.
    #[must_use]
    pub const fn at(mut self, at: DateTime<Utc>) -> Self {
        self.due = Due::At(at);
        self
    }

    /// Runs it not before `delay` has passed, by the database's clock.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.due = Due::In(delay);
        self
    }

    /// Another lane than the kind's own.
    #[must_use]
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Whether it has neither a time nor a key: nothing but itself decides whether it begins.
    pub(crate) fn is_plain(&self) -> bool {
        self.due == Due::Now && self.unique.is_none() && self.key.is_none()
    }

    /// The id that it is going to have, unless its idempotency key or its unique key stands for another job already. Derived
    /// from the key or the name where there is one, so that it may be written down beside whatever the job is about, before it exists.
    #[must_use]
    pub const fn id(&self) -> JobId {
        self.id
    }

    /// The queue that it goes to.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.queue
    }
}
