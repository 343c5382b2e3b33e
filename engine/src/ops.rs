//! What operators do: look, retry, cancel, wake. The command line, the HTTP interface and a dashboard share these.

mod aside;
pub mod breakers;
pub mod events;
mod fork;
mod history;
pub mod jobs;
pub mod many;
pub mod pauses;
mod resolve;
pub mod retention;
pub mod runs;
pub mod schedules;
mod search;
mod source;
pub mod standing;
pub mod strains;
pub mod weights;

pub use aside::why_aside;
pub use fork::{Forked, fork};
pub use history::{RunHistory, StoredStep, export};
pub use resolve::{Resolution, resolve};
pub use search::{Found, Search, search};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::family;
use crate::ids::JobId;
use crate::limit::places;
use crate::loops::hints::Hint;
use crate::loops::listen::send_all;

/// Why an operator's request was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpsError {
    /// There is no such job or run.
    #[error(
        "no job or run {0}; `autopilot jobs list` and `autopilot runs list` show those there are"
    )]
    NotFound(JobId),
    /// The job is not in a state that allows it.
    #[error("job {id} is {status}: {reason}")]
    Refused {
        /// The job.
        id: JobId,
        /// Where it stands.
        status: String,
        /// Why that does not allow it, and what would.
        reason: String,
    },
    /// There is nothing of that name.
    #[error("there is no {what} {name:?}; there is {}", list_of(known))]
    Unknown {
        /// What was asked for, for example a schedule.
        what: &'static str,
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A sealed output could not be sealed again for another place.
    #[error("the sealed output of step {step} cannot be taken over: {problem}")]
    Sealed {
        /// The step.
        step: String,
        /// Why, and what to do.
        problem: String,
    },
    /// The database did not do it.
    #[error("the database refused: {0}")]
    Database(#[from] sqlx::Error),
}

fn list_of(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Puts a job back to work: a dead letter or a degraded or cancelled run is queued again with its checkpoints, a
/// scheduled, retrying or waiting one is due now. The answer is its queue, for a wake-up.
///
/// # Errors
/// When there is no such job, when it runs or is completed, or when another live job holds its unique key.
pub async fn retry(pool: &PgPool, id: JobId) -> Result<String, OpsError> {
    let mut tx = pool.begin().await?;
    if let Some(Hastened { queue, due: true }) = hasten(&mut tx, id).await? {
        tx.commit().await?;
        return Ok(queue);
    }
    if let Some(queue) = exhume(&mut tx, id, 0.0, false).await? {
        tx.commit().await?;
        return Ok(queue);
    }
    // Nothing was queued: rolling back keeps the letter.
    tx.rollback().await?;
    let job = jobs::show(pool, id).await?.job;
    let reason = match job.status.as_str() {
        "running" => "it runs already; cancel it first, or wait".to_owned(),
        "ready" => "it is due already".to_owned(),
        "review" => format!(
            "how its step ended is not known: find out, then `autopilot runs resolve {id}` with --done or --redo"
        ),
        "completed" => "it is done; enqueue a new one to do it again".to_owned(),
        "undone" => "it failed and has been undone; enqueue a new one to do it again".to_owned(),
        _ => format!(
            "another live job of kind {} holds its key {:?}; cancel that one first, or let it finish",
            job.kind,
            job.unique_key.unwrap_or_default()
        ),
    };
    Err(OpsError::Refused { id, status: job.status, reason })
}

/// Takes what was set aside or ended back into the queue, due in so many seconds; one that is in review only where that is resolved.
/// Its queue.
async fn exhume(
    conn: &mut PgConnection,
    id: JobId,
    due_in: f64,
    is_resolved: bool,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_file_scalar!("sql/ops/exhume.sql", id.uuid(), due_in, is_resolved)
        .fetch_optional(conn)
        .await
}

/// Cancels a job or a run and all that it has spawned: terminal, wins over a late ack, and reaches a running attempt within a
/// heartbeat (L10).
///
/// # Errors
/// When there is no such job, or when it has ended.
pub async fn cancel(pool: &PgPool, id: JobId) -> Result<(), OpsError> {
    let mut tx = pool.begin().await?;
    let gone = cancel_these(&mut tx, &[id.uuid()]).await?;
    if let Some(hints) = gone {
        tx.commit().await?;
        send_all(pool, &hints).await;
        return Ok(());
    }
    drop(tx);
    let status = jobs::show(pool, id).await?.job.status;
    Err(OpsError::Refused {
        id,
        status,
        reason: "it has ended; there is nothing to cancel".to_owned(),
    })
}

/// Cancels these and all that they have spawned, lets those begin that wait for a place of theirs, and tells their parents. What is
/// to be sent after the commit; none when none of them is live.
async fn cancel_these(
    conn: &mut PgConnection,
    jobs: &[Uuid],
) -> Result<Option<Vec<String>>, sqlx::Error> {
    let ended = sqlx::query_file_scalar!("sql/family/of.sql", jobs).fetch_all(&mut *conn).await?;
    if !ended.is_empty() {
        sqlx::query_file!("sql/event/lock.sql", &ended).fetch_all(&mut *conn).await?;
    }
    let (mut all, mut keys, mut generation) = (Vec::new(), Vec::new(), jobs.to_vec());
    while !generation.is_empty() {
        let cancelled =
            sqlx::query_file!("sql/ops/cancel.sql", &generation).fetch_all(&mut *conn).await?;
        let mut gone = Vec::with_capacity(cancelled.len());
        for row in cancelled {
            gone.push(row.id);
            keys.extend(row.keys);
        }
        generation = sqlx::query_file_scalar!("sql/family/children.sql", &gone)
            .fetch_all(&mut *conn)
            .await?;
        all.extend(gone);
    }
    if all.is_empty() {
        return Ok(None);
    }
    // One that was called in and has not begun has no place, and was the only one called.
    let mut hints = places::leave(&mut *conn, &all, keys).await?;
    let events: Vec<&str> = ended.iter().map(String::as_str).collect();
    hints.extend(family::ended(conn, &events).await?);
    Ok(Some(hints.iter().map(Hint::payload).collect()))
}

/// A job that looks again as soon as it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hastened {
    /// Its queue, for a wake-up.
    pub queue: String,
    /// Whether it is due now; otherwise it runs, and looks once more before it waits.
    pub due: bool,
}

/// Makes a job due now if it is scheduled, retrying or waiting, and lets its waiting steps look again.
///
/// In the caller's transaction. A job that runs looks once more before it waits; nothing came of it when the job
/// is due already or gone.
///
/// # Errors
/// When the database refuses.
pub async fn hasten(conn: &mut PgConnection, id: JobId) -> Result<Option<Hastened>, sqlx::Error> {
    // The job first, as every attempt locks it first: one that is just writing that it waits is waited for, and its
    // steps can be seen afterwards only.
    let hastened = sqlx::query_file_as!(Hastened, "sql/ops/hasten.sql", id.uuid())
        .fetch_optional(&mut *conn)
        .await?;
    sqlx::query_file!("sql/ops/wake_steps.sql", id.uuid()).execute(conn).await?;
    Ok(hastened)
}

/// The live job of a kind and unique key, if there is one.
///
/// # Errors
/// When the database refuses.
pub async fn live(
    conn: &mut PgConnection,
    kind: &str,
    key: &str,
) -> Result<Option<JobId>, sqlx::Error> {
    let live = sqlx::query_file_scalar!("sql/live_job_by_key.sql", kind, key);
    Ok(live.fetch_optional(conn).await?.map(JobId::from))
}

/// Asks the live job of a kind and unique key for another look before it waits, if it runs; in the caller's
/// transaction, before [`signal`], which does not see a step that is about to wait.
///
/// # Errors
/// When the database refuses.
pub async fn look_again(conn: &mut PgConnection, kind: &str, key: &str) -> Result<(), sqlx::Error> {
    sqlx::query_file!("sql/ops/look_again.sql", kind, key).execute(conn).await?;
    Ok(())
}

/// An event has come, in the caller's transaction: the runs that wait for it go on. How many there were.
///
/// # Errors
/// When the database refuses.
pub async fn signal(conn: &mut PgConnection, event: &str) -> Result<usize, sqlx::Error> {
    wake(conn, &signal_name(event)).await
}

/// The event of a step that waits for a signal, as it stands in rows.
pub(crate) fn signal_name(event: &str) -> String {
    format!("signal:{event}")
}

/// Lets whoever waits for an event go on. How many there were.
pub(crate) async fn wake(conn: &mut PgConnection, event: &str) -> Result<usize, sqlx::Error> {
    let waiting: Vec<Uuid> =
        sqlx::query_file_scalar!("sql/ops/signal.sql", event).fetch_all(&mut *conn).await?;
    for job in &waiting {
        sqlx::query_file_as!(Hastened, "sql/ops/hasten.sql", job)
            .fetch_optional(&mut *conn)
            .await?;
    }
    Ok(waiting.len())
}
