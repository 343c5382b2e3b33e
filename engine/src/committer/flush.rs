//! One flush, each row behind the fence: a single statement for the ordinary writes, a transaction of several for others.

use std::collections::HashSet;

use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::CommitError;
use super::change::Change;
use super::columns::{Ordinary, claims};
use super::writes::write_owned;
use crate::enqueue::EnqueueError;
use crate::ids::{JobId, WorkerId};
use crate::lease::Claim;

/// Writes ordinary changes: one statement, one commit. Returns the claims that held. `again` where they may have been
/// written before.
pub(super) async fn flush_ordinary(
    conn: &mut PgConnection,
    worker: WorkerId,
    changes: &[&Change],
    again: bool,
) -> Result<HashSet<Claim>, EnqueueError> {
    let rows = Ordinary::of(changes, again);
    let owned = if rows.only_end() {
        finish(conn, worker, &rows).await?
    } else if rows.only_step() {
        checkpoint(conn, worker, &rows).await?
    } else {
        flush_mixed(conn, worker, &rows).await?
    };
    Ok(owned)
}

fn claim((id, token): (Uuid, i64)) -> Claim {
    Claim { job: JobId::from(id), token }
}

async fn finish(
    conn: &mut PgConnection,
    worker: WorkerId,
    rows: &Ordinary<'_>,
) -> Result<HashSet<Claim>, sqlx::Error> {
    let outcomes = &rows.outcomes as &[Option<&str>];
    let finish =
        sqlx::query_file!("sql/finish.sql", worker.uuid(), &rows.ids, &rows.tokens, outcomes as _);
    let owned = finish.fetch_all(conn).await?;
    Ok(owned.into_iter().map(|row| claim((row.id, row.token))).collect())
}

async fn checkpoint(
    conn: &mut PgConnection,
    worker: WorkerId,
    rows: &Ordinary<'_>,
) -> Result<HashSet<Claim>, sqlx::Error> {
    let checkpoint = sqlx::query_file!(
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
    let owned = checkpoint.fetch_all(conn).await?;
    Ok(owned.into_iter().map(|row| claim((row.id, row.token))).collect())
}

async fn flush_mixed(
    conn: &mut PgConnection,
    worker: WorkerId,
    rows: &Ordinary<'_>,
) -> Result<HashSet<Claim>, sqlx::Error> {
    let flush = sqlx::query_file!(
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
    );
    let owned = flush.fetch_all(conn).await?;
    Ok(owned.into_iter().map(|row| claim((row.id, row.token))).collect())
}

/// Writes changes of any kind in one transaction of several statements. Returns the claims that held.
pub(super) async fn flush_any(
    conn: &mut PgConnection,
    worker: WorkerId,
    changes: &[&Change],
) -> Result<HashSet<Claim>, EnqueueError> {
    let mut tx = conn.begin().await?;
    let owned = fence(&mut tx, worker, changes).await?;
    let ours: Vec<&Change> =
        changes.iter().copied().filter(|change| owned.contains(&change.claim)).collect();
    write_owned(&mut tx, worker, &ours).await?;
    tx.commit().await?;
    Ok(owned)
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

/// Whether Postgres refuses the values (class 22 and 23), so that repeating is useless.
pub(super) fn is_refusal(error: &EnqueueError) -> bool {
    match error {
        EnqueueError::Database(error) => error
            .as_database_error()
            .and_then(|error| error.code())
            .is_some_and(|code| code.starts_with("22") || code.starts_with("23")),
        EnqueueError::Encode { .. } | EnqueueError::Contended { .. } => true,
        EnqueueError::Unknown => false,
    }
}

pub(super) fn refusal(error: EnqueueError) -> CommitError {
    match error {
        EnqueueError::Database(error) => CommitError::Refused(error),
        error @ (EnqueueError::Encode { .. }
        | EnqueueError::Contended { .. }
        | EnqueueError::Unknown) => CommitError::Enqueue(error),
    }
}
