//! What idempotency keys stand for.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::insert::Inserted;
use super::{EnqueueError, Enqueued, NewJob};
use crate::ids::JobId;

/// The job that the idempotency key of this one stands for already: enqueueing it would make no new one. None where it has no key.
///
/// # Errors
/// When the database refuses.
pub async fn enqueued_by_key(
    conn: &mut PgConnection,
    job: &NewJob,
) -> Result<Option<JobId>, sqlx::Error> {
    let Some(key) = job.key else { return Ok(None) };
    let job = sqlx::query_file_scalar!("sql/enqueue_key_job.sql", key.id);
    Ok(job.fetch_optional(conn).await?.map(JobId::from))
}

/// Answers for the jobs whose idempotency key was used before.
pub(super) async fn find_keyed(
    conn: &mut PgConnection,
    jobs: &[&NewJob],
    inserted: &Inserted,
    answers: &mut HashMap<JobId, Enqueued>,
) -> Result<(), EnqueueError> {
    let used: Vec<Uuid> = jobs
        .iter()
        .filter(|job| !answers.contains_key(&job.id) && !inserted.keyed.contains(&job.id))
        .filter_map(|job| Some(job.key?.id))
        .collect();
    if !used.is_empty() {
        let rows = sqlx::query_file!("sql/enqueue_key_jobs.sql", &used).fetch_all(conn).await?;
        let used: HashMap<Uuid, Uuid> = rows.into_iter().map(|row| (row.id, row.job)).collect();
        for job in jobs {
            if let Some(first) = job.key.and_then(|key| used.get(&key.id)) {
                answers.entry(job.id).or_insert(Enqueued::Existing(JobId::from(*first)));
            }
        }
    }
    Ok(())
}
