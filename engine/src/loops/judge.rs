//! Jobs with limits: what was claimed begins only where all of its keys allow it. They come from the claim like any other, so
//! that a queue has one order, and take a transaction of their own, so that nobody else waits for it.
//!
//! The keys' rows are locked first, and what runs is counted by the next statement. In one statement with the claim, what has
//! been given away since its snapshot would not be seen, and two would begin where there is room for one.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use crate::lease::Lease;
use crate::limit::Limit;
use crate::limit::judge::{Standing, Verdict, judge};
use crate::line::Line;
use crate::runner::{Hand, Ticket};

/// The pause before a batch that could not be judged is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// So many claims are judged together at most.
const TOGETHER: usize = 100;

/// A job that was claimed, and what has to allow it.
#[derive(Debug)]
pub(crate) struct Limited {
    pub(crate) ticket: Ticket,
    pub(crate) limits: Vec<Limit>,
    pub(crate) has_turn: bool,
}

/// Judges what was claimed by this process.
#[derive(Debug)]
pub(crate) struct Judge {
    line: Line,
    pool: PgPool,
    lease: Arc<Lease>,
    hands: mpsc::Sender<Hand>,
    freed: Arc<Notify>,
}

impl Judge {
    pub(crate) fn new(
        pool: &PgPool,
        lease: Arc<Lease>,
        hands: mpsc::Sender<Hand>,
        freed: Arc<Notify>,
    ) -> Self {
        Self { line: Line::by_keys(pool, "judge"), pool: pool.clone(), lease, hands, freed }
    }

    /// Judges until nothing is claimed any more, or the process is dead. What was claimed while it judged is judged together.
    pub(crate) async fn run(mut self, mut claimed: mpsc::Receiver<Vec<Limited>>) {
        let mut claims = Vec::new();
        while claimed.recv_many(&mut claims, TOGETHER).await > 0 {
            let ended = self.lease.ended.clone();
            let batch = claims.drain(..).flatten().collect();
            tokio::select! {
                () = self.judge(batch) => {}
                () = ended.cancelled() => return,
            }
        }
    }

