//! What became of changes, read from the rows: of those whose answer was lost (L12), and of those among which not all
//! took effect.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::change::{Change, Finish};
use super::columns::claims;
use crate::ids::{JobId, WorkerId};
use crate::lease::Claim;

/// Where an attempt's job stands, as far as the attempt is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Still ours and running.
    Owned,
    /// Given back under our token.
    Waits,
    /// It left the queue under our token.
    Left,
    /// Somebody else has it, or it is gone.
    Lost,
}

impl Standing {
    /// Whether a change that was written found its job its own.
    pub(super) const fn held(self, change: &Change) -> bool {
        matches!(
            (self, &change.finish),
            (Self::Owned, None)
                | (Self::Waits, Some(Finish::Again { .. } | Finish::Released | Finish::Parked))
                | (Self::Left, Some(Finish::Completed | Finish::Degraded | Finish::Dead { .. }))
        )
    }
}

/// Reads it from the rows, by id, token and process.
pub(super) async fn standings(
    conn: &mut PgConnection,
    worker: WorkerId,
    changes: &[&Change],
) -> Result<HashMap<Claim, Standing>, sqlx::Error> {
    let (jobs, tokens) = claims(changes.iter().map(|change| change.claim));
    let rows = sqlx::query_file!("sql/outcome_of.sql", worker.uuid(), &jobs, &tokens)
        .fetch_all(conn)
        .await?;
    let standing = |name: &str| match name {
        "owned" => Standing::Owned,
        "waits" => Standing::Waits,
        "left" => Standing::Left,
        _ => Standing::Lost,
    };
    Ok(rows
        .into_iter()
        .map(|row| (Claim { job: JobId::from(row.id), token: row.token }, standing(&row.standing)))
        .collect())
}
