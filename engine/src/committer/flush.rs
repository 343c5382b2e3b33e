//! One flush, each row behind the fence: a single statement for the ordinary writes, a transaction of several for others.

use std::collections::HashSet;

use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::CommitError;
use super::change::Change;
use super::columns::{Ordinary, claims};
use super::resolve::standings;
use super::writes::write_owned;
use crate::enqueue::EnqueueError;
use crate::ids::{JobId, WorkerId};
use crate::lease::Claim;
use crate::loops::listen::Waker;

/// Which of the flushed changes held: those whose attempt still owned its job.
#[derive(Debug)]
pub(super) enum Held {
    All,
    Only(HashSet<Claim>),
}

impl Held {
    pub(super) fn contains(&self, claim: &Claim) -> bool {
        match self {
            Self::All => true,
            Self::Only(claims) => claims.contains(claim),
        }
    }
}

/// Writes ordinary changes: one statement, one commit. Where not all of them held, it is read which did. `again` where
/// they may have been written before.
pub(super) async fn flush_ordinary(
    conn: &mut PgConnection,
    worker: WorkerId,
    changes: &[&Change],
    again: bool,
) -> Result<Held, EnqueueError> {
    let rows = Ordinary::of(changes, again);
    let held = if rows.only_end() {
        finish(&mut *conn, worker, &rows).await?
    } else if rows.only_step() {
        checkpoint(&mut *conn, worker, &rows).await?
    } else {
        flush_mixed(&mut *conn, worker, &rows).await?
    };
    if usize::try_from(held).is_ok_and(|held| held == changes.len()) {
        return Ok(Held::All);
    }
    let standings = standings(conn, worker, changes).await?;
    let held = |change: &&&Change| {
        standings.get(&change.claim).is_some_and(|standing| standing.held(change))
    };
    Ok(Held::Only(changes.iter().filter(held).map(|change| change.claim).collect()))
}

async fn finish(
    conn: &mut PgConnection,
    worker: WorkerId,
    rows: &Ordinary<'_>,
) -> Result<i64, sqlx::Error> {
    let outcomes = &rows.outcomes as &[Option<&str>];
    let finish =
        sqlx::query_file!("sql/finish.sql", worker.uuid(), &rows.ids, &rows.tokens, outcomes as _);
    let moved = finish.execute(conn).await?.rows_affected();
    Ok(i64::try_from(moved).unwrap_or(i64::MAX))
}

async fn checkpoint(
    conn: &mut PgConnection,
    worker: WorkerId,
    rows: &Ordinary<'_>,
) -> Result<i64, sqlx::Error> {
    let checkpoint = sqlx::query_file_scalar!(
        "sql/checkpoint.sql",
        worker.uuid(),
        &rows.ids,
        &rows.tokens,
        &rows.begins as &[Option<&str>],
        &rows.starts,
        &rows.done as &[Option<&str>],
        &rows.outputs as &[Option<&str>],
        &rows.sealed as &[Option<&[u8]>],
        &rows.done_starts,
        &rows.took,
    );
    checkpoint.fetch_one(conn).await
}

async fn flush_mixed(
    conn: &mut PgConnection,
    worker: WorkerId,
    rows: &Ordinary<'_>,
) -> Result<i64, sqlx::Error> {
    let flush = sqlx::query_file_scalar!(
        "sql/flush.sql",
        worker.uuid(),
        &rows.ids,
        &rows.tokens,
        &rows.begins as &[Option<&str>],
        &rows.starts,
        &rows.outcomes as &[Option<&str>],
        &rows.done as &[Option<&str>],
        &rows.outputs as &[Option<&str>],
        &rows.sealed as &[Option<&[u8]>],
        &rows.done_starts,
        &rows.took,
        &rows.starting.ids,
        &rows.starting.workspaces,
        &rows.starting.kinds as &[&str],
        &rows.starting.queues as &[&str],
        &rows.starting.priorities,
        &rows.starting.payloads as &[&str],
        &rows.starting.plans as &[Option<&str>],
        crate::VERSION,
        &rows.fresh,
        &rows.starting.begins as &[Option<&str>],
        &rows.going_on,
        &rows.ending,
        &rows.starting.shares,
    );
    flush.fetch_one(conn).await
}

/// Writes changes of any kind in one transaction of several statements, and tells who may find work then. Returns the claims
/// that held.
pub(super) async fn flush_any(
    conn: &mut PgConnection,
    worker: WorkerId,
    changes: &[&Change],
    waker: &Waker,
) -> Result<Held, EnqueueError> {
    let mut tx = conn.begin().await?;
    lock_first(&mut tx, changes).await?;
    let owned = fence(&mut tx, worker, changes).await?;
    let ours: Vec<&Change> =
        changes.iter().copied().filter(|change| owned.contains(&change.claim)).collect();
    let hints = write_owned(&mut tx, worker, &ours).await?;
    tx.commit().await?;
    for hint in hints {
        waker.wake(hint);
    }
    Ok(Held::Only(owned))
}

/// What is locked before the jobs themselves: events that are waited for or happen, then children that end, their parents and
/// whoever else waits for them together, so that everybody locks in one order.
async fn lock_first(conn: &mut PgConnection, changes: &[&Change]) -> Result<(), sqlx::Error> {
    let events: Vec<&str> = changes.iter().flat_map(|change| change.events()).collect();
    if !events.is_empty() {
        sqlx::query_file!("sql/event/lock.sql", &events as &[&str]).fetch_all(&mut *conn).await?;
    }
    let (parents, ends): (Vec<Uuid>, Vec<&str>) = changes
        .iter()
        .filter_map(|change| change.ended_child())
        .map(|family| (family.parent, family.wakes.as_str()))
        .unzip();
    if !parents.is_empty() {
        let own = changes.iter().map(|change| change.claim.job.uuid());
        let all: Vec<Uuid> = own.chain(parents).collect();
        sqlx::query_file!("sql/family/lock.sql", &all, &ends as &[&str]).fetch_all(conn).await?;
    }
    Ok(())
}

/// Locks the jobs that the attempts still own.
pub(crate) async fn fence(
    conn: &mut PgConnection,
    worker: WorkerId,
    changes: &[&Change],
) -> Result<HashSet<Claim>, sqlx::Error> {
    let (jobs, tokens) = claims(changes.iter().map(|change| change.claim));
    let rows =
        sqlx::query_file!("sql/fence.sql", worker.uuid(), &jobs, &tokens).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| Claim { job: JobId::from(row.id), token: row.token }).collect())
}

/// Whether Postgres refuses the values (classes 21 to 23, and 54: too long for an index), so that repeating is useless.
pub(super) fn is_refusal(error: &EnqueueError) -> bool {
    match error {
        EnqueueError::Database(error) => {
            error.as_database_error().and_then(|error| error.code()).is_some_and(|code| {
                ["21", "22", "23", "54"].iter().any(|class| code.starts_with(class))
            })
        }
        EnqueueError::Encode { .. }
        | EnqueueError::Invalid { .. }
        | EnqueueError::Contended { .. } => true,
        EnqueueError::Unknown => false,
    }
}

pub(super) fn refusal(error: EnqueueError) -> CommitError {
    match error {
        EnqueueError::Database(error) => CommitError::Refused(error),
        error @ (EnqueueError::Encode { .. }
        | EnqueueError::Invalid { .. }
        | EnqueueError::Contended { .. }
        | EnqueueError::Unknown) => CommitError::Enqueue(error),
    }
}
