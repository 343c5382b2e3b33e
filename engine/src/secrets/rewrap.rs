//! Rotation: the data keys move under the ring's primary key; what they sealed stays as it is.

use sqlx::PgPool;
use uuid::Uuid;

use super::VaultError;
use super::data_key::Wrapped;
use super::keyring::Keyring;
use crate::WorkspaceId;

/// Data keys read at once.
const BATCH: i64 = 500;

/// Rewraps every data key that another key than the primary wraps, and counts those that this call moved.
pub(super) async fn rewrap(pool: &PgPool, keyring: &Keyring) -> Result<u64, VaultError> {
    let mut moved = 0;
    let mut after: Option<Uuid> = None;
    loop {
        let stale = sqlx::query_file!("sql/keys/stale.sql", keyring.primary().id, after, BATCH)
            .fetch_all(pool)
            .await?;
        let Some(last) = stale.last() else { return Ok(moved) };
        after = Some(last.workspace);
        for row in stale {
            let old = Wrapped { id: row.id, kek: row.kek, wrapped: row.wrapped };
            moved += rewrap_one(pool, keyring, row.workspace.into(), &old).await?;
        }
    }
}

async fn rewrap_one(
    pool: &PgPool,
    keyring: &Keyring,
    workspace: WorkspaceId,
    old: &Wrapped,
) -> Result<u64, VaultError> {
    let key = old.unwrap(workspace, keyring)?;
    let Wrapped { id, kek, wrapped } = key.wrap(workspace, keyring.primary())?;
    let updated =
        sqlx::query_file!("sql/keys/rewrap.sql", workspace.uuid(), id, kek, wrapped, old.wrapped)
            .execute(pool)
            .await?;
    Ok(updated.rows_affected())
}