    /// Judges a batch, however often it takes: to judge it again, after an answer that was lost, costs turns at most.
    pub(crate) async fn judge(&mut self, batch: Vec<Limited>) {
        let worker = self.lease.worker.uuid();
        let settled = loop {
            let judged = self.line.run(async |conn| settle(conn, worker, &batch).await).await;
            match judged {
                Ok(begin) => break begin,
                Err(error) => {
                    self.lease.strains.met(&error, &self.pool);
                    tracing::warn!(%error, jobs = batch.len(), "jobs with limits could not be judged, trying again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        };
        let mut hand = Hand::new();
        for limited in batch {
            if settled.contains(&limited.ticket.job.claim.job.uuid()) {
                hand.push(limited.ticket);
            } else {
                self.lease.release(limited.ticket.job.claim);
                drop(limited.ticket.slot);
                self.freed.notify_one();
            }
        }
        if !hand.is_empty() {
            // Refused where the process stops: what was claimed is given back with the rest.
            drop(self.hands.send(hand).await);
        }
    }
}

/// Judges and writes it, in one transaction. Says who begins: a job that was taken away meanwhile does not.
async fn settle(
    conn: &mut PgConnection,
    worker: Uuid,
    batch: &[Limited],
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let keys: BTreeSet<&str> =
        batch.iter().flat_map(|job| job.limits.iter().map(|limit| limit.key.as_str())).collect();
    let keys: Vec<&str> = keys.into_iter().collect();
    let mut tx = conn.begin().await?;
    sqlx::query_file!("sql/limit/lock.sql", &keys as &[&str]).execute(&mut *tx).await?;
    let sequences = enter(&mut tx, batch).await?;
    let claims = batch.iter().map(|job| job.ticket.job.claim);
    let (jobs, tokens): (Vec<Uuid>, Vec<i64>) =
        claims.map(|claim| (claim.job.uuid(), claim.token)).unzip();
    let rows = sqlx::query_file!(
        "sql/limit/standings.sql",
        &keys as &[&str],
        &sequences as &[&str],
        &jobs,
        &tokens
    )
    .fetch_all(&mut *tx)
    .await?;
    // Every job here has a key, and every key a row by now.
    let Some(now) = rows.first().map(|row| row.now) else { return Ok(HashSet::new()) };
    let mut standings: HashMap<String, Standing> = rows
        .into_iter()
        .map(|row| {
            let running = u32::try_from(row.running).unwrap_or(u32::MAX);
            (row.key, Standing { running, next_turn: row.next_turn, first: row.first })
        })
        .collect();
    let mut columns = Columns::default();
    for job in batch {
        let id = job.ticket.job.claim.job.uuid();
        columns.push(job, judge(id, &job.limits, job.has_turn, &mut standings, now));
    }
    columns.turns(&standings);
    let begin = columns.write(&mut tx, worker, &keys).await?;
    tx.commit().await?;
    Ok(begin)
}

/// Sees to it that who runs in order stands in line; the keys of their sequences.
async fn enter<'b>(
    conn: &mut PgConnection,
    batch: &'b [Limited],
) -> Result<Vec<&'b str>, sqlx::Error> {
    let (jobs, sequences): (Vec<Uuid>, Vec<&str>) = batch
        .iter()
        .flat_map(|job| job.limits.iter().map(|limit| (job.ticket.job.claim.job, limit)))
        .filter(|(_, limit)| limit.is_order())
        .map(|(job, limit)| (job.uuid(), limit.key.as_str()))
        .unzip();
    if !jobs.is_empty() {
        sqlx::query_file!("sql/limit/enter.sql", &jobs).execute(conn).await?;
    }
    Ok(sequences)
}

/// What was judged, as columns.
#[derive(Default)]
struct Columns<'b> {
    place_keys: Vec<&'b str>,
    place_jobs: Vec<Uuid>,
    place_tokens: Vec<i64>,
    aside: Vec<Uuid>,
    aside_tokens: Vec<i64>,
    aside_keys: Vec<String>,
    later: Vec<Uuid>,
    later_tokens: Vec<i64>,
    later_turns: Vec<DateTime<Utc>>,
    turn_keys: Vec<String>,
    turns: Vec<DateTime<Utc>>,
    begin: Vec<Uuid>,
    begin_tokens: Vec<i64>,
    gives_back: Vec<bool>,
}

impl<'b> Columns<'b> {
    /// Notes what becomes of a job.
    fn push(&mut self, limited: &'b Limited, verdict: Verdict) {
        let claim = limited.ticket.job.claim;
        let (job, token) = (claim.job.uuid(), claim.token);
        match verdict {
            Verdict::Run => {
                for limit in limited.limits.iter().filter(|limit| limit.takes_place()) {
                    self.place_keys.push(&limit.key);
                    self.place_jobs.push(job);
                    self.place_tokens.push(token);
                }
                self.begin.push(job);
                self.begin_tokens.push(token);
                self.gives_back.push(limited.limits.iter().any(Limit::frees_key));
            }
            Verdict::Aside(key) => {
                self.aside.push(job);
                self.aside_tokens.push(token);
                self.aside_keys.push(key);
            }
            Verdict::At(turn) => {
                self.later.push(job);
                self.later_tokens.push(token);
                self.later_turns.push(turn);
            }
        }
    }

    fn turns(&mut self, standings: &HashMap<String, Standing>) {
        for (key, standing) in standings {
            if let Some(turn) = standing.next_turn {
                self.turn_keys.push(key.clone());
                self.turns.push(turn);
            }
        }
    }

    async fn write(
        &self,
        conn: &mut PgConnection,
        worker: Uuid,
        keys: &[&str],
    ) -> Result<HashSet<Uuid>, sqlx::Error> {
        let begin = sqlx::query_file_scalar!(
            "sql/limit/settle.sql",
            worker,
            &self.place_keys as &[&str],
            &self.place_jobs,
            &self.place_tokens,
            &self.aside,
            &self.aside_tokens,
            &self.aside_keys,
            &self.later,
            &self.later_tokens,
            &self.later_turns,
            &self.turn_keys,
            &self.turns,
            keys as &[&str],
            &self.begin,
            &self.begin_tokens,
            &self.gives_back,
        );
        Ok(begin.fetch_all(conn).await?.into_iter().collect())
    }
}
