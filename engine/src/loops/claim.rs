//! The claim loop: takes ready jobs in batches into the local queue, as many as there are free slots. It wakes at
//! once on a hint, and polls with a growing interval otherwise; without any hint everything still works.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::jittered;
use super::lanes::{Lanes, Swept};
use crate::attempt::Claimed;
use crate::config::WorkerConfig;
use crate::ids::{JobId, WorkspaceId};
use crate::lease::{Claim, Lease};
use crate::runner::Ticket;

/// While jobs are being claimed, what late committers left behind is looked for this often.
const SWEEP: Duration = Duration::from_millis(500);

/// The safe marks are kept this often, if they moved.
const KEEP: Duration = Duration::from_secs(5);

/// Claims for all queues of a process. There is one claimer per process, so what it holds is known at one place.
#[derive(Debug)]
pub(crate) struct Claimer {
    pool: PgPool,
    lease: Arc<Lease>,
    tickets: mpsc::Sender<Ticket>,
    queues: Vec<Queue>,
    batch: usize,
    poll: (Duration, Duration),
    doubt: Option<Doubt>,
}

/// A claim failed, and nobody knows whether it took place (L12), or is going to: the server may still be at it when
/// its connection has long been gone.
#[derive(Debug)]
struct Doubt {
    failed: Instant,
    looked: Instant,
}

#[derive(Debug)]
struct Queue {
    name: String,
    slots: Arc<Semaphore>,
    lanes: Lanes,
    /// The last claim found something, so the next may start at the fast marks.
    busy: bool,
    swept: Instant,
    kept: Instant,
}

impl Claimer {
    /// Reads where the lanes' claims may start.
    pub(crate) async fn start(
        pool: PgPool,
        lease: Arc<Lease>,
        tickets: mpsc::Sender<Ticket>,
        config: &WorkerConfig,
    ) -> Result<Self, sqlx::Error> {
        let mut queues = Vec::new();
        for (name, concurrency) in &config.queues {
            let kept = sqlx::query_file!("sql/lane_load.sql", name).fetch_all(&pool).await?;
            queues.push(Queue {
                name: name.clone(),
                slots: Arc::new(Semaphore::new(*concurrency)),
                lanes: Lanes::new(kept.into_iter().map(|row| (row.priority, row.safe))),
                busy: false,
                swept: Instant::now(),
                kept: Instant::now(),
            });
        }
        let (batch, poll) = (config.claim_batch, (config.poll_min, config.poll_max));
        Ok(Self { pool, lease, tickets, queues, batch, poll, doubt: None })
    }

