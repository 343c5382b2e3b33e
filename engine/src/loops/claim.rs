//! The claim loop: takes ready jobs in batches into the local queue, as many as there are free slots. It wakes at
//! once on a hint and when the next job is due, and looks with a growing interval otherwise; without any hint everything
//! still works.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::{Mutex, Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::jittered;
use super::lanes::Seen;
use super::queues::Queues;
use crate::attempt::Claimed;
use crate::config::WorkerConfig;
use crate::ids::{JobId, WorkspaceId};
use crate::lease::{Claim, Lease};
use crate::line::Line;
use crate::runner::{Hand, Ticket};

/// While jobs are being claimed, what late committers left behind is looked for this often.
const SWEEP: Duration = Duration::from_millis(500);

/// The safe marks are kept this often, if they moved: a process that starts walks what was claimed since.
const KEEP: Duration = Duration::from_secs(1);

/// What wakes the claim loop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alarm {
    /// There may be something to claim.
    pub(crate) work: Arc<Notify>,
    /// A slot is free again.
    pub(crate) freed: Arc<Notify>,
}

/// Claims for all queues of a process. There is one claimer per process, so what it holds is known at one place.
#[derive(Debug)]
pub(crate) struct Claimer {
    pool: PgPool,
    line: Line,
    lease: Arc<Lease>,
    hands: mpsc::Sender<Hand>,
    queues: Queues,
    /// Locked while a claim is under way.
    claiming: Arc<Mutex<()>>,
    batch: usize,
    poll: (Duration, Duration),
    looked: Instant,
    kept: Instant,
    doubt: Option<Doubt>,
}

/// A claim failed, and nobody knows whether it took place (L12), or is going to: the server may still be at it when
/// its connection has long been gone.
#[derive(Debug)]
struct Doubt {
    failed: Instant,
    looked: Instant,
}

impl Claimer {
    /// Reads where the lanes' claims may start.
    pub(crate) async fn start(
        pool: PgPool,
        lease: Arc<Lease>,
        hands: mpsc::Sender<Hand>,
        config: &WorkerConfig,
    ) -> Result<Self, sqlx::Error> {
        let mut queues = Queues::new(&config.queues);
        let names = queues.names();
        for row in sqlx::query_file!("sql/lane_load.sql", &names).fetch_all(&pool).await? {
            queues.kept(&row.queue, row.priority, row.safe);
        }
        let now = Instant::now();
        Ok(Self {
            line: Line::by_index(&pool, "claimer"),
            pool,
            lease,
            hands,
            queues,
            claiming: Arc::default(),
            batch: config.claim_batch,
            poll: (config.poll_min, config.poll_max),
            looked: now,
            kept: now,
            doubt: None,
        })
    }

    /// The slots of each queue, for jobs that begin without a claim.
    pub(crate) fn slots(&self) -> HashMap<String, Arc<Semaphore>> {
        self.queues.slots()
    }

    /// What is locked while a claim is under way, and has every free slot reserved.
    pub(crate) fn claiming(&self) -> Arc<Mutex<()>> {
        Arc::clone(&self.claiming)
    }

    /// Claims until it is stopped.
    pub(crate) async fn run(mut self, alarm: Alarm, stop: CancellationToken) {
        let mut pause = self.poll.0;
        let mut claim_first = true;
        while !stop.is_cancelled() {
            let mut found = false;
            let due_in = match self.run_once(claim_first).await {
                Ok(Round { claimed: 0, due_in }) => {
                    pause = (pause * 2).min(self.poll.1);
                    due_in
                }
                Ok(Round { due_in, .. }) => {
                    found = true;
                    pause = self.poll.0;
                    due_in
                }
                Err(error) => {
                    tracing::warn!(%error, "claiming failed, trying again");
                    pause = self.poll.1;
                    let now = Instant::now();
                    self.doubt =
                        Some(Doubt { failed: now, looked: now.checked_sub(SWEEP).unwrap_or(now) });
                    None
                }
            };
            self.release_unheld().await;
            let backlog = self.queues.has_backlog();
            let pause_now = due_in.map_or(jittered(pause), |due| due.min(jittered(pause)));
            let timer = tokio::time::sleep(pause_now);
            tokio::pin!(timer);
            claim_first = loop {
                if self.doubt.is_none() && self.queues.has_room(self.batch) {
                    break true;
                }
                tokio::select! {
                    () = alarm.work.notified() => break true,
                    () = alarm.freed.notified(), if backlog => {}
                    () = &mut timer => break found,
                    () = stop.cancelled() => return,
                }
            };
            if claim_first {
                pause = self.poll.0;
            }
        }
    }

