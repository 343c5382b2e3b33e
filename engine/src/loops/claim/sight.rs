//! What a look asks of the database, and what it brings. It has a connection of its own, so that claims go on meanwhile: with
//! a thousand workspaces a look takes as long as several claims.

use std::future::pending;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use crate::line::Line;
use crate::loops::proof::{Snapshot, Writers};
use crate::loops::queues::{Marks, Questions};

/// What a look asks for, and what it does on its way.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) questions: Questions,
    /// Who writes is asked as well.
    pub(super) writers: bool,
    /// What is kept: none where it is empty.
    pub(super) moved: Marks,
    /// It is read what workspaces weigh, if they take turns somewhere.
    pub(super) weights: bool,
}

/// What a look has seen.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) lanes: Vec<Stands>,
    pub(super) writers: Option<Writers>,
    /// What shares weigh, where that was asked.
    pub(super) weights: Option<Vec<(i32, f64)>>,
}

/// How a lane stands, and the snapshot that this was read in.
#[derive(Debug)]
pub(super) struct Stands {
    pub(super) queue: String,
    pub(super) lane: i16,
    pub(super) share: i32,
    pub(super) first: Option<DateTime<Utc>>,
    pub(super) known: bool,
    pub(super) now: DateTime<Utc>,
    pub(super) xmin: String,
    pub(super) xmax: String,
    pub(super) started: DateTime<Utc>,
}

/// Whoever looks: one look at a time, so that they come back in the order of their snapshots.
#[derive(Debug)]
pub(super) struct Looker {
    line: Arc<Mutex<Line>>,
    out: Option<AbortOnDropHandle<Result<Sight, sqlx::Error>>>,
}

impl Looker {
    pub(super) fn new(line: Line) -> Self {
        Self { line: Arc::new(Mutex::new(line)), out: None }
    }

    /// Whether a look is under way.
    pub(super) const fn is_out(&self) -> bool {
        self.out.is_some()
    }

    /// Begins a look. One that was under way is given up.
    pub(super) fn send(&mut self, errand: Errand) {
        let line = Arc::clone(&self.line);
        let out = async move { errand.run(&mut *line.lock().await).await };
        self.out = Some(AbortOnDropHandle::new(tokio::spawn(out)));
    }

    /// What the look under way has seen, when it is back. Without one, and without a runtime to go on in, it never is.
    pub(super) async fn back(&mut self) -> Result<Sight, sqlx::Error> {
        let Some(out) = &mut self.out else { return pending().await };
        let sight = out.await;
        self.out = None;
        match sight {
            Ok(sight) => sight,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_cancelled) => pending().await,
            },
        }
    }

    /// Gives up the look that is under way.
    pub(super) fn give_up(&mut self) {
        self.out = None;
    }
}

impl Errand {
    async fn run(self, line: &mut Line) -> Result<Sight, sqlx::Error> {
        let Self { questions: Questions { known, gaps }, writers, moved, weights } = self;
        line.run(async |conn| {
            // Asked before the snapshot is taken, as the proof wants it.
            let writers = if writers {
                let writers = sqlx::query_file_scalar!("sql/writers.sql");
                Some(Writers::from_iter(writers.fetch_all(&mut *conn).await?))
            } else {
                None
            };
            let look = sqlx::query_file_as!(
                Stands,
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
            let lanes = look.fetch_all(&mut *conn).await?;
            keep(moved, &mut *conn).await?;
            let weights = if weights && lanes.iter().any(|lane| lane.share != 0) {
                let weights = sqlx::query_file!("sql/weights.sql").fetch_all(conn).await?;
                Some(weights.into_iter().map(|row| (row.share, row.weight)).collect())
            } else {
                None
            };
            Ok(Sight { lanes, writers, weights })
        })
        .await
    }
}

/// Keeps safe marks, if there are any.
pub(super) async fn keep(marks: Marks, conn: impl PgExecutor<'_>) -> Result<(), sqlx::Error> {
    let Marks { queues, numbers, shares, safe } = marks;
    if !queues.is_empty() {
        sqlx::query_file!("sql/lane_keep.sql", &queues, &numbers, &shares, &safe)
            .execute(conn)
            .await?;
    }
    Ok(())
}

impl Stands {
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            now: self.now,
            xmin: self.xmin.parse().unwrap_or(0),
            xmax: self.xmax.parse().unwrap_or(u64::MAX),
        }
    }
}