    /// Claims until it is stopped.
    pub(crate) async fn run(mut self, work: Arc<Notify>, stop: CancellationToken) {
        let mut pause = self.poll.0;
        while !stop.is_cancelled() {
            // Made before the claim: a hint that comes during it is not missed.
            let hint = work.notified();
            match self.run_once().await {
                Ok(0) => pause = (pause * 2).min(self.poll.1),
                Ok(_) => pause = self.poll.0,
                Err(error) => {
                    tracing::warn!(%error, "claiming failed, trying again");
                    pause = self.poll.1;
                    let now = Instant::now();
                    self.doubt =
                        Some(Doubt { failed: now, looked: now.checked_sub(SWEEP).unwrap_or(now) });
                }
            }
            self.release_unheld().await;
            tokio::select! {
                () = hint => pause = self.poll.0,
                () = tokio::time::sleep(jittered(pause)) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// One round over all queues; how many jobs it claimed.
    pub(crate) async fn run_once(&mut self) -> Result<usize, sqlx::Error> {
        let mut claimed = 0;
        for queue in &mut self.queues {
            let free = queue.slots.available_permits().min(self.batch);
            if free > 0 && !self.lease.remaining().is_zero() {
                let jobs = queue.claim(&self.pool, &self.lease, free).await?;
                claimed += jobs.len();
                // All are held before the first is handed on, so that a drain meanwhile gives back every one.
                let held: Vec<_> =
                    jobs.into_iter().map(|job| (self.lease.hold(job.claim), job)).collect();
                for (cancel, job) in held {
                    // There is a permit: only this loop takes any.
                    let Ok(slot) = Arc::clone(&queue.slots).try_acquire_owned() else { break };
                    if self.tickets.send(Ticket { job, cancel, slot }).await.is_err() {
                        return Ok(claimed); // Stopping: what was claimed is given back with the rest.
                    }
                }
            }
            queue.tend(&self.pool).await?;
        }
        Ok(claimed)
    }

    /// A claim whose answer was lost may have claimed jobs that nobody here knows of (L12): they are given back. It is
    /// looked for until a look has succeeded a whole lease after the failure. No claim of ours is under way here.
    async fn release_unheld(&mut self) {
        let Some(doubt) = &mut self.doubt else { return };
        if doubt.looked.elapsed() < SWEEP {
            return;
        }
        doubt.looked = Instant::now();
        let over = doubt.failed.elapsed() > self.lease.length;
        let held: Vec<Uuid> = self.lease.held().iter().map(|claim| claim.job.uuid()).collect();
        let released = sqlx::query_file!("sql/release_unheld.sql", self.lease.worker.uuid(), &held)
            .execute(&self.pool)
            .await;
        match released {
            Ok(done) if done.rows_affected() > 0 => {
                tracing::warn!(
                    jobs = done.rows_affected(),
                    "gave back jobs of a claim whose answer was lost"
                );
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "could not look for lost claims yet");
                return;
            }
        }
        if over {
            self.doubt = None;
        }
    }
}

impl Queue {
    async fn claim(
        &mut self,
        pool: &PgPool,
        lease: &Lease,
        limit: usize,
    ) -> Result<Vec<Claimed>, sqlx::Error> {
        // An idle claim starts at the safe marks: then it sees everything, and there is little to walk.
        let marks = if self.busy { self.lanes.fast() } else { self.lanes.safe() };
        let rows = sqlx::query_file!(
            "sql/claim.sql",
            self.name,
            lease.worker.uuid(),
            &Lanes::priorities(),
            i64::try_from(limit).unwrap_or(i64::MAX),
            &marks
        )
        .fetch_all(pool)
        .await?;
        self.busy = !rows.is_empty();
        Ok(rows
            .into_iter()
            .map(|row| {
                self.lanes.claimed(row.priority, row.run_at);
                Claimed {
                    claim: Claim { job: JobId::from(row.id), token: row.token },
                    workspace: WorkspaceId::from(row.workspace),
                    kind: row.kind,
                    attempt: row.attempt,
                    crashes: row.crashes,
                    payload: row.payload,
                }
            })
            .collect())
    }

    /// Moves the marks while there is work, and keeps them now and then.
    async fn tend(&mut self, pool: &PgPool) -> Result<(), sqlx::Error> {
        if !self.busy || self.swept.elapsed() < SWEEP {
            return Ok(());
        }
        self.swept = Instant::now();
        let rows =
            sqlx::query_file!("sql/sweep.sql", self.name, &Lanes::priorities(), &self.lanes.safe())
                .fetch_all(pool)
                .await?;
        for row in rows {
            self.lanes.swept(Swept {
                priority: row.priority,
                first_ready: row.first_ready,
                now: row.now,
                xmin: row.xmin.parse().unwrap_or(0),
                xmax: row.xmax.parse().unwrap_or(u64::MAX),
            });
        }
        if self.kept.elapsed() >= KEEP {
            self.kept = Instant::now();
            let safe: Vec<DateTime<Utc>> = self.lanes.safe();
            sqlx::query_file!("sql/lane_keep.sql", self.name, &Lanes::priorities(), &safe)
                .execute(pool)
                .await?;
        }
        Ok(())
    }
}
