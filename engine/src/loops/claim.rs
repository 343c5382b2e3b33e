//! The claim loop: takes ready jobs in batches into the local queue, as many as there are free slots. It wakes at
//! once on a hint and when the next job is due, and looks with a growing interval otherwise; without any hint everything
//! still works.

mod doubt;
mod look;
mod row;

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
use row::{Row, Taken};

/// While jobs are being claimed, what late committers left behind is looked for this often.
const SWEEP: Duration = Duration::from_millis(500);

/// So long the last looks may take.
const LEAVE: Duration = Duration::from_secs(1);

/// Claims for all queues of a process. There is one claimer per process, so what it holds is known at one place.
#[derive(Debug)]
pub(crate) struct Claimer {
    pool: PgPool,
    line: Line,
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
                    self.doubt_all();
                    None
                }
            };
            self.release_unheld().await;
            let backlog = self.queues.has_backlog();
            let pause_now = jittered(pause.max(self.rest));
            let pause_now = due_in.map_or(pause_now, |due| due.min(pause_now));
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
            if alarm.hinted.take(|queue, lane| self.queues.expect(queue, lane)) == Heed::Look {
                claim_first = false;
            }
        }
    }

    /// One round: claims at once, or looks first whether there is something to claim.
    async fn run_once(&mut self, claim_first: bool) -> Result<Round, sqlx::Error> {
        let mut round = Round { claimed: 0, due_in: None };
        self.load_marks().await?;
        if !claim_first {
            if !self.queues.has_free_slot() {
                // Whatever there is, it could not be taken.
                return Ok(round);
            }
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
    pub(crate) async fn claim(&mut self) -> Result<usize, sqlx::Error> {
        if self.lease.remaining().is_zero() {
            return Ok(0);
        }
        let claiming = Arc::clone(&self.claiming).lock_owned().await;
        let Some(asked) = self.queues.ask(self.batch) else { return Ok(0) };
        let worker = self.lease.worker.uuid();
        let rows = self
            .line
            .run(async |conn| {
                let claim = sqlx::query_file_as!(
                    Row,
                    "sql/claim.sql",
                    &asked.names,
                    &asked.free,
                    &asked.first_lanes,
                    &asked.last_lanes,
                    &asked.numbers,
                    &asked.shares,
                    &asked.marks,
                    &asked.most,
                    worker,
                    &self.kinds
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
        let (mut hand, mut limited) = (Hand::with_capacity(rows.len()), Vec::new());
        let mut claimed = HashMap::new();
        for row in rows {
            let lane = row.lane();
            let Some(slot) = self.queues.admit(&row.queue, lane, row.run_at) else {
                continue; // Only queues that were asked for come back, as many jobs as there are slots.
            };
            if let Some(place) = asked.place(&row.queue) {
                *claimed.entry((place, lane)).or_insert(0) += 1;
            }
            let stood = (lane, row.run_at);
            match row.taken(slot) {
                Taken::Free(ticket) => hand.push(ticket),
                Taken::Limited(job) => limited.push((stood, job)),
            }
        }
        self.queues.release();
        drop(claiming);
        self.queues.note(&asked, &claimed);
        // The rows come as they lie in the table; whoever stood first is judged first.
        limited.sort_by_key(|(stood, _)| *stood);
        let limited = limited.into_iter().map(|(_, job)| job).collect();
        Ok(self.hand_on(hand, limited).await)
    }

    /// Hands on what was claimed; how many jobs that is.
    async fn hand_on(&mut self, mut hand: Hand, mut limited: Vec<Limited>) -> usize {
        // All are held before the first is handed on, so that a drain meanwhile gives back every one.
        let tickets = hand.iter().chain(limited.iter().map(|limited| &limited.ticket));
        let twice = self.lease.claimed(tickets.map(|ticket| ticket.job.claim));
        if !twice.is_empty() {
            tracing::warn!(
                jobs = twice.len(),
                "the database has lost claims: giving these jobs back"
            );
            hand.retain(|ticket| !twice.contains(&ticket.job.claim));
            limited.retain(|limited| !twice.contains(&limited.ticket.job.claim));
            self.doubt = Some(Doubt::new());
        }
        let count = hand.len() + limited.len();
        // Refused where the process stops: what was claimed is given back with the rest.
        if !hand.is_empty() {
            drop(self.hands.send(hand).await);
        }
        if !limited.is_empty() {
            drop(self.judge.send(limited).await);
        }
        count
    }
}

/// What a round did.
#[derive(Debug, Clone, Copy)]
struct Round {
    claimed: usize,
    /// In how long the next job is due, where that was seen.
    due_in: Option<Duration>,
}
