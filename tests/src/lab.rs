//! Jobs whose code is a closure of the test, and the outside world that they act on.

mod worlds;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use autopilot_engine::{
    Job, Limit, NewJob, Planned, Registry, Result, Run, StepKey, Unique, WorkspaceId,
};
use serde::{Deserialize, Serialize};

use crate::gate::Gate;

/// The future of a job's code.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result> + Send + 'a>>;

/// The code of a job: its label and its run.
pub type Body = dyn for<'a, 'r> Fn(&'a str, &'a mut Run<'r, Lab>) -> Running<'a> + Send + Sync;

/// What the jobs of a test touch: a provider that honours keys, a log and gates.
pub struct Lab {
    body: Box<Body>,
    calls: Mutex<Vec<String>>,
    effects: Mutex<BTreeMap<String, String>>,
    gates: Mutex<BTreeMap<&'static str, Arc<Gate>>>,
}

impl Lab {
    /// A lab whose jobs run `body`. Write it `|label, run| Box::pin(async move { .. })`.
    pub fn new<F>(body: F) -> Self
    where
        F: for<'a, 'r> Fn(&'a str, &'a mut Run<'r, Self>) -> Running<'a> + Send + Sync + 'static,
    {
        Self {
            body: Box::new(body),
            calls: Mutex::default(),
            effects: Mutex::default(),
            gates: Mutex::default(),
        }
    }

    /// The kinds that a lab's jobs can have.
    #[must_use]
    pub fn registry() -> Registry<Self> {
        Registry::new()
            .register::<Script>()
            .register::<PlannedScript>()
            .register::<TurnsScript>()
            .register::<LimitedScript>()
    }

    /// Calls the provider under a key, which takes effect once however often it is called.
    ///
    /// # Errors
    /// Never: it returns what a step returns, to be its last line.
    pub fn call(&self, what: &str, key: &StepKey) -> Result {
        self.note(what);
        let mut effects = self.effects.lock().unwrap_or_else(PoisonError::into_inner);
        effects.entry(key.to_string()).or_insert_with(|| what.to_owned());
        Ok(())
    }

    /// Notes that something ran.
    pub fn note(&self, what: &str) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(what.to_owned());
    }

    /// All that ran, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often something ran.
    #[must_use]
    pub fn count(&self, what: &str) -> usize {
        self.calls().iter().filter(|call| *call == what).count()
    }

    /// The effects that the provider has seen, one for each key, in alphabetical order.
    #[must_use]
    pub fn effects(&self) -> Vec<String> {
        let effects = self.effects.lock().unwrap_or_else(PoisonError::into_inner);
        let mut effects: Vec<String> = effects.values().cloned().collect();
        effects.sort();
        effects
    }

    /// The gate of a name; made when it is first asked for.
    pub fn gate(&self, name: &'static str) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(name).or_default())
    }
}

impl Debug for Lab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lab").field("calls", &self.calls()).finish_non_exhaustive()
    }
}

/// A job without a plan; the lab's closure is its code.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Script {
    /// What the closure is told.
    pub label: String,
    /// The job's unique key.
    pub unique: Option<String>,
}

impl Script {
    /// A job with this label.
    #[must_use]
    pub fn new(label: &str) -> Self {
        Self { label: label.to_owned(), unique: None }
    }

    /// Gives it a unique key.
    #[must_use]
    pub fn unique(mut self, key: &str) -> Self {
        self.unique = Some(key.to_owned());
        self
    }

    /// As a job that can be enqueued.
    ///
    /// # Panics
    /// Never: a script is JSON.
    #[must_use]
    pub fn job(&self) -> NewJob {
        NewJob::of(self).unwrap()
    }
}

impl Job for Script {
    type App = Lab;
    const KIND: &'static str = "test.script";

    fn unique(&self) -> Option<Unique> {
        self.unique.as_deref().map(Unique::key)
    }

    async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
        let lab = run.app;
        (lab.body)(&self.label, run).await
    }
}

/// A job of a workspace that takes turns with others.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TurnsScript {
    /// What the closure is told.
    pub label: String,
    /// Whose it is.
    pub workspace: WorkspaceId,
}

impl TurnsScript {
    /// A job of a workspace, with this label.
    #[must_use]
    pub fn new(workspace: WorkspaceId, label: &str) -> Self {
        Self { label: label.to_owned(), workspace }
    }

    /// As a job that can be enqueued.
    ///
    /// # Panics
    /// Never: a script is JSON.
    #[must_use]
    pub fn job(&self) -> NewJob {
        NewJob::of(self).unwrap()
    }
}

impl Job for TurnsScript {
    type App = Lab;
    const KIND: &'static str = "test.turns";
    const TURNS: bool = true;

    fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
        let lab = run.app;
        (lab.body)(&self.label, run).await
    }
}

/// A job that its limits have to allow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LimitedScript {
    /// What the closure is told.
    pub label: String,
    /// What has to allow it.
    pub limits: Vec<Limit>,
    /// The key by which the last one counts.
    pub unique: Option<String>,
}

impl LimitedScript {
    /// A job with this label and these limits.
    #[must_use]
    pub fn new(label: &str, limits: &[Limit]) -> Self {
        Self { label: label.to_owned(), limits: limits.to_vec(), unique: None }
    }

    /// The same, of which only the last one with this key counts.
    #[must_use]
    pub fn unique(self, key: &str) -> Self {
        Self { unique: Some(key.to_owned()), ..self }
    }

    /// As a job that can be enqueued.
    ///
    /// # Panics
    /// When a limit makes no sense.
    #[must_use]
    pub fn job(&self) -> NewJob {
        NewJob::of(self).unwrap()
    }
}

impl Job for LimitedScript {
    type App = Lab;
    const KIND: &'static str = "test.limited";

    fn unique(&self) -> Option<Unique> {
        self.unique.as_deref().map(|key| Unique::key(key).replace())
    }

    fn limits(&self) -> Vec<Limit> {
        self.limits.clone()
    }

    async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
        let lab = run.app;
        (lab.body)(&self.label, run).await
    }
}

/// A durable run with three planned steps: `one` (10), `two` (20) and `three` (70).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PlannedScript {
    /// What the closure is told.
    pub label: String,
}

impl Job for PlannedScript {
    type App = Lab;
    const KIND: &'static str = "test.planned";
    const STEPS: &'static [Planned] =
        &[Planned::new("one", 10), Planned::new("two", 20), Planned::new("three", 70)];

    async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
        let lab = run.app;
        (lab.body)(&self.label, run).await
    }
}
