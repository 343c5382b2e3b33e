//! A backlog of jobs or runs, spread over queues and workspaces.

use autopilot_engine::{Job, NewJob, WorkspaceId, enqueue};
use sqlx::{Connection, PgConnection, query};

use crate::Failure;
use crate::jobs::{Noop, Seven};
use crate::server::Database;

/// Jobs in one call of [`enqueue`].
const BATCH: usize = 1_000;

/// What waits to be worked off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) work: What,
    /// How many.
    pub(crate) count: usize,
    /// Over how many queues they are spread; 0 leaves them in the default one.
    pub(crate) queues: usize,
    /// Over how many workspaces jobs are spread; 0 gives them none.
    pub(crate) workspaces: usize,
}

/// What is worked off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Jobs that do nothing.
    Jobs,
    /// Runs of seven steps that do nothing.
    Runs,
}

impl Load {
    /// Enqueues it, and leaves the table as a vacuum leaves it.
    pub(crate) async fn fill(&self, database: &Database) -> Result<(), Failure> {
        let mut conn = PgConnection::connect(database.url.as_str()).await?;
        let workspaces: Vec<WorkspaceId> =
            (0..self.workspaces).map(|_| WorkspaceId::now_v7()).collect();
        let workspace = |n: usize| match workspaces.len() {
            0 => WorkspaceId::NONE,
            count => workspaces.get(n % count).copied().unwrap_or(WorkspaceId::NONE),
        };
        match self.work {
            What::Jobs => {
                let job = |n| Noop { n, workspace: workspace(n) };
                enqueue_all(&mut conn, self.count, job).await?;
            }
            What::Runs => enqueue_all(&mut conn, self.count, |n| Seven { n }).await?,
        }
        if self.queues > 0 {
            // A kind has one queue; here one kind is spread over all, in the order in which its jobs are due.
            query(
                "UPDATE engine.job j SET queue = 'scale-' || (p.place - 1) % $1
                 FROM (SELECT id, row_number() OVER (ORDER BY run_at, id) AS place FROM engine.job) p
                 WHERE p.id = j.id",
            )
            .bind(i64::try_from(self.queues)?)
            .execute(&mut conn)
            .await?;
        }
        query("VACUUM (FULL, ANALYZE) engine.job").execute(&mut conn).await?;
        Ok(conn.close().await?)
    }
}

/// Enqueues so many, in batches.
pub(crate) async fn enqueue_all<J: Job>(
    conn: &mut PgConnection,
    count: usize,
    job: impl Fn(usize) -> J,
) -> Result<(), Failure> {
    for first in (0..count).step_by(BATCH) {
        let batch: Vec<NewJob> = (first..count.min(first + BATCH))
            .map(|n| NewJob::of(&job(n)))
            .collect::<Result<_, _>>()?;
        drop(enqueue(conn, &batch).await?);
    }
    Ok(())
}
