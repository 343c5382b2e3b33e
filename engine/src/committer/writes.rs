//! What one transaction writes for attempts that the fence has let through: a statement for each kind of write, and
//! none for a kind that does not occur.

use std::time::Duration;

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Dead;
use super::change::{AttemptFailure, Change, Finish, Mark};
use super::columns::{Steps, claims, mark, outcome};
use super::neighbours;
use crate::enqueue::{EnqueueError, NewJob, enqueue};
use crate::ids::WorkerId;
use crate::lease::Claim;
use crate::loops::hints::Hint;

/// Writes changes whose jobs the transaction has locked already. Says where there is work now, for hints after the commit.
pub(crate) async fn write_owned(
    conn: &mut PgConnection,
    worker: WorkerId,
    ours: &[&Change],
) -> Result<Vec<Hint>, EnqueueError> {
    neighbours::spawn(&mut *conn, ours).await?;
    save_steps(&mut *conn, ours).await?;
    neighbours::look_once_more(&mut *conn, ours).await?;
    mark_steps(&mut *conn, ours).await?;
    save_failures(&mut *conn, ours).await?;
    save_outputs(&mut *conn, ours).await?;
    finish(&mut *conn, worker, ours).await?;
    reschedule(&mut *conn, worker, ours).await?;
    bury(&mut *conn, worker, ours).await?;
    let jobs: Vec<NewJob> =
        ours.iter().flat_map(|change| change.enqueue().iter().cloned()).collect();
    if !jobs.is_empty() {
        // Existing is as good as new here: somebody enqueued the same before us.
        drop(enqueue(&mut *conn, &jobs).await?);
    }
    let mut hints: Vec<Hint> = jobs.iter().map(Hint::from).collect();
    hints.extend(neighbours::let_go_on(conn, ours).await?);
    Ok(hints)
}

async fn save_steps(conn: &mut PgConnection, changes: &[&Change]) -> Result<(), sqlx::Error> {
    let rows = Steps::of(changes);
    if rows.jobs.is_empty() {
        return Ok(());
    }
    sqlx::query_file!(
        "sql/save_steps.sql",
        &rows.jobs,
        &rows.names as &[&str],
        &rows.states as &[&str],
        &rows.tokens,
        &rows.starts,
        &rows.outputs as &[Option<&str>],
        &rows.sealed as &[Option<&[u8]>],
        &rows.details as &[Option<&str>],
        &rows.events as &[Option<&str>],
        &rows.delays as &[Option<f64>],
        &rows.took,
        &rows.ends,
        &rows.outages,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn save_outputs(conn: &mut PgConnection, changes: &[&Change]) -> Result<(), sqlx::Error> {
    let (jobs, outputs): (Vec<Uuid>, Vec<&str>) = changes
        .iter()
        .filter_map(|change| Some((change.claim.job.uuid(), change.output()?)))
        .unzip();
    if !jobs.is_empty() {
        sqlx::query_file!("sql/save_outputs.sql", &jobs, &outputs as &[&str]).execute(conn).await?;
    }
    Ok(())
}

async fn mark_steps(conn: &mut PgConnection, changes: &[&Change]) -> Result<(), sqlx::Error> {
    let marked: Vec<&Change> =
        changes.iter().copied().filter(|change| change.mark != Mark::Keep).collect();
    if marked.is_empty() {
        return Ok(());
    }
    let (jobs, _) = claims(marked.iter().map(|change| change.claim));
    let (steps, starts): (Vec<Option<&str>>, Vec<i32>) =
        marked.iter().map(|change| mark(change.mark)).unzip();
    sqlx::query_file!("sql/mark_steps.sql", &jobs, &steps as &[Option<&str>], &starts)
        .execute(conn)
        .await?;
    Ok(())
}

async fn save_failures(conn: &mut PgConnection, changes: &[&Change]) -> Result<(), sqlx::Error> {
    let failures: Vec<(&Change, &AttemptFailure)> = changes
        .iter()
        .flat_map(|change| change.failures().iter().map(move |failure| (*change, failure)))
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

async fn finish(
    conn: &mut PgConnection,
    worker: WorkerId,
    changes: &[&Change],
) -> Result<(), sqlx::Error> {
    let (claimed, outcomes): (Vec<Claim>, Vec<&str>) = changes
        .iter()
        .filter_map(|change| Some((change.claim, change.finish.as_ref().and_then(outcome)?)))
        .unzip();
    if claimed.is_empty() {
        return Ok(());
    }
    let (jobs, tokens) = claims(claimed.into_iter());
    sqlx::query_file!("sql/finish.sql", worker.uuid(), &jobs, &tokens, &outcomes as &[&str])
        .fetch_all(conn)
        .await?;
    Ok(())
}

async fn reschedule(
    conn: &mut PgConnection,
    worker: WorkerId,
    changes: &[&Change],
) -> Result<(), sqlx::Error> {
    let (mut claimed, mut delays, mut counting) = (Vec::new(), Vec::new(), Vec::new());
    let (mut parked, mut crashes, mut released) = (Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        let (delay, counts, crashed) = match change.finish {
            Some(Finish::Again { delay, counts, crashed }) => (delay, counts, crashed),
            Some(Finish::Released | Finish::Parked) => (Duration::ZERO, false, false),
            Some(Finish::Completed | Finish::Degraded | Finish::Dead { .. }) | None => continue,
        };
        claimed.push(change.claim);
        delays.push(delay.as_secs_f64());
        counting.push(counts);
        crashes.push(crashed);
        parked.push(change.finish == Some(Finish::Parked));
        released.push(change.finish == Some(Finish::Released));
    }
    if claimed.is_empty() {
        return Ok(());
    }
    let (jobs, tokens) = claims(claimed.into_iter());
    sqlx::query_file!(
        "sql/reschedule.sql",
        worker.uuid(),
        &jobs,
        &tokens,
        &delays,
        &counting,
        &parked,
        &crashes,
        &released
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn bury(
    conn: &mut PgConnection,
    worker: WorkerId,
    changes: &[&Change],
) -> Result<(), sqlx::Error> {
    let dead: Vec<(Claim, Dead, Value)> = changes
        .iter()
        .filter_map(|change| match &change.finish {
            Some(Finish::Dead { reason, failure }) => {
                let failure = serde_json::to_value(failure).unwrap_or_default();
                Some((change.claim, *reason, failure))
            }
            Some(
                Finish::Completed
                | Finish::Degraded
                | Finish::Again { .. }
                | Finish::Released
                | Finish::Parked,
            )
            | None => None,
        })
        .collect();
    if dead.is_empty() {
        return Ok(());
    }
    let (jobs, tokens) = claims(dead.iter().map(|(claim, ..)| *claim));
    let reasons: Vec<String> = dead.iter().map(|(_, reason, _)| reason.name().to_owned()).collect();
    let failures: Vec<Value> = dead.into_iter().map(|(.., failure)| failure).collect();
    sqlx::query_file!("sql/bury.sql", worker.uuid(), &jobs, &tokens, &reasons, &failures)
        .execute(conn)
        .await?;
    Ok(())
}
