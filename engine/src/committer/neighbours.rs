//! What a change does to other jobs: its children, its parent, whoever stands next in line for its place.

use sqlx::PgConnection;
use uuid::Uuid;

use super::change::{Change, Wake};
use crate::enqueue::{EnqueueError, NewJob, enqueue};
use crate::family;
use crate::limit::places;
use crate::loops::hints::Hint;

/// Children exist together with the checkpoint that says so. Written again after an answer that was lost, they are the same.
pub(super) async fn spawn(
    conn: &mut PgConnection,
    changes: &[&Change],
) -> Result<(), EnqueueError> {
    let jobs: Vec<NewJob> =
        changes.iter().flat_map(|change| change.spawn().iter().cloned()).collect();
    if !jobs.is_empty() {
        drop(enqueue(conn, &jobs).await?);
    }
    Ok(())
}

/// Whoever is about to wait for what has come meanwhile does not wait: their events are locked, so nothing comes unseen.
pub(super) async fn look_once_more(
    conn: &mut PgConnection,
    changes: &[&Change],
) -> Result<(), sqlx::Error> {
    let waiting: Vec<Uuid> = changes
        .iter()
        .filter(|change| {
            change
                .steps
                .iter()
                .any(|step| matches!(step.wake, Some(Wake::On { .. } | Wake::Until { .. })))
        })
        .map(|change| change.claim.job.uuid())
        .collect();
    if !waiting.is_empty() {
        sqlx::query_file!("sql/event/arrived.sql", &waiting).execute(conn).await?;
    }
    Ok(())
}

/// Lets those go on who waited for these changes, after they are written: parents whose child has ended, jobs that the limits
/// have room for now. Says where there is work, that of the children included.
pub(super) async fn let_go_on(
    conn: &mut PgConnection,
    changes: &[&Change],
) -> Result<Vec<Hint>, sqlx::Error> {
    let mut hints: Vec<Hint> =
        changes.iter().flat_map(|change| change.spawn()).map(Hint::from).collect();
    let ended: Vec<&str> =
        changes.iter().filter_map(|change| Some(change.ended_child()?.wakes.as_str())).collect();
    if !ended.is_empty() {
        hints.extend(family::ended(&mut *conn, &ended).await?);
    }
    let left: Vec<Uuid> = changes
        .iter()
        .filter(|change| change.limited && change.finish.is_some())
        .map(|change| change.claim.job.uuid())
        .collect();
    if !left.is_empty() {
        hints.extend(places::leave(conn, &left, Vec::new()).await?);
    }
    Ok(hints)
}
