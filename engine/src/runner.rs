//! The only file that knows apalis: our claimed jobs as its `Backend`, an attempt as its service. What was claimed,
//! acked or rescued is decided elsewhere; apalis runs futures and stops when they have ended.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::error::WorkerError;
use apalis_core::task::Task;
use apalis_core::task::task_id::RandomId;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::context::WorkerContext;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use crate::attempt::{self, Claimed, Stage};

/// A claimed job on its way to its attempt. It holds a slot of its queue until the attempt has ended.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) job: Claimed,
    pub(crate) cancel: CancellationToken,
    pub(crate) slot: OwnedSemaphorePermit,
}

/// Runs attempts until `stop`, then waits for those that have begun. Tickets that had not begun come back.
pub(crate) async fn run<A: Send + Sync + 'static>(
    stage: Arc<Stage<A>>,
    tickets: mpsc::Receiver<Ticket>,
    returned: mpsc::UnboundedSender<Ticket>,
    ended: impl Fn() + Send + Sync + Clone + 'static,
    stop: CancellationToken,
) -> Result<(), WorkerError> {
    let name = stage.world.lease.worker.to_string();
    let serve = move |ticket: Ticket| {
        let (stage, ended) = (Arc::clone(&stage), ended.clone());
        async move {
            // Spawned, because all handlers of an apalis worker share one task.
            let attempt = tokio::spawn(async move {
                let claim = ticket.job.claim;
                attempt::run(
                    stage.app.as_ref(),
                    &stage.world,
                    &stage.registry,
                    ticket.job,
                    ticket.cancel,
                )
                .await;
                stage.world.lease.release(claim);
                drop(ticket.slot);
                ended();
            });
            if let Err(error) = attempt.await {
                tracing::error!(%error, "an attempt's task ended badly; its job is taken over after the lease");
            }
        }
    };
    let worker = WorkerBuilder::new(name).backend(Local { tickets, returned }).build(serve);
    let stopped = async move {
        stop.cancelled().await;
        Ok::<(), WorkerError>(())
    };
    worker.run_until(stopped).await
}

/// What this process has claimed and not begun.
struct Local {
    tickets: mpsc::Receiver<Ticket>,
    returned: mpsc::UnboundedSender<Ticket>,
}

impl Backend for Local {
    type Task = Task<Ticket>;
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
    ) -> Poll<Option<Result<Task<Ticket>, Infallible>>> {
        self.tickets.poll_recv(cx).map(|ticket| ticket.map(|ticket| Ok(Task::new(ticket))))
    }

    fn poll_close(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        self.tickets.close();
        while let Ok(ticket) = self.tickets.try_recv() {
            drop(self.returned.send(ticket));
        }
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Local {
    type Args = Ticket;
    type Id = RandomId;
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
