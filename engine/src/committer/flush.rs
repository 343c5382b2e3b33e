//! One flush: a handful of statements in one transaction, each row behind the fence.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::change::{AttemptFailure, Change, Finish, StepWrite, Wake};
use super::{CommitError, Dead};
use crate::enqueue::{EnqueueError, NewJob, enqueue};
use crate::ids::JobId;
use crate::lease::Claim;

/// Writes all changes whose attempt still owns its job, in one transaction; returns the claims that held.
pub(super) async fn flush(
    pool: &PgPool,
    changes: &[&Change],
) -> Result<HashSet<Claim>, EnqueueError> {
    let mut tx = pool.begin().await?;
    let owned = fence(&mut tx, changes).await?;
    let ours: Vec<&Change> =
        changes.iter().copied().filter(|change| owned.contains(&change.claim)).collect();
    write_owned(&mut tx, &ours).await?;
    tx.commit().await?;
    Ok(owned)
}

/// Writes changes whose jobs the transaction has locked already.
pub(crate) async fn write_owned(
    conn: &mut PgConnection,
    ours: &[&Change],
) -> Result<(), EnqueueError> {
    save_steps(&mut *conn, ours).await?;
    save_failures(&mut *conn, ours).await?;
    finish(&mut *conn, ours).await?;
    reschedule(&mut *conn, ours).await?;
    bury(&mut *conn, ours).await?;
    let jobs: Vec<NewJob> = ours.iter().flat_map(|change| change.enqueue.iter().cloned()).collect();
    if !jobs.is_empty() {
        // Existing is as good as new here: somebody enqueued the same before us.
        drop(enqueue(&mut *conn, &jobs).await?);
    }
    Ok(())
}

/// Locks the jobs that the attempts still own.
pub(crate) async fn fence(
    conn: &mut PgConnection,
    changes: &[&Change],
) -> Result<HashSet<Claim>, sqlx::Error> {
    let (jobs, tokens) = claims(changes.iter().map(|change| change.claim));
    let rows = sqlx::query_file!("sql/fence.sql", &jobs, &tokens).fetch_all(conn).await?;
    let owned: HashSet<Claim> =
        rows.into_iter().map(|row| Claim { job: JobId::from(row.id), token: row.token }).collect();
    for late in changes.iter().filter(|change| !owned.contains(&change.claim)) {
        tracing::warn!(job = %late.claim.job, token = late.claim.token, "late write refused");
    }
    Ok(owned)
}

/// Whether Postgres refuses the values (class 22 and 23), so that repeating is useless.
pub(super) fn is_refusal(error: &EnqueueError) -> bool {
    match error {
        EnqueueError::Database(error) => error
            .as_database_error()
            .and_then(|error| error.code())
            .is_some_and(|code| code.starts_with("22") || code.starts_with("23")),
        EnqueueError::Encode { .. } | EnqueueError::Contended { .. } => true,
    }
}

pub(super) fn refusal(error: EnqueueError) -> CommitError {
    match error {
        EnqueueError::Database(error) => CommitError::Refused(error),
        error @ (EnqueueError::Encode { .. } | EnqueueError::Contended { .. }) => {
            CommitError::Enqueue(error)
        }
    }
}

pub(super) fn claims(claims: impl Iterator<Item = Claim>) -> (Vec<Uuid>, Vec<i64>) {
    claims.map(|claim| (claim.job.uuid(), claim.token)).unzip()
}

