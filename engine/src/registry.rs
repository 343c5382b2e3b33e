//! The list of everything that a process can run: kind to code.

use std::collections::HashMap;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;

use crate::cron::Schedule;
use crate::enqueue::{EnqueueError, NewJob};
use crate::failure::Result;
use crate::job::{Job, Planned};
use crate::retry::Retry;
use crate::run::Run;

/// What a process can run, by kind.
#[derive(Debug)]
pub struct Registry<A> {
    kinds: HashMap<&'static str, Box<dyn Kind<A>>>,
    schedules: Vec<Schedule>,
}

/// Why a job could not be made from a kind and a payload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownJob {
    /// No such kind is registered.
    #[error("no job of kind {0:?} is known here; known kinds: {1}")]
    Kind(String, String),
    /// The payload does not fit the kind.
    #[error("the payload does not fit kind {0}: {1}")]
    Payload(&'static str, serde_json::Error),
    /// The job could not be written back as JSON.
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
}

pub(crate) type Running<'r> = Pin<Box<dyn Future<Output = Result> + Send + 'r>>;

/// A kind of job with its type erased.
pub(crate) trait Kind<A>: std::fmt::Debug + Send + Sync {
    fn retry(&self) -> Retry;
    fn plan(&self) -> &'static [Planned];
    /// The steps that were in the plan once.
    fn retired(&self) -> &'static [&'static str];
    fn timeout(&self) -> Option<Duration>;
    fn decode(&self, payload: &str)
    -> std::result::Result<Box<dyn Runnable<A>>, serde_json::Error>;
    fn new_job(&self, payload: &Value) -> std::result::Result<NewJob, UnknownJob>;
}

/// A decoded job, ready to run.
pub(crate) trait Runnable<A>: Send + Sync {
    fn run<'r>(&'r self, run: &'r mut Run<'_, A>) -> Running<'r>;
}

struct Of<J>(PhantomData<fn() -> J>);

impl<J: Job> std::fmt::Debug for Of<J> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(J::KIND)
    }
}

impl<J: Job> Kind<J::App> for Of<J> {
    fn retry(&self) -> Retry {
        J::RETRY
    }

    fn plan(&self) -> &'static [Planned] {
        J::STEPS
    }

    fn retired(&self) -> &'static [&'static str] {
        J::RETIRED
    }

    fn timeout(&self) -> Option<Duration> {
        J::TIMEOUT
    }

    fn decode(
        &self,
        payload: &str,
    ) -> std::result::Result<Box<dyn Runnable<J::App>>, serde_json::Error> {
        Ok(Box::new(Decoded(serde_json::from_str::<J>(payload)?)))
    }

    fn new_job(&self, payload: &Value) -> std::result::Result<NewJob, UnknownJob> {
        let job = J::deserialize(payload).map_err(|error| UnknownJob::Payload(J::KIND, error))?;
        Ok(NewJob::of(&job)?)
    }
}

struct Decoded<J>(J);

impl<J: Job> Runnable<J::App> for Decoded<J> {
    fn run<'r>(&'r self, run: &'r mut Run<'_, J::App>) -> Running<'r> {
        Box::pin(self.0.run(run))
    }
}

impl<A: Send + Sync + 'static> Registry<A> {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self { kinds: HashMap::new(), schedules: Vec::new() }
    }

    /// Adds a kind of job.
    ///
    /// # Panics
    /// When two types claim the same kind: rows of the one would be run by the other.
    #[must_use]
    #[expect(
        clippy::panic,
        reason = "a duplicate kind is a bug that must stop the program at its start"
    )]
    pub fn register<J: Job<App = A>>(mut self) -> Self {
        if self.kinds.insert(J::KIND, Box::new(Of::<J>(PhantomData))).is_some() {
            panic!("kind {} is registered twice", J::KIND);
        }
        self
    }

    /// Adds a schedule, which every worker of this registry looks after.
    ///
    /// # Panics
    /// When two schedules have the same name: one would take the ticks of the other. When its kind is not registered.
    #[must_use]
    #[expect(
        clippy::panic,
        reason = "a schedule that cannot work is a bug that must stop the program at its start"
    )]
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        let Schedule { name, kind, .. } = &schedule;
        if self.schedules.iter().any(|other| other.name == *name) {
            panic!("schedule {name} is registered twice");
        }
        if self.get(kind).is_none() {
            panic!("schedule {name} is of kind {kind}, which is not registered before it");
        }
        self.schedules.push(schedule);
        self
    }

    pub(crate) fn schedules(&self) -> &[Schedule] {
        &self.schedules
    }

    pub(crate) fn get(&self, kind: &str) -> Option<&dyn Kind<A>> {
        self.kinds.get(kind).map(Box::as_ref)
    }

    /// A job from its kind and payload, for those who know it only by name.
    ///
    /// # Errors
    /// When the kind is unknown or the payload does not fit it.
    pub fn new_job(&self, kind: &str, payload: &Value) -> std::result::Result<NewJob, UnknownJob> {
        self.get(kind)
            .ok_or_else(|| UnknownJob::Kind(kind.to_owned(), self.known()))?
            .new_job(payload)
    }

    /// The kinds, in order.
    #[must_use]
    pub fn kinds(&self) -> Vec<String> {
        let mut kinds: Vec<String> = self.kinds.keys().map(|kind| (*kind).to_owned()).collect();
        kinds.sort_unstable();
        kinds
    }

    /// The kinds, in order, for messages.
    #[must_use]
    pub fn known(&self) -> String {
        self.kinds().join(", ")
    }
}

impl<A: Send + Sync + 'static> Default for Registry<A> {
    fn default() -> Self {
        Self::new()
    }
}
