//! Operators' verbs for many jobs at once, by what they have in common.
//!
//! Each works in batches of 500, each of them a transaction: what an interrupted one has done stays done, and it can be
//! asked for again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use super::{OpsError, cancel_these};
use crate::ids::{JobId, WorkspaceId};
use crate::loops::hints::Hint;
use crate::loops::listen::send_all;

/// So many jobs a transaction.
const BATCH: usize = 500;

/// Which jobs; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Of this tenant.
    pub workspace: Option<WorkspaceId>,
    /// Of this kind.
    pub kind: Option<String>,
    /// In this queue.
    pub queue: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
}

/// In which status a live job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    /// Due, and nobody has begun it.
    Ready,
    /// Due later: scheduled, retrying, sleeping or waiting.
    Scheduled,
    /// An attempt of it runs.
    Running,
    /// Held back by a limit or a pause.
    Aside,
}

impl Live {
    const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Aside => "aside",
        }
    }
}

/// Cancels live jobs, in one status or in any, enqueued `older_than` ago or before: terminal, wins over a late ack, and reaches
/// running attempts within a heartbeat (L10). How many there were.
///
/// # Errors
/// When the selection is empty, which would be every job there is, or the database refuses.
pub async fn cancel(
    pool: &PgPool,
    which: &Selection,
    status: Option<Live>,
    older_than: Option<Duration>,
) -> Result<usize, OpsError> {
    which.check()?;
    let (mut last, mut count) = (Uuid::nil(), 0);
    loop {
        let mut tx = pool.begin().await?;
        let gone = sqlx::query_file_scalar!(
            "sql/ops/cancel_choose.sql",
            last,
            which.workspace.map(WorkspaceId::uuid),
            which.kind,
            which.queue,
            status.map(Live::name),
            which.tag,
            older_than.as_ref().map(Duration::as_secs_f64)
        )
        .fetch_all(&mut *tx)
        .await?;
        let hints = cancel_these(&mut tx, &gone).await?;
        tx.commit().await?;
        send_all(pool, &hints.unwrap_or_default()).await;
        count += gone.len();
        match gone.last() {
            Some(id) if gone.len() == BATCH => last = *id,
            Some(_) | None => return Ok(count),
        }
    }
}

/// What became of the dead letters that were to be put back to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Redriven {
    /// They are in the queue again.
    pub queued: usize,
    /// A live job has their unique key: they stay as they are.
    pub kept: usize,
}

/// Puts dead letters back to work, the oldest first, `per_second` of them at most.
///
/// The first is due at once, the others are spread over the time that this takes. Those whose outcome nobody knows are left for
/// [`super::resolve`], one by one.
///
/// # Errors
/// When the rate is not above zero, or the database refuses.
pub async fn redrive(
    pool: &PgPool,
    which: &Selection,
    per_second: Option<f64>,
) -> Result<Redriven, OpsError> {
    const REASONS: [&str; 3] = ["failed", "quarantined", "undecodable"];
    if per_second.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
        return Err(OpsError::Invalid("the rate must be above 0 a second".to_owned()));
    }
    let interval = per_second.map_or(0.0, |rate| 1.0 / rate);
    let (mut last, mut done): (Option<(DateTime<Utc>, Uuid)>, _) = (None, Redriven::default());
    loop {
        let letters = sqlx::query_file!(
            "sql/ops/dead_many.sql",
            last.map(|(at, _)| at),
            last.map(|(_, id)| id),
            which.workspace.map(WorkspaceId::uuid),
            which.kind,
            which.queue,
            &REASONS as &[&str],
            which.tag
        )
        .fetch_all(pool)
        .await?;
        for letter in &letters {
            let due_in = interval * f64::from(u32::try_from(done.queued).unwrap_or(u32::MAX));
            // A statement that queues nothing keeps nothing either: rolling back keeps the letter.
            let mut tx = pool.begin().await?;
            let queue = super::exhume(&mut tx, JobId::from(letter.id), due_in, false).await?;
            match queue {
                Some(queue) => {
                    tx.commit().await?;
                    done.queued += 1;
                    if done.queued == 1 {
                        send_all(pool, &[Hint::anywhere(&queue).payload()]).await;
                    }
                }
                None => done.kept += 1,
            }
        }
        match letters.last() {
            Some(letter) if letters.len() == BATCH => last = Some((letter.died_at, letter.id)),
            Some(_) | None => return Ok(done),
        }
    }
}

impl Selection {
    fn check(&self) -> Result<(), OpsError> {
        let Self { workspace, kind, queue, tag } = self;
        if workspace.is_none() && kind.is_none() && queue.is_none() && tag.is_none() {
            return Err(OpsError::Invalid(
                "say which: a workspace, a kind, a queue or a tag".to_owned(),
            ));
        }
        Ok(())
    }
}
