//! Enqueueing in the caller's own transaction, one or many, with idempotency keys.

mod enqueuer;
mod insert;
mod keyed;
mod new_job;
pub(crate) mod sealed;
mod tags;

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;

use crate::ids::JobId;
use crate::line::Broken;
pub use enqueuer::Enqueuer;
use insert::{Along, Keys};
pub use keyed::enqueued_by_key;
use keyed::find_keyed;
pub use new_job::NewJob;
pub(crate) use new_job::{KEY_NAMESPACE, payload_problem, share};

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
    /// The job says something about itself that makes no sense.
    #[error("a job of kind {kind} cannot be enqueued: {problem}")]
    Invalid {
        /// The kind of the job.
        kind: String,
        /// What is wrong, a sentence.
        problem: String,
    },
    /// A live job with the same unique key came and went at every try.
    #[error("the unique key {key:?} of kind {kind} changed hands at every try; enqueue again")]
    Contended {
        /// The kind of the job.
        kind: String,
        /// The unique key.
        key: String,
    },
    /// The database went away while the job was written and did not come back in time: it may exist or not.
    #[error(
        "the database did not say whether the job was enqueued; enqueue it again under an idempotency key"
    )]
    Unknown,
    /// The database refused.
    #[error("enqueueing failed: {0}")]
    Database(#[from] sqlx::Error),
}

impl EnqueueError {
    /// Whether it is unknown what became of the transaction, because the connection is gone: anything but the database's
    /// plain refusal. Such a connection must not be used again.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.breaks_the_line()
    }
}

impl Broken for EnqueueError {
    fn breaks_the_line(&self) -> bool {
        match self {
            Self::Database(error) => error.breaks_the_line(),
            Self::Unknown => true,
            Self::Encode { .. } | Self::Invalid { .. } | Self::Contended { .. } => false,
        }
    }
}

/// How often an enqueue looks again when the live job of its unique key vanishes under it.
const UNIQUE_TRIES: usize = 5;

/// Enqueues jobs in the caller's transaction: they exist if and only if it commits.
///
/// The answers are in the order of the jobs. One statement for any number of jobs; more only for those whose idempotency
/// key or unique key is taken. A [`NewJob`] without a key stands for one job: enqueueing it twice is an error.
///
/// # Errors
/// When the database refuses; the caller's transaction is then to be rolled back.
pub async fn enqueue(
    conn: &mut PgConnection,
    jobs: &[NewJob],
) -> Result<Vec<Enqueued>, EnqueueError> {
    let jobs: Vec<&NewJob> = jobs.iter().collect();
    enqueue_and(conn, &jobs, &Along::default()).await
}

/// As [`enqueue`], with what else its first statement does.
async fn enqueue_and(
    conn: &mut PgConnection,
    jobs: &[&NewJob],
    along: &Along<'_>,
) -> Result<Vec<Enqueued>, EnqueueError> {
    if let Some(open) = jobs.iter().find(|job| job.open) {
        let problem =
            "its kind is sealed; `.sealed(&vault).await?` before it is enqueued".to_owned();
        return Err(EnqueueError::Invalid { kind: open.kind.clone(), problem });
    }
    if jobs.iter().all(|job| job.is_bare()) {
        insert::insert_plain(conn, jobs, along).await?;
        return Ok(jobs.iter().map(|job| Enqueued::New(job.id)).collect());
    }
    let inserted = insert::insert(&mut *conn, jobs, Keys::Take, along).await?;
    let mut answers: HashMap<JobId, Enqueued> =
        inserted.new.iter().map(|id| (*id, Enqueued::New(*id))).collect();
    if answers.len() < jobs.len() {
        find_keyed(&mut *conn, jobs, &inserted, &mut answers).await?;
    }
    for _ in 0..UNIQUE_TRIES {
        join_live(&mut *conn, jobs, &mut answers).await?;
        let open: Vec<&NewJob> =
            jobs.iter().copied().filter(|job| !answers.contains_key(&job.id)).collect();
        if open.is_empty() {
            break;
        }
        let inserted = insert::insert(&mut *conn, &open, Keys::AreOurs, &Along::default()).await?;
        answers.extend(inserted.new.into_iter().map(|id| (id, Enqueued::New(id))));
    }
    let answers = in_order(jobs, &answers)?;
    replace_joined(conn, jobs, &answers).await?;
    Ok(answers)
}

/// Where the last word counts, whoever joined a job that waits has it.
async fn replace_joined(
    conn: &mut PgConnection,
    jobs: &[&NewJob],
    answers: &[Enqueued],
) -> Result<(), EnqueueError> {
    let joined: Vec<(JobId, &NewJob)> = jobs
        .iter()
        .zip(answers)
        .filter(|(job, _)| job.unique.as_ref().is_some_and(|unique| unique.replace))
        .filter_map(|(job, answer)| match answer {
            Enqueued::Existing(id) => Some((*id, *job)),
            Enqueued::New(_) => None,
        })
        .collect();
    if !joined.is_empty() {
        insert::replace(conn, &joined).await?;
    }
    Ok(())
}

/// The answers in the order of the jobs.
fn in_order(
    jobs: &[&NewJob],
    answers: &HashMap<JobId, Enqueued>,
) -> Result<Vec<Enqueued>, EnqueueError> {
    let mut first = HashSet::new();
    jobs.iter()
        .map(|job| match answers.get(&job.id) {
            // The same keyed job twice in one batch: the first is new, the second is that one.
            Some(Enqueued::New(id)) if !first.insert(*id) => Ok(Enqueued::Existing(*id)),
            Some(answer) => Ok(*answer),
            None => Err(EnqueueError::Contended {
                kind: job.kind.clone(),
                key: job.unique_key().unwrap_or_default().to_owned(),
            }),
        })
        .collect()
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
        let Some(unique) = job.unique_key() else {
            // Without a unique key the only conflict is the id itself: the job is there already.
            answers.insert(job.id, Enqueued::Existing(job.id));
            continue;
        };
        let live = sqlx::query_file_scalar!("sql/live_job_by_key.sql", job.kind, unique)
            .fetch_optional(&mut *conn)
            .await?;
        if let Some(live) = live {
            if let Some(key) = job.key {
                sqlx::query_file!("sql/enqueue_key_point.sql", key.id, live)
                    .execute(&mut *conn)
                    .await?;
            }
            answers.insert(job.id, Enqueued::Existing(JobId::from(live)));
        }
    }
    Ok(())
}
