//! Group commit: all attempts of a process hand their writes to one committer, which writes whatever waits in one
//! transaction and begins the next as soon as the last has returned. No timer: alone, a write costs one commit;
//! under load, a fraction of one.
//!
//! A [`Change`] is all that an attempt writes at once. It takes effect whole or, where the attempt has been
//! superseded, not at all (L2, L8); the answer comes per change, after the commit.

mod change;
mod columns;
mod flush;
mod resolve;
mod writes;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub(crate) use change::{AttemptFailure, Change, Dead, Finish, Mark, StepState, StepWrite, Wake};
pub(crate) use flush::fence;
pub(crate) use writes::write_owned;

use crate::enqueue::EnqueueError;
use crate::ids::WorkerId;
use crate::lease::Claim;
use crate::line::Line;

/// Whether the attempt still owned its job when it wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a lost attempt must stop: nothing it does counts any more"]
pub(crate) enum Ownership {
    Owned,
    Lost,
}

/// Why a change was not written although its attempt owned the job.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    /// Postgres refuses the values themselves (for example a NUL character in JSON). Repeating it is useless.
    #[error("the database refuses what the attempt writes: {0}")]
    Refused(sqlx::Error),
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    /// The process stops or lost its lease before the database could be reached again.
    #[error("the committer has stopped")]
    Stopped,
}

type Answer = oneshot::Sender<Result<Ownership, CommitError>>;

/// Where attempts hand in their changes; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Committer {
    changes: mpsc::Sender<(Change, Answer)>,
}

/// So many changes wait at most; beyond it the attempts wait. One flush takes all of them.
const QUEUE: usize = 1024;

/// So many flushes are on their way at a time, each on a connection of its own.
const WRITERS: usize = 2;

/// A batch of so many is shared between two writers.
const SHARED: usize = 32;

/// The first pause after a failed flush; it doubles up to a second.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

impl Committer {
    /// Starts the committer of a process. It stops when every handle is gone, or gives up when `ended` is cancelled.
    pub(crate) fn start(pool: PgPool, worker: WorkerId, ended: CancellationToken) -> Self {
        let (changes, inbox) = mpsc::channel(QUEUE);
        let inbox = Arc::new(Inbox { changes: Mutex::new(inbox), flushing: AtomicUsize::new(0) });
        for number in 1..=WRITERS {
            let line = Line::by_index(&pool, &format!("committer {number}"));
            let writer = Writer { line, pool: pool.clone(), worker };
            tokio::spawn(writer.run(Arc::clone(&inbox), ended.clone()));
        }
        Self { changes }
    }

    /// Writes a change and waits for its commit.
    pub(crate) async fn commit(&self, change: Change) -> Result<Ownership, CommitError> {
        let (answer, answered) = oneshot::channel();
        if self.changes.send((change, answer)).await.is_err() {
            return Err(CommitError::Stopped);
        }
        answered.await.unwrap_or(Err(CommitError::Stopped))
    }
}

/// Where the writers take their batches from.
struct Inbox {
    changes: Mutex<mpsc::Receiver<(Change, Answer)>>,
    /// How many writers are at a flush.
    flushing: AtomicUsize,
}

impl Inbox {
    /// The next batch; empty when there will be none any more. A writer that finds the other one idle leaves it half of a
    /// large batch: while the database works on the one, the attempts of the other go on. Otherwise all of them would
    /// wait for each other in step.
    async fn take(&self) -> Batch {
        let mut batch = Vec::new();
        let mut changes = self.changes.lock().await;
        let Some(first) = changes.recv().await else { return batch };
        // Those that became ready together get a chance to join.
        tokio::task::yield_now().await;
        let waiting = changes.len();
        let share = if waiting >= SHARED && self.flushing.load(Ordering::Relaxed) == 0 {
            waiting / 2
        } else {
            waiting
        };
        batch.reserve_exact(share + 1);
        batch.push(first);
        while batch.len() <= share
            && let Ok(next) = changes.try_recv()
        {
            batch.push(next);
        }
        self.flushing.fetch_add(1, Ordering::Relaxed);
        batch
    }

