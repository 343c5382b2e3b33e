//! What a person says of a step of which nobody knew how it ended.

use serde_json::Value;
use sqlx::PgPool;

use super::{OpsError, exhume, jobs};
use crate::ids::JobId;
use crate::run::TOLD;

/// What a person found out about the step that was under way.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolution {
    /// It took effect, and gave this: what the step's code would have returned. If the code cannot read it, the run is in review again.
    Done(Value),
    /// It had no effect: it is begun anew.
    Redo,
}

/// Puts a job back to work that was set aside for review, with the step that was under way resolved. The answer is its queue, for a
/// wake-up.
///
/// # Errors
/// When there is no such job, when it is not in review, or when another live job holds its unique key.
pub async fn resolve(
    pool: &PgPool,
    id: JobId,
    resolution: &Resolution,
) -> Result<String, OpsError> {
    let refused = |status: &str, reason: &str| OpsError::Refused {
        id,
        status: status.to_owned(),
        reason: reason.to_owned(),
    };
    let status = jobs::show(pool, id).await?.job.status;
    if status != "review" {
        return Err(refused(&status, "nothing about it has to be resolved"));
    }
    let (output, note) = match resolution {
        Resolution::Done(output) => (Some(output.to_string()), TOLD),
        Resolution::Redo => (None, "it had no effect, as a person says"),
    };
    let mut tx = pool.begin().await?;
    let step = sqlx::query_file_scalar!("sql/ops/resolve.sql", id.uuid(), output, note)
        .fetch_optional(&mut *tx)
        .await?;
    if step.is_none() && output.is_some() {
        return Err(refused(&status, "none of its steps is open; `--redo` begins it anew"));
    }
    match exhume(&mut tx, id, 0.0, true).await? {
        Some(queue) => {
            tx.commit().await?;
            Ok(queue)
        }
        None => Err(refused(
            &status,
            "somebody else has resolved it meanwhile, or another live job holds its unique key",
        )),
    }
}
