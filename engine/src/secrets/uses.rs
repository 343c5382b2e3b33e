//! Which keys of the ring are needed, and what for.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::PgPool;

use super::VaultError;
use super::keyring::Keyring;

/// A key of the ring, and what it is needed for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyUse {
    /// Its id.
    pub id: String,
    /// Whether it is the ring's first: new data keys are wrapped by it.
    pub is_primary: bool,
    /// How many workspaces' data keys it wraps.
    pub workspaces: i64,
}

/// The keys of the ring, in its order.
pub(super) async fn uses(pool: &PgPool, keyring: &Keyring) -> Result<Vec<KeyUse>, VaultError> {
    let rows = sqlx::query_file!("sql/keys/uses.sql").fetch_all(pool).await?;
    let mut counts: HashMap<String, i64> =
        rows.into_iter().map(|row| (row.kek, row.workspaces)).collect();
    let primary = &keyring.primary().id;
    let used = keyring.ids().into_iter().map(|id| KeyUse {
        is_primary: id == *primary,
        workspaces: counts.remove(&id).unwrap_or(0),
        id,
    });
    Ok(used.collect())
}
