//! An apalis worker of somebody else's making, with a layer that does to attempts whatever a layer may do.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use apalis_core::error::BoxDynError;
use apalis_core::task::Task;
use apalis_core::worker::builder::WorkerBuilder;
use autopilot_engine::testing::{Process, World};
use autopilot_engine::{Attempt, Ended, WorkerError};
use tower::{Layer, Service};

use crate::gate::Gate;
use crate::lab::Lab;

type Ending = Result<Ended, BoxDynError>;

/// A layer that notes how attempts end, and may be told to hold tasks, to refuse them or to give them up half way.
#[derive(Debug, Clone, Default)]
pub struct Desk {
    seen: Arc<Mutex<Vec<String>>>,
    /// Tasks that are refused before they begin.
    refuses: Arc<Mutex<usize>>,
    /// What gives an attempt up that has begun.
    gives_up: Option<Arc<Gate>>,
    /// Which task is held before it begins, and until when.
    holds: Option<(usize, Arc<Gate>)>,
    calls: Arc<Mutex<usize>>,
}

/// What a desk makes of a service.
#[derive(Debug)]
pub struct AtDesk<S> {
    inner: S,
    desk: Desk,
}

impl<S> Layer<S> for Desk {
    type Service = AtDesk<S>;

    fn layer(&self, inner: S) -> AtDesk<S> {
        AtDesk { inner, desk: self.clone() }
    }
}

impl Desk {
    /// Gives up every attempt that has begun, once it is told to.
    #[must_use]
    pub fn giving_up() -> Self {
        Self { gives_up: Some(Arc::default()), ..Self::default() }
    }

    /// Refuses the first tasks.
    #[must_use]
    pub fn refusing(tasks: usize) -> Self {
        Self { refuses: Arc::new(Mutex::new(tasks)), ..Self::default() }
    }

    /// Holds one task, counted from 1, at the gate before it begins.
    #[must_use]
    pub fn holding(task: usize, gate: &Arc<Gate>) -> Self {
        Self { holds: Some((task, Arc::clone(gate))), ..Self::default() }
    }

    /// Gives attempts up from now on.
    pub fn give_up(&self) {
        self.gives_up.iter().for_each(|gate| gate.open());
    }

    /// The kind, the number and the end of each attempt, in the order in which they ended.
    ///
    /// # Panics
    /// When a layer has panicked.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Whether this task is refused.
    fn refuses(&self) -> bool {
        let mut left = self.refuses.lock().unwrap();
        let refuses = *left > 0;
        *left = left.saturating_sub(1);
        refuses
    }

    /// The gate that this task is held at.
    fn holds(&self) -> Option<Arc<Gate>> {
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        self.holds.as_ref().filter(|(which, _)| which == &*calls).map(|(_, gate)| Arc::clone(gate))
    }

    /// An apalis worker with this layer.
    pub fn start(&self, world: &World<Lab>) -> Process {
        let desk = self.clone();
        world.start_behind(|queue, stop| async move {
            let worker = WorkerBuilder::new("desk").backend(queue).layer(desk).build(Attempt::run);
            let stopped = async move {
                stop.cancelled().await;
                Ok::<(), apalis_core::error::WorkerError>(())
            };
            let ended = worker.run_until(stopped).await;
            ended.map_err(|error| WorkerError::Runner(error.to_string()))
        })
    }
}

impl<S> Service<Task<Attempt>> for AtDesk<S>
where
    S: Service<Task<Attempt>, Response = Ended, Error = BoxDynError, Future: Send + 'static>,
{
    type Response = Ended;
    type Error = BoxDynError;
    type Future = Pin<Box<dyn Future<Output = Ending> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, task: Task<Attempt>) -> Self::Future {
        let desk = self.desk.clone();
        if desk.refuses() {
            return Box::pin(async { Err("refused".into()) });
        }
        let about = format!("{} {}", task.metadata().get("kind").unwrap(), task.args.number());
        let (held, attempt) = (desk.holds(), self.inner.call(task));
        Box::pin(async move {
            if let Some(gate) = held {
                gate.pass().await;
            }
            let given_up = async {
                match &desk.gives_up {
                    Some(gate) => gate.pass().await,
                    None => std::future::pending().await,
                }
            };
            let ended = tokio::select! {
                biased;
                ended = attempt => ended,
                () = given_up => Err("given up".into()),
            };
            let told =
                ended.as_ref().map_or_else(ToString::to_string, |ended| format!("{ended:?}"));
            desk.seen.lock().unwrap().push(format!("{about}: {told}"));
            ended
        })
    }
}
