//! Looking: where the lanes stand, and when their first jobs are due.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Claimer;
use crate::loops::lanes::{LaneId, Seen};
use crate::loops::proof::{Snapshot, Writers};
use crate::loops::queues::Questions;

/// The safe marks are kept this often, if they moved: a process that starts walks what was claimed since.
const KEEP: Duration = Duration::from_secs(1);

/// So often it is read what workspaces weigh.
const WEIGH: Duration = Duration::from_secs(10);

/// So long it does not look, for each lane that it looked at: that took about 10 µs, so looks take a tenth of the time.
const REST_EACH: Duration = Duration::from_micros(100);

/// How often it looks before it leaves.
const LAST_LOOKS: usize = 3;

impl Claimer {
    /// Looks at every lane: moves the marks, and says in how long the next job is due.
    pub(crate) async fn look(&mut self) -> Result<Option<Duration>, sqlx::Error> {
        self.looked = Instant::now();
        let Questions { known, gaps } = self.queues.questions();
        self.rest = REST_EACH.saturating_mul(u32::try_from(known.queues.len()).unwrap_or(u32::MAX));
        let stalled = self.proof.is_stalled();
        let (writers, rows) = self
            .line
            .run(async |conn| {
                // Asked before the snapshot is taken, as the proof wants it.
                let writers = if stalled {
                    let writers = sqlx::query_file_scalar!("sql/writers.sql");
                    Some(writers.fetch_all(&mut *conn).await?)
                } else {
                    None
                };
                let look = sqlx::query_file!(
                    "sql/look.sql",
                    &known.queues,
                    &known.numbers,
                    &known.shares,
                    &known.safe,
                    &gaps.queues,
                    &gaps.numbers,
                    &gaps.after,
                    &gaps.before
                );
                Ok::<_, sqlx::Error>((writers, look.fetch_all(conn).await?))
            })
            .await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let snapshot = Snapshot {
            now: row.now,
            xmin: row.xmin.parse().unwrap_or(0),
            xmax: row.xmax.parse().unwrap_or(u64::MAX),
        };
        let before = self.server.replace((row.started, snapshot.xmax));
        if before.is_some_and(|(started, xmax)| started != row.started || xmax > snapshot.xmax) {
            // Behind a pooler an idle connection does not break when the server does.
            self.doubt_all();
            return Ok(Some(Duration::ZERO));
        }
        let proven = self.proof.seen(snapshot, writers.map(Writers::from_iter));
        let (mut due_in, mut found) = (None::<Duration>, HashMap::new());
        for row in rows {
            let lane = LaneId { number: row.lane, share: row.share };
            let seen = Seen { lane, first: row.first, now: row.now, proven };
            if let Some(wait) = self.queues.seen(&row.queue, seen) {
                due_in = Some(due_in.map_or(wait, |due| due.min(wait)));
            }
            if !row.known {
                *found.entry(row.queue).or_insert(0) += 1;
            }
        }
        self.queues.all_seen(snapshot.now, proven, &found);
        self.keep_marks().await?;
        self.weigh().await?;
        Ok(due_in)
    }

    /// Reads what workspaces weigh, now and then, where they take turns.
    async fn weigh(&mut self) -> Result<(), sqlx::Error> {
        let stale = self.weighed.is_none_or(|weighed| weighed.elapsed() >= WEIGH);
        if stale && self.queues.take_turns() {
            let rows = sqlx::query_file!("sql/weights.sql").fetch_all(&self.pool).await?;
            self.queues.weigh(rows.into_iter().map(|row| (row.share, row.weight)));
            self.weighed = Some(Instant::now());
        }
        Ok(())
    }

    /// Keeps the safe marks as they are at the end, so that whoever comes next has nothing to walk.
    pub(crate) async fn leave(&mut self) {
        // One look notes a moment, the next proves it, unless somebody is just at a write.
        for _ in 0..LAST_LOOKS {
            let looked = match self.load_marks().await {
                Ok(()) => self.look().await,
                Err(error) => Err(error),
            };
            if let Err(error) = looked {
                return tracing::debug!(%error, "the marks were not kept; the next process walks a little");
            }
        }
        if let Err(error) = self.keep_moved().await {
            tracing::debug!(%error, "the marks were not kept; the next process walks a little");
        }
    }

    /// Keeps the safe marks now and then, if they moved.
    async fn keep_marks(&mut self) -> Result<(), sqlx::Error> {
        if self.kept.elapsed() < KEEP {
            return Ok(());
        }
        self.keep_moved().await
    }

    /// Keeps those that have moved.
    pub(crate) async fn keep_moved(&mut self) -> Result<(), sqlx::Error> {
        self.kept = Instant::now();
        let moved = self.queues.take_moved();
        if !moved.queues.is_empty() {
            sqlx::query_file!(
                "sql/lane_keep.sql",
                &moved.queues,
                &moved.numbers,
                &moved.shares,
                &moved.safe
            )
            .execute(&self.pool)
            .await?;
        }
        Ok(())
    }
}
