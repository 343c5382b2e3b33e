//! What became of a commit whose answer was lost (L12).

use std::collections::HashMap;

use sqlx::PgPool;

use super::change::Change;
use super::columns::claims;
use crate::ids::{JobId, WorkerId};
use crate::lease::Claim;

/// Where an attempt's job stands, as far as the attempt is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Still ours and running: the flush did not commit, or it finished nothing; writing it again changes nothing.
    Owned,
    /// The job left our hands under our token: the flush committed.
    Settled,
    /// Somebody else has it, or it is gone.
    Lost,
}

/// Reads it from the rows, by id and token.
pub(super) async fn standings(
    pool: &PgPool,
    worker: WorkerId,
    changes: &[&Change],
) -> Result<HashMap<Claim, Standing>, sqlx::Error> {
    let (jobs, tokens) = claims(changes.iter().map(|change| change.claim));
    let rows = sqlx::query_file!("sql/outcome_of.sql", worker.uuid(), &jobs, &tokens)
        .fetch_all(pool)
        .await?;
    let standing = |name: &str| match name {
        "owned" => Standing::Owned,
        "settled" => Standing::Settled,
        _ => Standing::Lost,
    };
    Ok(rows
        .into_iter()
        .map(|row| (Claim { job: JobId::from(row.id), token: row.token }, standing(&row.standing)))
        .collect())
}
