//! Group commit: all attempts of a process hand their writes to one committer, which writes whatever waits in one
//! transaction and begins the next as soon as the last has returned. No timer: alone, a write costs one commit;
//! under load, a fraction of one.
//!
//! A [`Change`] is all that an attempt writes at once. It takes effect whole or, where the attempt has been
//! superseded, not at all (L2, L8); the answer comes per change, after the commit.

mod change;
mod flush;
mod resolve;

use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub(crate) use flush::{fence, write_owned};

pub(crate) use change::{AttemptFailure, Change, Dead, Finish, StepState, StepWrite, Wake};

use crate::enqueue::EnqueueError;

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

/// The first pause after a failed flush; it doubles up to a second.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

impl Committer {
    /// Starts the committer. It stops when every handle is gone, or gives up when `ended` is cancelled.
    pub(crate) fn start(pool: PgPool, ended: CancellationToken) -> Self {
        let (changes, inbox) = mpsc::channel(QUEUE);
        tokio::spawn(run(pool, inbox, ended));
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

async fn run(pool: PgPool, mut inbox: mpsc::Receiver<(Change, Answer)>, ended: CancellationToken) {
    while let Some(first) = inbox.recv().await {
        // Those that became ready together get a chance to join.
        tokio::task::yield_now().await;
        let mut batch = vec![first];
        while batch.len() < QUEUE
            && let Ok(next) = inbox.try_recv()
        {
            batch.push(next);
        }
        // In the order of their ids, so that two writers never wait for each other.
        batch.sort_by_key(|(change, _)| change.claim.job);
        tokio::select! {
            () = write(&pool, batch) => {}
            () = ended.cancelled() => {}
        }
    }
}

/// Writes a batch, however often it takes, and answers.
async fn write(pool: &PgPool, mut batch: Vec<(Change, Answer)>) {
    let mut pause = RETRY_PAUSE;
    while !batch.is_empty() {
        let changes: Vec<&Change> = batch.iter().map(|(change, _)| change).collect();
        match flush::flush(pool, &changes).await {
            Ok(owned) => {
                for (change, answer) in batch.drain(..) {
                    let ownership = if owned.contains(&change.claim) {
                        Ownership::Owned
                    } else {
                        Ownership::Lost
                    };
                    reply(answer, Ok(ownership));
                }
            }
            Err(error) if flush::is_refusal(&error) && batch.len() > 1 => {
                // One bad change must not hold up the others.
                for one in batch.drain(..) {
                    Box::pin(write(pool, vec![one])).await;
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
                batch = settle_known(pool, batch).await;
            }
        }
    }
}

/// After a failed flush the commit is unknown, not failed (L12): answers what is known and keeps the rest.
async fn settle_known(pool: &PgPool, batch: Vec<(Change, Answer)>) -> Vec<(Change, Answer)> {
    let changes: Vec<&Change> = batch.iter().map(|(change, _)| change).collect();
    let Ok(standings) = resolve::standings(pool, &changes).await else {
        return batch; // Still unreachable: ask again after the next pause.
    };
    let mut open = Vec::new();
    for (change, answer) in batch {
        match standings.get(&change.claim) {
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

fn reply(answer: Answer, result: Result<Ownership, CommitError>) {
    // An attempt that was cancelled meanwhile does not wait for its answer any more.
    drop(answer.send(result));
}
