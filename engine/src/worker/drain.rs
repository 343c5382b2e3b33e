//! The end of an incarnation: what runs ends in time, or is given back (L9).

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::incarnation::End;
use super::{Worker, WorkerError};
use crate::attempt::Stage;
use crate::committer::{Change, Committer, Finish};
use crate::lease::{Claim, Lease};
use crate::loops::listen::hint_all;
use crate::loops::rescue;
use crate::runner::Hand;

/// So long a process that leaves may look for what still runs under its name.
const LOOK_BEHIND: Duration = Duration::from_secs(2);

impl<A: Send + Sync + 'static> Worker<A> {
    /// Waits for what runs, releases what does not end in time, and leaves.
    pub(super) async fn drain(
        &self,
        stage: &Stage<A>,
        mut running: JoinHandle<()>,
        mut returned: mpsc::UnboundedReceiver<Hand>,
    ) -> Result<End, WorkerError> {
        let lease = &stage.world.lease;
        if lease.ended.is_cancelled() {
            running.abort();
            return Ok(End::DeclaredDead);
        }
        let grace = tokio::time::timeout(self.config.drain, &mut running);
        let in_time = tokio::select! {
            finished = grace => finished.is_ok(),
            () = lease.ended.cancelled() => return Ok(End::DeclaredDead),
        };
        if !in_time {
            tracing::warn!(
                attempts = lease.held().len(),
                "the grace time is over; releasing what still runs"
            );
            running.abort();
        }
        while let Ok(hand) = returned.try_recv() {
            tracing::debug!(jobs = hand.len(), "given back before they began");
        }
        let released = self.leave(&stage.world.committer, lease).await?;
        self.look_behind().await;
        tracing::info!(worker = %lease.worker, released, "worker drained");
        Ok(End::Drained)
    }

    /// Gives back what is held, and leaves. How many jobs that was.
    pub(crate) async fn leave(
        &self,
        committer: &Committer,
        lease: &Lease,
    ) -> Result<usize, sqlx::Error> {
        let held = lease.held();
        for claim in &held {
            lease.lose(*claim);
        }
        release(committer, &held).await;
        sqlx::query_file!("sql/worker_leave.sql", lease.worker.uuid()).execute(&self.pool).await?;
        lease.end();
        if !held.is_empty() {
            let queues = self.config.queues.iter().map(|(queue, _)| queue.clone());
            hint_all(&self.pool, &Vec::from_iter(queues)).await;
        }
        Ok(held.len())
    }

    /// Frees what may still run under our name, which is nothing, but for claims and writes whose answers were lost. Whoever comes
    /// next need not look for it; where we do not get to it, they do.
    async fn look_behind(&self) {
        match tokio::time::timeout(LOOK_BEHIND, rescue::run_once(&self.pool)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "could not look behind; the next heartbeat of another process does")
            }
            Err(_) => tracing::debug!("looking behind takes long; it is left to the others"),
        }
    }
}

/// Gives jobs back with their token kept, so that another worker starts them at once (L9).
async fn release(committer: &Committer, held: &[Claim]) {
    for claim in held {
        let mut change = Change::of(*claim);
        change.finish = Some(Finish::Released);
        change.limited = true; // Nobody here knows any more whether it is.
        if let Err(error) = committer.commit(change).await {
            tracing::warn!(job = %claim.job, %error, "could not be released; it is taken over as after a crash");
        }
    }
}
