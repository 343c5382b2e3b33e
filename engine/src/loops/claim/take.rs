//! A claim: takes what is ready for the slots that are free, and hands it on.

use std::collections::HashMap;
use std::sync::Arc;

use super::Claimer;
use super::doubt::Doubt;
use super::row::{Row, Taken};
use crate::loops::judge::Limited;
use crate::runner::Hand;

impl Claimer {
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
