//! A task that writes what attempts hand in, however often it takes, and answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::flush::{self, Held};
use super::resolve::{self, Standing};
use super::{Answer, Batch, Change, CommitError, Ownership, Pending};
use crate::enqueue::EnqueueError;
use crate::group::Group;
use crate::ids::WorkerId;
use crate::lease::{Claim, Lease};
use crate::line::Line;
use crate::loops::listen::Waker;
use crate::strain::Strains;

/// The first pause after a failed flush; it doubles up to a second.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Who writes.
#[derive(Debug)]
pub(super) struct Writer {
    line: Line,
    pool: PgPool,
    worker: WorkerId,
    waker: Waker,
    /// Cancelled when the incarnation is over: nothing that it writes counts any more.
    ended: CancellationToken,
    strains: Strains,
}

/// Writes what is handed in, until all who could are gone.
pub(super) async fn run(writer: Arc<Mutex<Writer>>, group: Arc<Group<Box<Pending>>>) {
    while let Some((mut batch, _turn)) = group.take().await {
        // In the order of their ids, so that two writers never wait for each other.
        batch.sort_unstable_by_key(|pending| pending.change.claim.job);
        writer.lock().await.write_batch(batch).await;
    }
}

impl Writer {
    pub(super) fn new(
        pool: PgPool,
        waker: Waker,
        lease: &Lease,
        ended: CancellationToken,
        number: usize,
    ) -> Self {
        let line = Line::by_keys(&pool, &format!("committer {number}"));
        let (worker, strains) = (lease.worker, lease.strains.clone());
        Self { line, pool, worker, waker, ended, strains }
    }

    /// Writes a batch, however often it takes, and answers; or gives up at the end of the incarnation.
    pub(super) async fn write_batch(&mut self, batch: Batch) {
        let (ordinary, others): (Batch, Batch) =
            batch.into_iter().partition(|pending| pending.change.is_ordinary());
        let ended = self.ended.clone();
        tokio::select! {
            () = self.write_all(ordinary, others) => {}
            () = ended.cancelled() => self.line.cut(),
        }
    }

    async fn write_all(&mut self, ordinary: Batch, others: Batch) {
        self.write(ordinary).await;
        self.write(others).await;
    }

    async fn write(&mut self, mut batch: Batch) {
        let mut pause = RETRY_PAUSE;
        let mut again = false;
        while !batch.is_empty() {
            let flushed = self.flush(&batch, std::mem::replace(&mut again, true)).await;
            match flushed {
                Ok(held) => {
                    for pending in batch.drain(..) {
                        let ownership = ownership(&pending.change, &held);
                        reply(pending.answer, Ok(ownership));
                    }
                }
                Err(error) if flush::is_refusal(&error) && batch.len() > 1 => {
                    // One bad change must not hold up the others.
                    for one in batch.drain(..) {
                        Box::pin(self.write(vec![one])).await;
                    }
                }
                Err(error) if flush::is_refusal(&error) => {
                    if let Some(pending) = batch.pop() {
                        reply(pending.answer, Err(flush::refusal(error)));
                    }
                }
                Err(error) => {
                    if let EnqueueError::Database(error) = &error {
                        self.strains.met(error, &self.pool);
                    }
                    tracing::warn!(%error, changes = batch.len(), "flush failed, asking what was written");
                    tokio::time::sleep(pause.mul_f64(0.5 + crate::retry::random() / 2.0)).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                    batch = self.settle_known(batch).await;
                }
            }
        }
    }

    async fn flush(&mut self, batch: &Batch, again: bool) -> Result<Held, EnqueueError> {
        let changes: Vec<&Change> = batch.iter().map(|pending| &pending.change).collect();
        let (worker, waker) = (self.worker, self.waker.clone());
        let ordinary = changes.iter().all(|change| change.is_ordinary());
        self.line
            .run(async |conn| {
                if ordinary {
                    flush::flush_ordinary(conn, worker, &changes, again).await
                } else {
                    flush::flush_any(conn, worker, &changes, &waker).await
                }
            })
            .await
    }

    /// After a failed flush the commit is unknown, not failed (L12): answers what is known and keeps the rest.
    async fn settle_known(&self, batch: Batch) -> Batch {
        let changes: Vec<&Change> = batch.iter().map(|pending| &pending.change).collect();
        let Ok(standings) = self.standings(&changes).await else {
            return batch; // Still unreachable: ask again after the next pause.
        };
        let mut open = Vec::new();
        for pending in batch {
            let change = &pending.change;
            let standing = standings.get(&change.claim).copied().unwrap_or(Standing::Lost);
            match standing {
                // Nobody but us runs a job that began here: it is there, or it is to be written again.
                Standing::Owned if change.start.is_some() => {
                    reply(pending.answer, Ok(Ownership::Owned));
                }
                _ if change.start.is_some() => open.push(pending),
                // It ended nothing, or nothing was written: to write it again changes nothing.
                Standing::Owned => open.push(pending),
                Standing::Waits | Standing::Left if standing.held(change) => {
                    reply(pending.answer, Ok(Ownership::Owned));
                }
                Standing::Waits | Standing::Left | Standing::Lost => {
                    reply(pending.answer, Ok(Ownership::Lost));
                }
            }
        }
        open
    }

    async fn standings(
        &self,
        changes: &[&Change],
    ) -> Result<HashMap<Claim, Standing>, sqlx::Error> {
        let mut conn = self.pool.acquire().await?;
        resolve::standings(&mut conn, self.worker, changes).await
    }
}

fn ownership(change: &Change, held: &Held) -> Ownership {
    if held.contains(&change.claim) {
        return Ownership::Owned;
    }
    tracing::warn!(job = %change.claim.job, token = change.claim.token, "late write refused");
    Ownership::Lost
}

fn reply(answer: Answer, result: Result<Ownership, CommitError>) {
    // An attempt that was cancelled meanwhile does not wait for its answer any more.
    drop(answer.send(result));
}