    /// One round: claims at once, or looks first whether there is something to claim.
    async fn run_once(&mut self, claim_first: bool) -> Result<Round, sqlx::Error> {
        let mut round = Round { claimed: 0, due_in: None };
        if !claim_first {
            round.due_in = self.look().await?;
        }
        if claim_first || round.due_in.is_some_and(|due| due.is_zero()) {
            round.claimed = self.claim().await?;
            round.due_in = None;
        }
        if round.claimed > 0 && self.looked.elapsed() >= SWEEP {
            self.look().await?;
        }
        Ok(round)
    }

    /// Claims for every queue that has a free slot; how many jobs it claimed.
    async fn claim(&mut self) -> Result<usize, sqlx::Error> {
        if self.lease.remaining().is_zero() {
            return Ok(0);
        }
        let claiming = Arc::clone(&self.claiming).lock_owned().await;
        let Some(asked) = self.queues.ask(self.batch) else { return Ok(0) };
        let worker = self.lease.worker.uuid();
        let [critical, high, normal, low] = &asked.marks;
        let rows = self
            .line
            .run(async |conn| {
                let claim = sqlx::query_file!(
                    "sql/claim.sql",
                    &asked.names,
                    &asked.free,
                    critical,
                    high,
                    normal,
                    low,
                    worker
                );
                claim.fetch_all(conn).await
            })
            .await;
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => {
                self.queues.release();
                return Err(error);
            }
        };
        let (mut hand, mut claimed) = (Hand::with_capacity(rows.len()), HashMap::new());
        for row in rows {
            let Some(slot) = self.queues.admit(&row.queue, row.priority, row.run_at) else {
                continue; // Only queues that were asked for come back, as many jobs as there are slots.
            };
            *claimed.entry(row.queue).or_insert(0) += 1;
            let job = Claimed {
                claim: Claim { job: JobId::from(row.id), token: row.token },
                workspace: WorkspaceId::from(row.workspace),
                kind: row.kind,
                attempt: row.attempt,
                crashes: row.crashes,
                begun: row.step.map(|step| (step, row.starts)),
                foreseen: None,
                payload: row.payload,
            };
            hand.push(Ticket { job, slot });
        }
        self.queues.release();
        drop(claiming);
        self.queues.note_backlogs(&asked, &claimed);
        let count = hand.len();
        if count > 0 {
            // All are held before the first is handed on, so that a drain meanwhile gives back every one.
            self.lease.hold(hand.iter().map(|ticket| ticket.job.claim));
            // Refused where the process stops: what was claimed is given back with the rest.
            drop(self.hands.send(hand).await);
        }
        Ok(count)
    }

    /// Looks at every lane: moves the marks, and says in how long the next job is due.
    async fn look(&mut self) -> Result<Option<Duration>, sqlx::Error> {
        self.looked = Instant::now();
        let names = self.queues.names();
        let [critical, high, normal, low] = self.queues.safe();
        let rows = self
            .line
            .run(async |conn| {
                let look =
                    sqlx::query_file!("sql/look.sql", &names, &critical, &high, &normal, &low);
                look.fetch_all(conn).await
            })
            .await?;
        let mut due_in: Option<Duration> = None;
        for row in rows {
            let seen = Seen {
                priority: row.priority,
                first: row.first,
                now: row.now,
                xmin: row.xmin.parse().unwrap_or(0),
                xmax: row.xmax.parse().unwrap_or(u64::MAX),
            };
            if let Some(wait) = self.queues.seen(&row.queue, seen) {
                due_in = Some(due_in.map_or(wait, |due| due.min(wait)));
            }
        }
        self.keep_marks().await?;
        Ok(due_in)
    }

    /// Keeps the safe marks now and then, if they moved.
    async fn keep_marks(&mut self) -> Result<(), sqlx::Error> {
        if self.kept.elapsed() < KEEP {
            return Ok(());
        }
        self.kept = Instant::now();
        let moved = self.queues.take_moved();
        if !moved.queues.is_empty() {
            sqlx::query_file!("sql/lane_keep.sql", &moved.queues, &moved.priorities, &moved.safe)
                .execute(&self.pool)
                .await?;
        }
        Ok(())
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

/// What a round did.
#[derive(Debug, Clone, Copy)]
struct Round {
    claimed: usize,
    /// In how long the next job is due, where that was seen.
    due_in: Option<Duration>,
}
