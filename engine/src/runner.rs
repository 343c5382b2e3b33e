//! The only place that knows apalis: our claimed jobs as its `Backend`, an attempt as its service. What was claimed,
//! acked or rescued is decided elsewhere; apalis runs futures and stops when they have ended. Here is the worker that the
//! engine builds for itself; [`JobBackend`] is for those who build their own.

mod attempt;
mod backend;
mod handout;

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::task::{Context, Poll};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::error::WorkerError;
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::TaskId;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::context::WorkerContext;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::attempt::{Claimed, Stage};
use crate::lease::{Claim, Lease};

pub use attempt::Attempt;
pub use backend::JobBackend;
pub(crate) use handout::{Outlet, hand_out};

/// A claimed job on its way to its attempt. It holds a slot of its queue until the attempt has ended.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) job: Claimed,
    pub(crate) slot: OwnedSemaphorePermit,
}

/// What one claim brought. It travels as one task: a task for each job would cost as much as the job.
pub(crate) type Hand = Vec<Ticket>;

/// Runs attempts until `stop`, then waits for those that have begun. Hands that had not begun come back.
pub(crate) async fn run<A: Send + Sync + 'static>(
    stage: Arc<Stage<A>>,
    hands: mpsc::Receiver<Hand>,
    returned: mpsc::UnboundedSender<Hand>,
    freed: Arc<Notify>,
    stop: CancellationToken,
) {
    let name = stage.world.lease.worker.to_string();
    let serve = move |hand: Hand| {
        let (alive, ended) = oneshot::channel::<Infallible>();
        begin(&stage, hand, &freed, alive);
        async move {
            // Until every attempt has dropped its share of the sender.
            drop(ended.await);
        }
    };
    let worker =
        WorkerBuilder::new(name).backend(Local { hands, returned, handed: 0 }).build(serve);
    let stopped = async move {
        stop.cancelled().await;
        Ok::<(), WorkerError>(())
    };
    if let Err(error) = worker.run_until(stopped).await {
        tracing::error!(%error, "the runner broke");
    }
}

/// Begins each attempt in a task of its own: all handlers of an apalis worker share one.
fn begin<A: Send + Sync + 'static>(
    stage: &Arc<Stage<A>>,
    hand: Hand,
    freed: &Arc<Notify>,
    alive: oneshot::Sender<Infallible>,
) {
    let lease = Arc::clone(&stage.world.lease);
    let common = Arc::new(Common { lease, freed: Arc::clone(freed), _alive: Some(alive) });
    let attempts: Vec<(Claim, AbortHandle)> = hand
        .into_iter()
        .map(|Ticket { job, slot }| {
            let claim = job.claim;
            let place = Place { claim, slot: Some(slot), common: Arc::clone(&common) };
            let stage = Arc::clone(stage);
            let attempt = tokio::spawn(async move {
                let _place = place;
                let Stage { app, world, registry } = stage.as_ref();
                // What becomes of the job is written; nobody else asks.
                drop(crate::attempt::run(app.as_ref(), world, registry, job, pending()).await);
            });
            (claim, attempt.abort_handle())
        })
        .collect();
    stage.world.lease.begin(attempts);
}

/// What an attempt takes up in this process, until it ends in whatever way.
struct Place {
    claim: Claim,
    slot: Option<OwnedSemaphorePermit>,
    common: Arc<Common>,
}

/// What the attempts of a hand share.
struct Common {
    lease: Arc<Lease>,
    freed: Arc<Notify>,
    /// Gone when all of them have ended.
    _alive: Option<oneshot::Sender<Infallible>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.common.lease.release(self.claim);
        drop(self.slot.take());
        self.common.freed.notify_one();
    }
}

/// What this process has claimed and not begun.
struct Local {
    hands: mpsc::Receiver<Hand>,
    returned: mpsc::UnboundedSender<Hand>,
    handed: u64,
}

impl Backend for Local {
    type Task = Task<Hand>;
    // An error out of a backend ends the worker, so this one never has any.
    type Error = Infallible;

    fn poll_ready(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Task<Hand>, Infallible>>> {
        self.hands.poll_recv(cx).map(|hand| {
            // Without an id, apalis panics where its feature `task-context` is on.
            self.handed += 1;
            hand.map(|hand| Ok(TaskBuilder::new(hand).task_id(TaskId::Int(self.handed)).build()))
        })
    }

    fn poll_close(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        self.hands.close();
        while let Ok(hand) = self.hands.try_recv() {
            drop(self.returned.send(hand));
        }
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Local {
    type Args = Hand;
    type Id = u64;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = tower_layer::Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Self::Layer {
        tower_layer::Identity::new()
    }
}