async fn save_steps(conn: &mut PgConnection, changes: &[&Change]) -> Result<(), sqlx::Error> {
    // The last word on a step counts: a statement must not touch one row twice.
    let mut steps: Vec<(&Change, &StepWrite)> = Vec::new();
    for change in changes {
        for step in &change.steps {
            steps.retain(|(other, earlier)| {
                other.claim != change.claim || earlier.name != step.name
            });
            steps.push((change, step));
        }
    }
    if steps.is_empty() {
        return Ok(());
    }
    let column = |text: fn(&StepWrite) -> Option<String>| -> Vec<Option<String>> {
        steps.iter().map(|(_, step)| text(step)).collect()
    };
    let (jobs, tokens) = claims(steps.iter().map(|(change, _)| change.claim));
    let names: Vec<String> = steps.iter().map(|(_, step)| step.name.to_owned()).collect();
    let states: Vec<String> = steps.iter().map(|(_, step)| step.state.name().to_owned()).collect();
    let outputs: Vec<Option<Value>> = steps.iter().map(|(_, step)| step.output.clone()).collect();
    let sealed: Vec<Option<Vec<u8>>> = steps.iter().map(|(_, step)| step.sealed.clone()).collect();
    let details = column(|step| step.detail.clone());
    let events = column(|step| match &step.wake {
        Some(Wake::On { event, .. }) => Some(event.clone()),
        Some(Wake::In(_)) | None => None,
    });
    let delays: Vec<Option<f64>> = steps
        .iter()
        .map(|(_, step)| match &step.wake {
            Some(Wake::In(delay) | Wake::On { look_again: delay, .. }) => Some(delay.as_secs_f64()),
            None => None,
        })
        .collect();
    sqlx::query_file!(
        "sql/save_steps.sql",
        &jobs,
        &names,
        &states,
        &tokens,
        &outputs as &[Option<Value>],
        &sealed as &[Option<Vec<u8>>],
        &details as &[Option<String>],
        &events as &[Option<String>],
        &delays as &[Option<f64>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn save_failures(conn: &mut PgConnection, changes: &[&Change]) -> Result<(), sqlx::Error> {
    let failures: Vec<(&Change, &AttemptFailure)> = changes
        .iter()
        .flat_map(|change| change.failures.iter().map(move |failure| (*change, failure)))
        .collect();
    if failures.is_empty() {
        return Ok(());
    }
    let column = |text: fn(&AttemptFailure) -> String| -> Vec<String> {
        failures.iter().map(|(_, failure)| text(failure)).collect()
    };
    let (jobs, tokens) = claims(failures.iter().map(|(change, _)| change.claim));
    let attempts: Vec<i32> = failures.iter().map(|(_, failure)| failure.attempt).collect();
    let steps: Vec<Option<String>> =
        failures.iter().map(|(_, failure)| failure.step.map(ToOwned::to_owned)).collect();
    let actions: Vec<Option<String>> =
        failures.iter().map(|(_, failure)| failure.failure.action.clone()).collect();
    let retry_in: Vec<Option<f64>> = failures
        .iter()
        .map(|(_, failure)| failure.retry_in.as_ref().map(Duration::as_secs_f64))
        .collect();
    sqlx::query_file!(
        "sql/save_failures.sql",
        &jobs,
        &tokens,
        &attempts,
        &steps as &[Option<String>],
        &column(|failure| failure.failure.class.name().to_owned()),
        &column(|failure| failure.failure.code.to_string()),
        &column(|failure| failure.failure.message.clone()),
        &actions as &[Option<String>],
        &column(|failure| failure.failure.effect.name().to_owned()),
        &retry_in as &[Option<f64>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn finish(conn: &mut PgConnection, changes: &[&Change]) -> Result<(), sqlx::Error> {
    let (claimed, outcomes): (Vec<Claim>, Vec<String>) = changes
        .iter()
        .filter_map(|change| match change.finish {
            Some(Finish::Completed) => Some((change.claim, "completed".to_owned())),
            Some(Finish::Degraded) => Some((change.claim, "degraded".to_owned())),
            Some(Finish::Again { .. } | Finish::Parked | Finish::Dead { .. }) | None => None,
        })
        .unzip();
    if claimed.is_empty() {
        return Ok(());
    }
    let (jobs, tokens) = claims(claimed.into_iter());
    sqlx::query_file!("sql/finish.sql", &jobs, &tokens, &outcomes).execute(conn).await?;
    Ok(())
}

async fn reschedule(conn: &mut PgConnection, changes: &[&Change]) -> Result<(), sqlx::Error> {
    let again: Vec<(Claim, f64, bool, bool, bool)> = changes
        .iter()
        .filter_map(|change| match change.finish {
            Some(Finish::Again { delay, counts, crashed }) => {
                Some((change.claim, delay.as_secs_f64(), counts, false, crashed))
            }
            Some(Finish::Parked) => Some((change.claim, 0.0, false, true, false)),
            Some(Finish::Completed | Finish::Degraded | Finish::Dead { .. }) | None => None,
        })
        .collect();
    if again.is_empty() {
        return Ok(());
    }
    let (jobs, tokens) = claims(again.iter().map(|(claim, ..)| *claim));
    let delays: Vec<f64> = again.iter().map(|(_, delay, ..)| *delay).collect();
    let counts: Vec<bool> = again.iter().map(|(_, _, counts, ..)| *counts).collect();
    let parked: Vec<bool> = again.iter().map(|(_, _, _, parked, _)| *parked).collect();
    let crashed: Vec<bool> = again.iter().map(|(.., crashed)| *crashed).collect();
    sqlx::query_file!("sql/reschedule.sql", &jobs, &tokens, &delays, &counts, &parked, &crashed)
        .execute(conn)
        .await?;
    Ok(())
}

async fn bury(conn: &mut PgConnection, changes: &[&Change]) -> Result<(), sqlx::Error> {
    let dead: Vec<(Claim, Dead, Value)> = changes
        .iter()
        .filter_map(|change| match &change.finish {
            Some(Finish::Dead { reason, failure }) => {
                let failure = serde_json::to_value(failure).unwrap_or_default();
                Some((change.claim, *reason, failure))
            }
            Some(Finish::Completed | Finish::Degraded | Finish::Again { .. } | Finish::Parked)
            | None => None,
        })
        .collect();
    if dead.is_empty() {
        return Ok(());
    }
    let (jobs, tokens) = claims(dead.iter().map(|(claim, ..)| *claim));
    let reasons: Vec<String> = dead.iter().map(|(_, reason, _)| reason.name().to_owned()).collect();
    let failures: Vec<Value> = dead.into_iter().map(|(.., failure)| failure).collect();
    sqlx::query_file!("sql/bury.sql", &jobs, &tokens, &reasons, &failures).execute(conn).await?;
    Ok(())
}
