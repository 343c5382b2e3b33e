//! The queue as the backend of an apalis worker that somebody else builds.

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::metadata::MetadataStore;
use apalis_core::task::task_id::TaskId;
use apalis_core::worker::context::WorkerContext;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Attempt, Outlet};
use crate::worker::WorkerError;

/// How often it is looked whether the apalis worker is to stop: it tells its backend only when nothing runs any more, and
/// nothing may be claimed until then.
const LOOK: Duration = Duration::from_millis(100);

/// Our queue as the backend of an apalis worker, made by [`Worker::into_backend`](crate::Worker::into_backend), for those who
/// bring tower layers of their own; `examples/jobs/apalis_worker.rs` shows it:
///
/// ```ignore
/// let queue = Worker::new(pool, app, registry, WorkerConfig::default()).into_backend();
/// let worker = WorkerBuilder::new("greeter").backend(queue).layer(their_layer).build(Attempt::run);
/// worker.run_until(tokio::signal::ctrl_c()).await?;
/// ```
///
/// Each claimed job is one task, an [`Attempt`]. Layers read the job's id as the task's, how often it was attempted, the process
/// that holds it (`lock_by`), and `kind`, `workspace` and `crashes` from the metadata; and they see whether it failed. Everything
/// else stays with the engine and goes on beside the worker, from the first poll to the last: heartbeat, claims, limits, rescue,
/// schedules. So:
///
/// - How many run at a time is for [`WorkerConfig::queues`](crate::WorkerConfig) to say: what a layer holds back is held from
///   other processes too.
/// - Retries are the job's own. A layer that repeats a task cannot be built in, for an attempt cannot be cloned.
/// - A stop (`run_until`, the context's, a `Monitor`'s) is a drain (L9): nothing more is claimed, what runs ends within
///   [`WorkerConfig::drain`](crate::WorkerConfig), the rest is given back. The worker ends when all of that is written.
/// - A worker that is dropped, or panics, is a process that crashed: its jobs are taken over when the lease has run out.
/// - Declared dead, it goes on as a new incarnation; the attempts of the old one end as
///   [`AttemptError::Lost`](crate::AttemptError::Lost).
/// - What cannot start ends the worker with an error; a `Monitor` may make another. A database that goes away later is waited for.
/// - A worker that is paused by apalis keeps what it has claimed; pause the queue instead ([`ops::pauses`](crate::ops::pauses)).
///
/// It runs on Tokio.
#[must_use = "a backend does nothing until an apalis worker polls it"]
pub struct JobBackend {
    keeper: Keeper,
    attempts: mpsc::UnboundedReceiver<Attempt>,
    stop: CancellationToken,
    abandoned: CancellationToken,
}

type Life = Pin<Box<dyn Future<Output = Result<(), WorkerError>> + Send>>;

/// The process that the attempts come from.
enum Keeper {
    Unborn(Life),
    Alive(JoinHandle<Result<(), WorkerError>>),
    Ended,
}

impl JobBackend {
    pub(crate) fn new<F>(live: impl FnOnce(Outlet, CancellationToken) -> F) -> Self
    where
        F: Future<Output = Result<(), WorkerError>> + Send + 'static,
    {
        let (stop, abandoned) = (CancellationToken::new(), CancellationToken::new());
        let (sender, attempts) = mpsc::unbounded_channel();
        let outlet = Outlet { attempts: sender, abandoned: abandoned.clone() };
        let keeper = Keeper::Unborn(Box::pin(live(outlet, stop.clone())));
        Self { keeper, attempts, stop, abandoned }
    }

    /// Begins with the first poll, when the worker's context is there to be looked at.
    fn begin(&mut self, worker: &WorkerContext) {
        if !matches!(self.keeper, Keeper::Unborn(_)) {
            return;
        }
        if let Keeper::Unborn(life) = std::mem::replace(&mut self.keeper, Keeper::Ended) {
            self.keeper = Keeper::Alive(tokio::spawn(life));
            tokio::spawn(watch(worker.clone(), self.stop.clone(), self.abandoned.clone()));
        }
    }

    /// Waits until the process has drained, or could not go on.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WorkerError>> {
        let Keeper::Alive(keeper) = &mut self.keeper else { return Poll::Ready(Ok(())) };
        let ended = ready!(Pin::new(keeper).poll(cx));
        self.keeper = Keeper::Ended;
        Poll::Ready(ended.unwrap_or_else(|panic| Err(WorkerError::Runner(panic.to_string()))))
    }
}

/// Asks the process to stop when the apalis worker is to.
async fn watch(worker: WorkerContext, stop: CancellationToken, abandoned: CancellationToken) {
    while !worker.is_shutting_down() {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
            () = abandoned.cancelled() => return,
        }
    }
    stop.cancel();
}

impl Backend for JobBackend {
    type Task = Task<Attempt>;
    type Error = WorkerError;

    fn poll_ready(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Result<(), WorkerError>> {
        self.begin(worker);
        match self.poll_ended(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, WorkerError>>> {
        let attempt = ready!(self.attempts.poll_recv(cx));
        Poll::Ready(attempt.map(|attempt| Ok(task(attempt))))
    }

    fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), WorkerError>> {
        self.stop.cancel();
        self.poll_ended(cx)
    }
}

/// The attempt as a task that layers can read.
fn task(attempt: Attempt) -> Task<Attempt> {
    let mut metadata = MetadataStore::new();
    let about = [
        ("kind", attempt.kind().to_owned()),
        ("workspace", attempt.workspace().to_string()),
        ("crashes", attempt.crashes().to_string()),
    ];
    for (name, value) in about {
        // Refused only where a name comes twice.
        drop(metadata.insert(name, value));
    }
    // Apalis counts the attempt when it begins.
    let before = usize::try_from(attempt.number().saturating_sub(1)).unwrap_or(usize::MAX);
    let (job, process) = (attempt.job().to_string(), attempt.process().to_string());
    TaskBuilder::new(attempt)
        .task_id(TaskId::from_string(job))
        .attempt(before)
        .lock_by(Some(process))
        .with_metadata(metadata)
        .build()
}

impl BackendConfig for JobBackend {
    type Args = Attempt;
    type Id = String;
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

impl Drop for JobBackend {
    fn drop(&mut self) {
        // First of all: what is dropped along with the worker was not dropped by a layer.
        self.abandoned.cancel();
        if let Keeper::Alive(keeper) = &self.keeper {
            keeper.abort();
        }
    }
}

impl fmt::Debug for JobBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobBackend").finish_non_exhaustive()
    }
}
