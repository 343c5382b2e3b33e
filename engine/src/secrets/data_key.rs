//! A workspace's data key, and the form in which it stands in the database.

use sqlx::PgPool;
use uuid::Uuid;

use super::key::{Key, SealError, associated_data};
use super::keyring::{Entry, Keyring};
use super::{VERSION, VaultError};
use crate::WorkspaceId;

/// The key that seals one workspace's values.
pub(super) struct DataKey {
    pub(super) id: Uuid,
    pub(super) key: Key,
}

/// A data key as its row holds it.
pub(super) struct Wrapped {
    pub(super) id: Uuid,
    pub(super) kek: String,
    pub(super) wrapped: Vec<u8>,
}

impl DataKey {
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        Ok(Self { id: Uuid::now_v7(), key: Key::random()? })
    }

    /// Wraps the key for `workspace` under a key of the ring.
    pub(super) fn wrap(&self, workspace: WorkspaceId, kek: &Entry) -> Result<Wrapped, SealError> {
        let associated = associated_wrap(workspace, self.id, &kek.id);
        let wrapped = kek.key.seal(&associated, self.key.expose())?;
        Ok(Wrapped { id: self.id, kek: kek.id.clone(), wrapped })
    }
}

impl Wrapped {
    /// Opens the key with the ring's key that wrapped it.
    pub(super) fn unwrap(
        &self,
        workspace: WorkspaceId,
        keyring: &Keyring,
    ) -> Result<DataKey, VaultError> {
        let Some(kek) = keyring.get(&self.kek) else {
            return Err(VaultError::MissingKey { id: self.kek.clone(), workspaces: 1 });
        };
        kek.open(&associated_wrap(workspace, self.id, &self.kek), &self.wrapped)
            .and_then(|bytes| Key::from_bytes(&bytes))
            .map(|key| DataKey { id: self.id, key })
            .ok_or_else(|| VaultError::DamagedKey { workspace, kek: self.kek.clone() })
    }
}

fn associated_wrap(workspace: WorkspaceId, id: Uuid, kek: &str) -> Vec<u8> {
    associated_data(&[
        b"data key",
        &[VERSION],
        workspace.uuid().as_bytes(),
        id.as_bytes(),
        kek.as_bytes(),
    ])
}

/// The workspace's data key, if it has one.
pub(super) async fn find(
    pool: &PgPool,
    keyring: &Keyring,
    workspace: WorkspaceId,
) -> Result<Option<DataKey>, VaultError> {
    sqlx::query_file_as!(Wrapped, "sql/keys/find.sql", workspace.uuid())
        .fetch_optional(pool)
        .await?
        .map(|wrapped| wrapped.unwrap(workspace, keyring))
        .transpose()
}

/// The workspace's data key, made if it has none. It is committed before anything is sealed with it.
pub(super) async fn ensure(
    pool: &PgPool,
    keyring: &Keyring,
    workspace: WorkspaceId,
) -> Result<DataKey, VaultError> {
    if let Some(key) = find(pool, keyring, workspace).await? {
        return Ok(key);
    }
    let fresh = DataKey::random()?;
    let Wrapped { id, kek, wrapped } = fresh.wrap(workspace, keyring.primary())?;
    let inserted = sqlx::query_file!("sql/keys/create.sql", workspace.uuid(), id, kek, wrapped)
        .execute(pool)
        .await?
        .rows_affected();
    if inserted == 1 {
        return Ok(fresh);
    }
    // Another process was first: its key is the workspace's.
    find(pool, keyring, workspace).await?.ok_or(VaultError::Erased { workspace })
}