    fn flushed(&self) {
        self.flushing.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A task that writes.
struct Writer {
    line: Line,
    pool: PgPool,
    worker: WorkerId,
}

type Batch = Vec<(Change, Answer)>;

impl Writer {
    async fn run(mut self, inbox: Arc<Inbox>, ended: CancellationToken) {
        loop {
            let mut batch = inbox.take().await;
            if batch.is_empty() {
                return;
            }
            // In the order of their ids, so that two writers never wait for each other.
            batch.sort_unstable_by_key(|(change, _)| change.claim.job);
            let (ordinary, others): (Batch, Batch) =
                batch.into_iter().partition(|(change, _)| change.is_ordinary());
            tokio::select! {
                () = self.write_all(ordinary, others) => {}
                () = ended.cancelled() => self.line.cut(),
            }
            inbox.flushed();
        }
    }

    async fn write_all(&mut self, ordinary: Batch, others: Batch) {
        self.write(ordinary).await;
        self.write(others).await;
    }

    /// Writes a batch, however often it takes, and answers.
    async fn write(&mut self, mut batch: Batch) {
        let mut pause = RETRY_PAUSE;
        let mut again = false;
        while !batch.is_empty() {
            let flushed = self.flush(&batch, std::mem::replace(&mut again, true)).await;
            match flushed {
                Ok(owned) => {
                    for (change, answer) in batch.drain(..) {
                        reply(answer, Ok(ownership(&change, &owned)));
                    }
                }
                Err(error) if flush::is_refusal(&error) && batch.len() > 1 => {
                    // One bad change must not hold up the others.
                    for one in batch.drain(..) {
                        Box::pin(self.write(vec![one])).await;
                    }
                }
                Err(error) if flush::is_refusal(&error) => {
                    if let Some((_, answer)) = batch.pop() {
                        reply(answer, Err(flush::refusal(error)));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, changes = batch.len(), "flush failed, asking what was written");
                    tokio::time::sleep(pause.mul_f64(0.5 + crate::retry::random() / 2.0)).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                    batch = self.settle_known(batch).await;
                }
            }
        }
    }

    async fn flush(&mut self, batch: &Batch, again: bool) -> Result<HashSet<Claim>, EnqueueError> {
        let changes: Vec<&Change> = batch.iter().map(|(change, _)| change).collect();
        let worker = self.worker;
        let ordinary = changes.iter().all(|change| change.is_ordinary());
        self.line
            .run(async |conn| {
                if ordinary {
                    flush::flush_ordinary(conn, worker, &changes, again).await
                } else {
                    flush::flush_any(conn, worker, &changes).await
                }
            })
            .await
    }

    /// After a failed flush the commit is unknown, not failed (L12): answers what is known and keeps the rest.
    async fn settle_known(&self, batch: Batch) -> Batch {
        let changes: Vec<&Change> = batch.iter().map(|(change, _)| change).collect();
        let Ok(standings) = resolve::standings(&self.pool, self.worker, &changes).await else {
            return batch; // Still unreachable: ask again after the next pause.
        };
        let mut open = Vec::new();
        for (change, answer) in batch {
            match standings.get(&change.claim) {
                // Nobody but us runs a job that began here: it is there, or it is to be written again.
                Some(resolve::Standing::Owned) if change.start.is_some() => {
                    reply(answer, Ok(Ownership::Owned));
                }
                _ if change.start.is_some() => open.push((change, answer)),
                Some(resolve::Standing::Settled) if change.finish.is_some() => {
                    reply(answer, Ok(Ownership::Owned));
                }
                Some(resolve::Standing::Owned) => open.push((change, answer)),
                Some(resolve::Standing::Settled | resolve::Standing::Lost) | None => {
                    reply(answer, Ok(Ownership::Lost));
                }
            }
        }
        open
    }
}

fn ownership(change: &Change, owned: &HashSet<Claim>) -> Ownership {
    if owned.contains(&change.claim) {
        return Ownership::Owned;
    }
    tracing::warn!(job = %change.claim.job, token = change.claim.token, "late write refused");
    Ownership::Lost
}

fn reply(answer: Answer, result: Result<Ownership, CommitError>) {
    // An attempt that was cancelled meanwhile does not wait for its answer any more.
    drop(answer.send(result));
}
