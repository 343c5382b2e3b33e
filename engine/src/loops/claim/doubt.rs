//! A claim whose answer was lost.

use std::time::Instant;

use uuid::Uuid;

use super::{Claimer, SWEEP};
use crate::loops::lanes::LaneId;
use crate::loops::proof::Proof;

/// A claim failed, and nobody knows whether it took place (L12), or is going to: the server may still be at it when
/// its connection has long been gone.
#[derive(Debug)]
pub(super) struct Doubt {
    failed: Instant,
    looked: Instant,
}

impl Doubt {
    /// From now on. It is looked at once.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { failed: now, looked: now.checked_sub(SWEEP).unwrap_or(now) }
    }
}

impl Claimer {
    /// The database was away, or is another one: it may have lost the last commits that did not wait for its disk, or for a
    /// standby. A claim among them leaves its job ready below the marks, where nobody would look again.
    pub(super) fn doubt_all(&mut self) {
        self.doubt = Some(Doubt::new());
        self.looker.give_up();
        self.stale = true;
    }

    /// Begins at the marks that the database has kept, whose commits come after those of the claims that they rest on.
    pub(super) async fn load_marks(&mut self) -> Result<(), sqlx::Error> {
        if !self.stale {
            return Ok(());
        }
        let names = self.queues.names();
        let rows = sqlx::query_file!("sql/lane_load.sql", &names).fetch_all(&self.pool).await?;
        self.queues.forget_marks();
        for row in rows {
            let lane = LaneId { number: row.lane, share: row.share };
            self.queues.kept(&row.queue, lane, row.safe);
        }
        self.proof = Proof::new();
        self.stale = false;
        Ok(())
    }

    /// A claim whose answer was lost may have claimed jobs that nobody here knows of (L12): they are given back. It is
    /// looked for until a look has succeeded a whole lease after the failure. No claim of ours is under way here.
    pub(super) async fn release_unheld(&mut self) {
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
