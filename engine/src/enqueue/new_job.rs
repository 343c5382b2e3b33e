//! A job that is to be enqueued, and how its identity is derived.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::sealed::is_sealed;
use super::{EnqueueError, tags};
use crate::committer::Family;
use crate::ids::{JobId, WorkspaceId};
use crate::job::{Job, Planned, Priority};
use crate::limit::Limit;
use crate::unique::Unique;

/// A job that is to be enqueued.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    pub(crate) id: JobId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) kind: String,
    pub(crate) queue: String,
    pub(crate) priority: Priority,
    /// The workspace's own share, where it takes turns with others; 0 otherwise.
    pub(crate) share: i32,
    pub(crate) due: Due,
    pub(crate) unique: Option<Unique>,
    pub(crate) key: Option<Key>,
    /// JSON.
    pub(crate) payload: String,
    /// Its payload is to be sealed and is not yet.
    pub(crate) open: bool,
    pub(crate) tags: Vec<String>,
    pub(crate) family: Option<Family>,
    /// JSON.
    pub(crate) limits: Option<String>,
    /// JSON.
    pub(crate) plan: Option<String>,
    /// The first step of the plan.
    pub(crate) first_step: Option<&'static str>,
}

/// An idempotency key, derived; and for how long it stands for its job, if not for good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Key {
    pub(crate) id: Uuid,
    pub(crate) window: Option<Duration>,
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

/// The share in which a workspace's jobs stand where workspaces take turns, as `engine.share` computes it.
pub(crate) fn share(workspace: WorkspaceId) -> i32 {
    let words = workspace.uuid().as_u128();
    let word = |place: u32| u32::try_from(words >> (32 * place) & 0xffff_ffff).unwrap_or_default();
    let bits = word(0) ^ word(1) ^ word(2) ^ word(3);
    i32::try_from(bits & 0x7fff_ffff).unwrap_or(i32::MAX).max(1)
}

/// The longest payload, in bytes of JSON: a claim brings a hundred of them at once.
const LONGEST_PAYLOAD: usize = 1024 * 1024;

pub(crate) fn payload_problem(payload: &str) -> Option<String> {
    (payload.len() > LONGEST_PAYLOAD).then(|| {
        format!(
            "its payload has {} bytes and {LONGEST_PAYLOAD} are the most; keep what is large elsewhere and enqueue where it is",
            payload.len()
        )
    })
}

/// Of a payload that would be taken for a sealed one.
const SEALED_ALREADY: &str = "its payload is an object whose first field is `$sealed`, which is what sealed payloads are told by; name it otherwise";

impl NewJob {
    /// A job that is due at once.
    ///
    /// # Errors
    /// When the job cannot be written as JSON, is longer than 1 MiB, or says something of itself that makes no sense: a limit
    /// of zero, a key or a tag that is empty, too long or contains NUL, a first field called `$sealed`.
    pub fn of<J: Job>(job: &J) -> Result<Self, EnqueueError> {
        let encode = |source| EnqueueError::Encode { kind: J::KIND.to_owned(), source };
        let plan: &[Planned] = J::STEPS;
        let payload = serde_json::to_string(job).map_err(encode)?;
        let (unique, mut limits) = (job.unique(), job.limits());
        let tags = job.tags();
        let problem = payload_problem(&payload)
            .or_else(|| is_sealed(&payload).then(|| SEALED_ALREADY.to_owned()))
            .or_else(|| Limit::problem(&limits))
            .or_else(|| unique.as_ref().and_then(Unique::problem))
            .or_else(|| tags::problem(&tags));
        if let Some(problem) = problem {
            return Err(EnqueueError::Invalid { kind: J::KIND.to_owned(), problem });
        }
        if let Some(unique) = unique.as_ref().filter(|unique| unique.until_begun) {
            let key = format!("{}\n{}", J::KIND, unique.key);
            limits.push(Limit::run_again(&Uuid::new_v5(&KEY_NAMESPACE, key.as_bytes())));
        }
        let new = Self {
            id: JobId::now_v7(),
            workspace: job.workspace(),
            kind: J::KIND.to_owned(),
            queue: J::QUEUE.to_owned(),
            priority: J::PRIORITY,
            share: if J::TURNS { share(job.workspace()) } else { 0 },
            due: Due::Now,
            unique: None,
            key: None,
            payload,
            open: J::SEALED,
            tags,
            family: None,
            limits: if limits.is_empty() {
                None
            } else {
                Some(serde_json::to_string(&limits).map_err(encode)?)
            },
            plan: if plan.is_empty() {
                None
            } else {
                Some(serde_json::to_string(plan).map_err(encode)?)
            },
            first_step: plan.first().map(|planned| planned.name),
        };
        Ok(match unique {
            Some(unique) => new.unique(unique),
            None => new,
        })
    }

    /// The caller's idempotency key, for example a webhook's event id. A second enqueue of the same workspace,
    /// kind and key answers with the first job, also when that has finished. The job's id is derived from it,
    /// so that after a failover that lost the last commits the same event carries the same keys to providers.
    /// It takes the place of the window of a unique key.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        let id = self.derived(key);
        self.key = Some(Key { id, window: None });
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

    /// The same as a child of a run, under an id that is its own in that run: enqueued again, it is the same.
    pub(crate) fn child(mut self, id: JobId, family: Family) -> Result<Self, EnqueueError> {
        if self.unique.is_some() || self.key.is_some() {
            let problem = "a child has no unique key: it would be somebody else's job".to_owned();
            return Err(EnqueueError::Invalid { kind: self.kind, problem });
        }
        self.id = id;
        self.key = Some(Key { id: id.uuid(), window: None });
        self.family = Some(family);
        Ok(self)
    }

    /// The same with one limit more.
    pub(crate) fn limited(mut self, limit: Limit) -> Result<Self, EnqueueError> {
        let own = self.limits.as_deref().unwrap_or("[]");
        let encode = |source| EnqueueError::Encode { kind: self.kind.clone(), source };
        let mut limits: Vec<Limit> = serde_json::from_str(own).map_err(encode)?;
        limits.push(limit);
        if let Some(problem) = Limit::problem(&limits) {
            return Err(EnqueueError::Invalid { kind: self.kind, problem });
        }
        self.limits = Some(serde_json::to_string(&limits).map_err(encode)?);
        Ok(self)
    }

    /// The same once more, as another job.
    pub(crate) fn again(&self) -> Self {
        Self { id: JobId::now_v7(), ..self.clone() }
    }

    fn unique(mut self, unique: Unique) -> Self {
        if let Some(window) = unique.window {
            let key = format!("unique\n{}\n{}", self.kind, unique.key);
            let id = Uuid::new_v5(&KEY_NAMESPACE, key.as_bytes());
            self.key = Some(Key { id, window: Some(window) });
        }
        self.unique = Some(unique);
        self
    }

    /// Whether somebody has said which job it is.
    pub(crate) const fn has_key(&self) -> bool {
        self.key.is_some()
    }

    pub(crate) fn unique_key(&self) -> Option<&str> {
        self.unique.as_ref().map(|unique| unique.key.as_str())
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

    /// Whether it is nothing but a row in the queue.
    pub(crate) const fn is_bare(&self) -> bool {
        let is_keyed = self.unique.is_some() || self.key.is_some();
        !is_keyed && self.limits.is_none() && self.tags.is_empty() && !self.open
    }

    /// Whether nothing but itself decides whether it begins, and when.
    pub(crate) fn is_plain(&self) -> bool {
        self.due == Due::Now && self.is_bare()
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
