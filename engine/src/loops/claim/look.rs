//! Looking: where the lanes stand, and when their first jobs are due.

use std::time::{Duration, Instant};

use super::Claimer;
use crate::loops::lanes::Seen;

/// The safe marks are kept this often, if they moved: a process that starts walks what was claimed since.
const KEEP: Duration = Duration::from_secs(1);

impl Claimer {
    /// Looks at every lane: moves the marks, and says in how long the next job is due.
    pub(super) async fn look(&mut self) -> Result<Option<Duration>, sqlx::Error> {
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
}
