//! What workspaces weigh where they take turns ([`Job::TURNS`](crate::Job::TURNS)).

use std::ops::RangeInclusive;

use sqlx::PgPool;

use super::OpsError;
use crate::enqueue::share;
use crate::ids::WorkspaceId;

/// A weight is above 0 and not above this.
const MOST: f64 = 1_000.0;

/// Gives a workspace a weight: one of 2 begins twice as many jobs as one of 1, while both have some. Workers heed it within
/// ten seconds. 1 is what everybody weighs who was given none.
///
/// # Errors
/// When the weight is not above 0 and at most 1000, or the database refuses.
pub async fn set(pool: &PgPool, workspace: WorkspaceId, weight: f64) -> Result<(), OpsError> {
    const WEIGHTS: RangeInclusive<f64> = f64::MIN_POSITIVE..=MOST;
    if !WEIGHTS.contains(&weight) {
        return Err(OpsError::Invalid(format!(
            "a weight must be above 0 and at most {MOST}, not {weight}"
        )));
    }
    let share = share(workspace);
    sqlx::query_file!("sql/ops/weigh.sql", workspace.uuid(), share, weight).execute(pool).await?;
    Ok(())
}

/// The workspaces that were given a weight other than 1, the heaviest first.
///
/// # Errors
/// When the database refuses.
pub async fn list(pool: &PgPool) -> Result<Vec<(WorkspaceId, f64)>, OpsError> {
    let rows = sqlx::query_file!("sql/ops/list_weights.sql").fetch_all(pool).await?;
    Ok(rows.into_iter().map(|row| (WorkspaceId::from(row.workspace), row.weight)).collect())
}
