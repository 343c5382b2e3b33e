//! Enqueueing in the caller's own transaction, one or many, with idempotency keys.

mod new_job;

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::ids::JobId;
use new_job::Due;
pub(crate) use new_job::KEY_NAMESPACE;
pub use new_job::NewJob;

/// What an enqueue did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an existing job may be another one than the caller expects"]
pub enum Enqueued {
    /// A new job.
    New(JobId),
    /// The job that the idempotency key or the unique key already stands for.
    Existing(JobId),
}

impl Enqueued {
    /// The job, new or not.
    #[must_use]
    pub const fn id(self) -> JobId {
        match self {
            Self::New(id) | Self::Existing(id) => id,
        }
    }
}

/// Why nothing was enqueued. The caller's transaction is not usable any more after a database error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// The job could not be written as JSON.
    #[error("a job of kind {kind} cannot be written as JSON: {source}")]
    Encode {
        /// The kind of the job.
        kind: String,
        /// What serde said.
        source: serde_json::Error,
    },
    /// A live job with the same unique key came and went at every try.
    #[error("the unique key {key:?} of kind {kind} changed hands at every try; enqueue again")]
    Contended {
        /// The kind of the job.
        kind: String,
        /// The unique key.
        key: String,
    },
    /// The database refused.
    #[error("enqueueing failed: {0}")]
    Database(#[from] sqlx::Error),
}

/// How often an enqueue looks again when the live job of its unique key vanishes under it.
const UNIQUE_TRIES: usize = 5;

/// Enqueues jobs in the caller's transaction: they exist if and only if it commits.
///
/// The answers are in the order of the jobs. One statement for any number of jobs, two more where idempotency keys
/// are used.
///
/// # Errors
/// When the database refuses; the caller's transaction is then to be rolled back.
pub async fn enqueue(
    conn: &mut PgConnection,
    jobs: &[NewJob],
) -> Result<Vec<Enqueued>, EnqueueError> {
    let mut answers: HashMap<JobId, Enqueued> = take_keys(&mut *conn, jobs).await?;
    for _ in 0..UNIQUE_TRIES {
        let open: Vec<&NewJob> = jobs.iter().filter(|job| !answers.contains_key(&job.id)).collect();
        if open.is_empty() {
            break;
        }
        for id in insert(&mut *conn, &open).await? {
            answers.insert(id, Enqueued::New(id));
        }
        join_live(&mut *conn, &open, &mut answers).await?;
    }
    let mut first = HashSet::new();
    jobs.iter()
        .map(|job| match answers.get(&job.id) {
            // The same keyed job twice in one batch: the first is new, the second is that one.
            Some(Enqueued::New(id)) if !first.insert(*id) => Ok(Enqueued::Existing(*id)),
            Some(answer) => Ok(*answer),
            None => Err(EnqueueError::Contended {
                kind: job.kind.clone(),
                key: job.unique.clone().unwrap_or_default(),
            }),
        })
        .collect()
}

/// Takes the idempotency keys; answers for the jobs whose key was taken before.
async fn take_keys(
    conn: &mut PgConnection,
    jobs: &[NewJob],
) -> Result<HashMap<JobId, Enqueued>, EnqueueError> {
    let keys: Vec<Uuid> = jobs.iter().filter_map(|job| job.key).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let ours: HashSet<Uuid> = sqlx::query_file_scalar!("sql/enqueue_keys.sql", &keys, &keys)
        .fetch_all(&mut *conn)
        .await?
        .into_iter()
        .collect();
    let taken: Vec<Uuid> = keys.into_iter().filter(|key| !ours.contains(key)).collect();
    if taken.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query_file!("sql/enqueue_key_jobs.sql", &taken).fetch_all(&mut *conn).await?;
    Ok(rows
        .into_iter()
        .map(|row| (JobId::from(row.id), Enqueued::Existing(JobId::from(row.job))))
        .collect())
}

async fn insert(conn: &mut PgConnection, jobs: &[&NewJob]) -> Result<Vec<JobId>, EnqueueError> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.id.uuid()).collect();
    let workspaces: Vec<Uuid> = jobs.iter().map(|job| job.workspace.uuid()).collect();
    let kinds: Vec<String> = jobs.iter().map(|job| job.kind.clone()).collect();
    let queues: Vec<String> = jobs.iter().map(|job| job.queue.clone()).collect();
    let priorities: Vec<i16> = jobs.iter().map(|job| job.priority.number()).collect();
    let run_ats: Vec<Option<DateTime<Utc>>> = jobs
        .iter()
        .map(|job| match job.due {
            Due::At(at) => Some(at),
            Due::Now | Due::In(_) => None,
        })
        .collect();
    let delays: Vec<Option<f64>> = jobs
        .iter()
        .map(|job| match job.due {
            Due::In(delay) => Some(delay.as_secs_f64()),
            Due::Now | Due::At(_) => None,
        })
        .collect();
    let uniques: Vec<Option<String>> = jobs.iter().map(|job| job.unique.clone()).collect();
    let payloads: Vec<Value> = jobs.iter().map(|job| job.payload.clone()).collect();
    let plans: Vec<Option<Value>> = jobs.iter().map(|job| job.plan.clone()).collect();
    let inserted = sqlx::query_file_scalar!(
        "sql/enqueue.sql",
        &ids,
        &workspaces,
        &kinds,
        &queues,
        &priorities,
        &run_ats as &[Option<DateTime<Utc>>],
        &delays as &[Option<f64>],
        &uniques as &[Option<String>],
        &payloads,
        &plans as &[Option<Value>],
        crate::VERSION,
    )
    .fetch_all(conn)
    .await?;
    Ok(inserted.into_iter().map(JobId::from).collect())
}

/// Answers with the live job for those whose unique key is taken, and points their idempotency key at it.
async fn join_live(
    conn: &mut PgConnection,
    jobs: &[&NewJob],
    answers: &mut HashMap<JobId, Enqueued>,
) -> Result<(), EnqueueError> {
    for job in jobs {
        if answers.contains_key(&job.id) {
            continue;
        }
        let Some(unique) = &job.unique else {
            // Without a unique key the only conflict is the id itself: the job is there already.
            answers.insert(job.id, Enqueued::Existing(job.id));
            continue;
        };
        let live = sqlx::query_file_scalar!("sql/live_job_by_key.sql", job.kind, unique)
            .fetch_optional(&mut *conn)
            .await?;
        if let Some(live) = live {
            if let Some(key) = job.key {
                sqlx::query_file!("sql/enqueue_key_point.sql", key, live)
                    .execute(&mut *conn)
                    .await?;
            }
            answers.insert(job.id, Enqueued::Existing(JobId::from(live)));
        }
    }
    Ok(())
}
