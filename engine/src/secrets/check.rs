//! The check at start: a wrong or missing key is refused before it seals anything.

use std::collections::HashMap;

use sqlx::{PgConnection, PgPool};

use super::key::associated_data;
use super::keyring::{Entry, Keyring};
use super::{VERSION, VaultError};

/// Verifies the whole ring against the database and records the primary's check value at its first use.
///
/// One transaction: whatever is refused leaves nothing behind. Any number of processes may do it at once.
pub(super) async fn check(pool: &PgPool, keyring: &Keyring) -> Result<(), VaultError> {
    let mut tx = pool.begin().await?;
    let known = verify(&mut tx, keyring).await?;
    if let Some(missing) =
        sqlx::query_file!("sql/keys/needed.sql", &keyring.ids()).fetch_optional(&mut *tx).await?
    {
        return Err(VaultError::MissingKey { id: missing.kek, workspaces: missing.workspaces });
    }
    let primary = keyring.primary();
    if !known.contains_key(&primary.id) {
        let value = primary.key.seal(&associated_check(&primary.id), &[])?;
        let inserted = sqlx::query_file!("sql/keys/record_check.sql", primary.id, value)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        if inserted == 0 {
            // Another process was first: its key has to be the same one.
            verify(&mut tx, keyring).await?;
        }
    }
    Ok(tx.commit().await?)
}

/// Verifies the keys whose ids the database knows, and says which those are.
async fn verify(
    conn: &mut PgConnection,
    keyring: &Keyring,
) -> Result<HashMap<String, Vec<u8>>, VaultError> {
    let known: HashMap<_, _> = sqlx::query_file!("sql/keys/list_checks.sql", &keyring.ids())
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(|row| (row.kek, row.value))
        .collect();
    for Entry { id, key } in keyring.iter() {
        if let Some(value) = known.get(id)
            && key.open(&associated_check(id), value).is_none()
        {
            return Err(VaultError::WrongKey { id: id.clone() });
        }
    }
    Ok(known)
}

fn associated_check(id: &str) -> Vec<u8> {
    associated_data(&[b"key check", &[VERSION], id.as_bytes()])
}
