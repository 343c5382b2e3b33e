//! Group commit: all attempts of a process hand their writes to one committer, which writes whatever waits in one
//! transaction and begins the next as soon as the last has returned. No timer: alone, a write costs one commit;
//! under load, a fraction of one.
//!
//! A [`Change`] is all that an attempt writes at once. It takes effect whole or, where the attempt has been
//! superseded, not at all (L2, L8); the answer comes per change, after the commit.

mod change;
mod columns;
mod flush;
mod neighbours;
mod resolve;
mod writer;
mod writes;

use std::sync::Arc;

use sqlx::PgPool;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub(crate) use change::{
    AttemptFailure, Change, Dead, Extras, Family, Finish, Mark, StepState, StepWrite, Wake,
};
pub(crate) use flush::fence;
use writer::Writer;
pub(crate) use writes::write_owned;

use crate::enqueue::EnqueueError;
use crate::group::{self, Group};
use crate::lease::Lease;
use crate::loops::listen::Waker;

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

/// A change on its way, with whoever waits for it.
#[derive(Debug)]
struct Pending {
    change: Change,
    answer: Answer,
}

type Batch = Vec<Box<Pending>>;

/// Where attempts hand in their changes; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Committer {
    changes: mpsc::Sender<Box<Pending>>,
    group: Arc<Group<Box<Pending>>>,
    /// The first writer, for whoever finds all of them idle.
    writer: Arc<Mutex<Writer>>,
}

impl Committer {
    /// Starts the committer of a process: two writers, each on a connection of its own. It stops when every handle is gone, or gives up when `ended` is cancelled.
    pub(crate) fn start(
        pool: PgPool,
        waker: Waker,
        lease: &Lease,
        ended: CancellationToken,
    ) -> Self {
        let (changes, group) = Group::new();
        let [first, second] = [1, 2].map(|number| {
            let (waker, ended) = (waker.clone(), ended.clone());
            Arc::new(Mutex::new(Writer::new(pool.clone(), waker, lease, ended, number)))
        });
        for writer in [Arc::clone(&first), second] {
            tokio::spawn(writer::run(writer, Arc::clone(&group)));
        }
        Self { changes, group, writer: first }
    }

    /// Writes a change and waits for its commit.
    pub(crate) fn commit(
        &self,
        change: Change,
    ) -> impl Future<Output = Result<Ownership, CommitError>> + Send {
        let (answer, answered) = oneshot::channel();
        // Boxed before anything waits: a change is moved many times, and would stand in every future on its way.
        let pending = Box::new(Pending { change, answer });
        async move {
            if group::is_empty(&self.changes)
                && let Some(_turn) = self.group.alone()
                && let Ok(mut writer) = self.writer.try_lock()
            {
                // The way over the writer's task and back would take as long as the statement.
                Box::pin(writer.write_batch(vec![pending])).await;
            } else if self.changes.send(pending).await.is_err() {
                return Err(CommitError::Stopped);
            }
            answered.await.unwrap_or(Err(CommitError::Stopped))
        }
    }
}
