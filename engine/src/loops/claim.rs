//! The claim loop: takes ready jobs in batches into the local queue, as many as there are free slots. It wakes at
//! once on a hint and when the next job is due, and looks with a growing interval otherwise; without any hint everything
//! still works. No claim waits for a look.

mod doubt;
mod look;
mod row;
mod sight;
mod take;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::alarm::Alarm;
use super::hints::Heed;
use super::jittered;
use super::judge::Limited;
use super::proof::Proof;
use super::queues::Queues;
use crate::config::WorkerConfig;
use crate::lease::Lease;
use crate::line::Line;
use crate::runner::Hand;
use doubt::Doubt;
use sight::Looker;

/// While jobs are being claimed, what late committers left behind is looked for this often.
const SWEEP: Duration = Duration::from_millis(500);

/// So long the last looks may take.
const LEAVE: Duration = Duration::from_secs(1);

/// Claims for all queues of a process. There is one claimer per process, so what it holds is known at one place.
#[derive(Debug)]
pub(crate) struct Claimer {
    pool: PgPool,
    line: Line,
    looker: Looker,
    lease: Arc<Lease>,
    hands: mpsc::Sender<Hand>,
    judge: mpsc::Sender<Vec<Limited>>,
    kinds: Vec<String>,
    queues: Queues,
    proof: Proof,
    /// Locked while a claim is under way.
    claiming: Arc<Mutex<()>>,
    batch: usize,
    poll: (Duration, Duration),
    looked: Instant,
    /// Somebody has hinted at what only a look can find, and none has begun since.
    again: bool,
    /// The least pause before the next look.
    rest: Duration,
    weighed: Option<Instant>,
    kept: Instant,
    doubt: Option<Doubt>,
    /// Since when the server ran that the last look saw, and how many transactions it had had.
    server: Option<(DateTime<Utc>, u64)>,
    /// The marks may be those of a history that the database has lost.
    stale: bool,
}

impl Claimer {
    /// Reads where the lanes' claims may start.
    pub(crate) async fn start(
        pool: PgPool,
        lease: Arc<Lease>,
        hands: mpsc::Sender<Hand>,
        judge: mpsc::Sender<Vec<Limited>>,
        kinds: Vec<String>,
        config: &WorkerConfig,
    ) -> Result<Self, sqlx::Error> {
        let queues = Queues::new(&config.queues, config.ageing);
        let now = Instant::now();
        let mut claimer = Self {
            line: Line::by_lanes(&pool, "claimer"),
            looker: Looker::new(Line::by_lanes(&pool, "looker")),
            pool,
            lease,
            hands,
            judge,
            kinds,
            queues,
            proof: Proof::new(),
            claiming: Arc::default(),
            batch: config.claim_batch,
            poll: (config.poll_min, config.poll_max),
            looked: now,
            again: false,
            rest: Duration::ZERO,
            weighed: None,
            kept: now,
            doubt: None,
            server: None,
            stale: true,
        };
        claimer.load_marks().await?;
        Ok(claimer)
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
        self.claim_until(&alarm, &stop).await;
        if !self.lease.ended.is_cancelled() {
            // A database that does not answer must not hold up the end.
            drop(tokio::time::timeout(LEAVE, self.leave()).await);
        }
    }

    async fn claim_until(&mut self, alarm: &Alarm, stop: &CancellationToken) {
        let mut pause = self.poll.0;
        let mut next = Next::Claim;
        while !stop.is_cancelled() {
            let mut found = false;
            match self.act(next).await {
                Ok(0) => pause = (pause * 2).min(self.poll.1),
                Ok(_) => (found, pause) = (true, self.poll.0),
                Err(error) => {
                    self.failed(&error);
                    pause = self.poll.1;
                }
            }
            self.release_unheld().await;
            next = tokio::select! {
                next = self.next(alarm, pause, found) => next,
                () = stop.cancelled() => return,
            };
            if next == Next::Claim {
                pause = self.poll.0;
            }
            if alarm.hinted.take(|queue, lane| self.queues.expect(queue, lane)) == Heed::Look {
                (next, self.again) = (Next::Look, true);
            }
        }
    }

    /// Claims, or begins to look whether there is something to claim; how many jobs it claimed.
    async fn act(&mut self, next: Next) -> Result<usize, sqlx::Error> {
        self.load_marks().await?;
        let (claimed, look) = match next {
            // Without a free slot, whatever there is could not be taken.
            Next::Look => (0, self.queues.has_free_slot()),
            Next::Claim => {
                let claimed = self.claim().await?;
                (claimed, claimed > 0 && self.looked.elapsed() >= SWEEP)
            }
        };
        if look && !self.looker.is_out() {
            self.begin_look();
        }
        Ok(claimed)
    }

    /// Waits until there may be something to do: at once where slots are free for what is there, on a hint, when a look has
    /// seen that something is due, and after the pause, when it claims again if it has `found` something. What was hinted at
    /// during a look, or when no slot was free, is looked for as soon as that is over, whatever claims have brought meanwhile.
    async fn next(&mut self, alarm: &Alarm, pause: Duration, found: bool) -> Next {
        let backlog = self.queues.has_backlog();
        let pause = if found { pause } else { pause.max(self.rest) };
        let timer = tokio::time::sleep(jittered(pause));
        tokio::pin!(timer);
        loop {
            if self.doubt.is_none() && self.queues.has_room(self.batch) {
                return Next::Claim;
            }
            if self.doubt.is_none() && self.is_owed_a_look() {
                return Next::Look;
            }
            tokio::select! {
                () = alarm.work.notified() => return Next::Claim,
                () = alarm.freed.notified(), if backlog || self.again => {}
                () = &mut timer => return if found { Next::Claim } else { Next::Look },
                sight = self.looker.back() => match sight.map(|sight| self.take_in(sight)) {
                    Ok(Some(due)) if due.is_zero() => return Next::Claim,
                    Ok(Some(due)) => {
                        let due = tokio::time::Instant::now() + due.min(pause);
                        let sooner = due.min(timer.deadline());
                        timer.as_mut().reset(sooner);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        self.failed(&error);
                        self.release_unheld().await;
                        timer.as_mut().reset(tokio::time::Instant::now() + self.poll.1);
                    }
                },
            }
        }
    }

    fn is_owed_a_look(&self) -> bool {
        self.again && !self.looker.is_out() && self.queues.has_free_slot()
    }

    /// A claim failed, and nobody knows what it did; or a look, and the next claim may find the same database away.
    fn failed(&mut self, error: &sqlx::Error) {
        self.lease.strains.met(error, &self.pool);
        tracing::warn!(%error, "claiming failed, trying again");
        self.doubt_all();
    }
}

/// What a claimer does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Claim,
    Look,
}
