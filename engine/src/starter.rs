//! Starting a job in the process that asks for it: it is written as running here, in the same commit as whatever else the
//! process writes, and begins without a claim. Where that is not possible it waits in the queue like any other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::PgPool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::attempt::Claimed;
use crate::committer::{Change, CommitError, Committer, Ownership};
use crate::enqueue::{EnqueueError, Enqueued, Enqueuer, NewJob};
use crate::lease::{Claim, Lease};
use crate::runner::{Hand, Ticket};

/// Starts jobs on a worker of this process, see [`Worker::starter`](crate::Worker::starter); cheap to clone.
#[derive(Debug, Clone)]
pub struct Starter {
    enqueuer: Enqueuer,
    here: Arc<Here>,
}

/// The incarnation that is alive now, if one is.
#[derive(Debug, Default)]
pub(crate) struct Here {
    alive: Mutex<Option<Alive>>,
}

/// What it takes to begin a job.
#[derive(Debug, Clone)]
pub(crate) struct Alive {
    pub(crate) committer: Committer,
    pub(crate) lease: Arc<Lease>,
    pub(crate) hands: mpsc::Sender<Hand>,
    pub(crate) slots: HashMap<String, Arc<Semaphore>>,
    /// Locked while a claim is under way, which has reserved every free slot.
    pub(crate) claiming: Arc<tokio::sync::Mutex<()>>,
}

impl Starter {
    pub(crate) fn new(pool: PgPool, here: Arc<Here>) -> Self {
        Self { enqueuer: Enqueuer::start(pool), here }
    }

    /// Starts a job here and now: it is on disk, and running, when this returns. It is enqueued instead where the worker
    /// is not running, serves another queue or has no free slot, and where the job has a time, an idempotency key or a
    /// unique key. Either way it survives the process: what it had begun goes on elsewhere (P5).
    ///
    /// The first step of its plan is written as begun along with it, which saves that step a commit. So it counts as begun
    /// from here on until the attempt begins another one, or ends.
    ///
    /// # Errors
    /// As [`Enqueuer::enqueue`].
    pub async fn start(&self, job: NewJob) -> Result<Enqueued, EnqueueError> {
        if !job.is_plain() {
            return self.enqueuer.enqueue(job).await;
        }
        match self.here.slot(&job.queue).await {
            Some((alive, slot)) => self.begin(alive, slot, job).await,
            None => self.enqueuer.enqueue(job).await,
        }
    }

    async fn begin(
        &self,
        alive: Alive,
        slot: OwnedSemaphorePermit,
        job: NewJob,
    ) -> Result<Enqueued, EnqueueError> {
        let claim = Claim { job: job.id, token: 1 };
        let claimed = Claimed {
            claim,
            workspace: job.workspace,
            kind: job.kind.clone(),
            attempt: 1,
            crashes: 0,
            begun: None,
            foreseen: job.first_step,
            limited: false,
            family: None,
            payload: job.payload.clone(),
        };
        // Held before it is written, so that a drain meanwhile gives it back.
        alive.lease.start(claim);
        let job = Arc::new(job);
        match alive.committer.commit(Change::start(Arc::clone(&job))).await {
            Ok(Ownership::Owned) => {
                alive.lease.hold(claim);
                // Refused where the process stops: it is given back with the rest.
                drop(alive.hands.send(vec![Ticket { job: claimed, slot }]).await);
                Ok(Enqueued::New(claim.job))
            }
            // Something is paused: whether it is this one is for the queue to say.
            Ok(Ownership::Lost) if !alive.lease.ended.is_cancelled() => {
                alive.lease.release(claim);
                self.enqueuer.enqueue(Arc::unwrap_or_clone(job)).await
            }
            refused => {
                alive.lease.release(claim);
                match refused {
                    Err(CommitError::Refused(error)) => Err(EnqueueError::Database(error)),
                    Err(CommitError::Enqueue(error)) => Err(error),
                    // The process stops or was declared dead while it wrote.
                    Ok(_) | Err(CommitError::Stopped) => Err(EnqueueError::Unknown),
                }
            }
        }
    }
}

impl Here {
    /// An incarnation has begun to run jobs.
    pub(crate) fn open(&self, alive: Alive) {
        *self.lock() = Some(alive);
    }

    /// It begins nothing more.
    pub(crate) fn close(&self) {
        *self.lock() = None;
    }

    async fn slot(&self, queue: &str) -> Option<(Alive, OwnedSemaphorePermit)> {
        let alive = self.lock().clone()?;
        let slots = alive.slots.get(queue)?;
        let slot = match Arc::clone(slots).try_acquire_owned() {
            Ok(slot) => slot,
            Err(_full) => {
                // A claim may have reserved more than it is going to fill.
                drop(alive.claiming.lock().await);
                Arc::clone(slots).try_acquire_owned().ok()?
            }
        };
        (!alive.lease.remaining().is_zero()).then_some((alive, slot))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Alive>> {
        // A panic while it is locked leaves it whole: each change is one assignment.
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
