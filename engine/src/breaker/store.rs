//! The statements of breakers, and what their keys are.

use std::time::Duration;

use sqlx::PgPool;
use uuid::Uuid;

use super::view::{Known, seconds};
use super::{BreakerPolicy, Call, LONGEST_REASON};
use crate::ids::{WorkerId, WorkspaceId};
use crate::kept::kept;
use crate::lease::Claim;

/// The key of a breaker: of a service as a whole, or for a workspace.
pub(crate) fn key(service: &str, workspace: Option<WorkspaceId>) -> String {
    match workspace {
        Some(workspace) => format!("{service}/{workspace}"),
        None => service.to_owned(),
    }
}

/// What those wait for whom a breaker holds back.
pub(crate) fn signal(key: &str) -> String {
    format!("breaker/{key}")
}

/// A breaker that is open after a failure.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) known: Known,
    pub(super) open_for: Duration,
    pub(super) is_of_workspace: bool,
}

/// Takes the lease to try the services of these breakers: of all of them, or none.
pub(super) async fn probe(
    pool: &PgPool,
    keys: &[String],
    probe: Uuid,
    time: Duration,
) -> Result<bool, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let taken = sqlx::query_file!("sql/breaker/probe.sql", keys, probe, time.as_secs_f64())
        .fetch_all(&mut *tx)
        .await?;
    if taken.len() != keys.len() {
        tx.rollback().await?;
        return Ok(false);
    }
    tx.commit().await?;
    Ok(true)
}

pub(super) async fn give_back(
    pool: &PgPool,
    keys: &[String],
    probe: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query_file!("sql/breaker/give_back.sql", keys, probe).execute(pool).await.map(drop)
}

pub(super) async fn succeeded(
    pool: &PgPool,
    keys: &[String],
    worker: WorkerId,
    claim: Claim,
    probe: Option<Uuid>,
) -> Result<(), sqlx::Error> {
    let (job, token) = (claim.job.uuid(), claim.token);
    sqlx::query_file!("sql/breaker/succeeded.sql", keys, job, token, worker.uuid(), probe)
        .execute(pool)
        .await
        .map(drop)
}

/// Counts an outage. The breakers that are open then.
pub(super) async fn failed(
    pool: &PgPool,
    call: &Call,
    worker: WorkerId,
    probe: Option<Uuid>,
    reason: &str,
    policy: &BreakerPolicy,
) -> Result<Vec<Open>, sqlx::Error> {
    let reason = kept(reason, LONGEST_REASON);
    let rows = sqlx::query_file!(
        "sql/breaker/failed.sql",
        call.service,
        call.workspace.uuid(),
        reason,
        call.claim.job.uuid(),
        call.claim.token,
        worker.uuid(),
        probe,
        i32::try_from(policy.failures).unwrap_or(i32::MAX),
        policy.open_for.as_secs_f64()
    )
    .fetch_all(pool)
    .await?;
    let open = rows.into_iter().map(|row| Open {
        is_of_workspace: row.workspace.is_some(),
        open_for: seconds(row.open_for),
        known: Known {
            key: row.key,
            opened_at: Some(row.opened_at),
            closed_for: seconds(row.closed_for),
            is_probed: false,
            tripped: row.tripped,
            reason: row.reason,
        },
    });
    Ok(open.collect())
}
