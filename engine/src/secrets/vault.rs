//! The vault: seals and unseals values, each at its place.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::cache::Cache;
use super::data_key::{self, DataKey};
use super::{KeyUse, Keyring, Place, VERSION, VaultError, check, rewrap, uses};
use crate::WorkspaceId;

/// Connections of the vault's own. See [`Vault::open`].
const CONNECTIONS: u32 = 2;

/// Seals and unseals. Cloning is cheap and shares the keys.
///
/// A sealed value is `version(1) | data key id(16) | nonce(12) | ciphertext | tag(16)`: 45 bytes longer than the
/// secret. Sealing the same secret twice gives two different values.
#[derive(Clone)]
pub struct Vault {
    pool: PgPool,
    keyring: Arc<Keyring>,
    cache: Arc<Cache>,
}

impl Vault {
    /// Verifies the keyring against the database, and opens the vault.
    ///
    /// It takes only the options of `pool` and connects by itself, twice at most: callers ask for a key while
    /// they hold one of the pool's connections, and waiting for a second one there would deadlock the pool.
    ///
    /// # Errors
    /// [`VaultError::WrongKey`] and [`VaultError::MissingKey`] before anything is written;
    /// [`VaultError::Database`] also where the engine's migrations have not run.
    pub async fn open(pool: &PgPool, keyring: Keyring) -> Result<Self, VaultError> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(Duration::from_secs(10))
            .idle_timeout(Duration::from_secs(60))
            .connect_lazy_with(pool.connect_options().as_ref().clone());
        check::check(&pool, &keyring).await?;
        Ok(Self { pool, keyring: Arc::new(keyring), cache: Arc::default() })
    }

    /// Seals `secret` so that it opens only at `place`. The workspace's first value makes its data key.
    ///
    /// # Errors
    /// The data key could not be read, opened or made.
    pub async fn seal(&self, place: &Place<'_>, secret: &[u8]) -> Result<Vec<u8>, VaultError> {
        let data_key = match self.cache.get(place.workspace) {
            Some(key) => key,
            None => self.cached(
                place.workspace,
                data_key::ensure(&self.pool, &self.keyring, place.workspace).await?,
            ),
        };
        let sealed = data_key.key.seal(&place.associated_data(data_key.id), secret)?;
        Ok([&[VERSION], data_key.id.as_bytes().as_slice(), &sealed].concat())
    }

    /// Opens what [`Vault::seal`] made for the same place.
    ///
    /// # Errors
    /// [`VaultError::Tampered`] for a value that was changed or moved; [`VaultError::Erased`] when its data key
    /// is gone; [`VaultError::Malformed`] for anything that is not a sealed value.
    pub async fn unseal(
        &self,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let malformed = || VaultError::Malformed { place: place.to_string() };
        let (version, rest) = sealed.split_first().ok_or_else(malformed)?;
        let (id, sealed) = rest.split_first_chunk::<16>().ok_or_else(malformed)?;
        if *version != VERSION {
            return Err(malformed());
        }
        let data_key = self.data_key(place.workspace, Uuid::from_bytes(*id)).await?;
        data_key
            .key
            .open(&place.associated_data(data_key.id), sealed)
            .ok_or_else(|| VaultError::Tampered { place: place.to_string() })
    }

    /// [`Vault::seal`] for text.
    ///
    /// # Errors
    /// As [`Vault::seal`].
    pub async fn seal_text(
        &self,
        place: &Place<'_>,
        secret: &SecretString,
    ) -> Result<Vec<u8>, VaultError> {
        self.seal(place, secret.expose_secret().as_bytes()).await
    }

    /// [`Vault::unseal`] for text.
    ///
    /// # Errors
    /// As [`Vault::unseal`], and [`VaultError::NotText`].
    pub async fn unseal_text(
        &self,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<SecretString, VaultError> {
        let secret = self.unseal(place, sealed).await?;
        match std::str::from_utf8(&secret) {
            Ok(text) => Ok(SecretString::from(text)),
            Err(_) => Err(VaultError::NotText { place: place.to_string() }),
        }
    }

    /// Destroys the workspace's data key: nothing that it sealed opens again. Says whether there was one.
    ///
    /// Other processes that have the key open forget it within five minutes; what they seal in that time is
    /// erased as well. Backups hold the wrapped key: they are erased once they age out, or the key of the ring
    /// that wrapped it is destroyed. Sealing anew makes a new data key.
    ///
    /// # Errors
    /// The key could not be deleted; then nothing is erased.
    pub async fn erase(&self, workspace: WorkspaceId) -> Result<bool, VaultError> {
        let deleted = sqlx::query_file!("sql/keys/erase.sql", workspace.uuid())
            .execute(&self.pool)
            .await?
            .rows_affected();
        self.cache.remove(workspace);
        Ok(deleted > 0)
    }

    /// Moves all data keys under the keyring's first key, and counts those that this call moved.
    ///
    /// It may run any number of times, in several processes and while others seal. Once it returned, the other
    /// keys can be dropped from the keyring, provided that every process writes with the first key by now.
    ///
    /// # Errors
    /// A data key could not be opened or written; those before it stay moved.
    pub async fn rewrap(&self) -> Result<u64, VaultError> {
        rewrap::rewrap(&self.pool, &self.keyring).await
    }

    /// The keys of the ring in its order, and how many workspaces need each of them.
    ///
    /// # Errors
    /// The database's.
    pub async fn uses(&self) -> Result<Vec<KeyUse>, VaultError> {
        uses::uses(&self.pool, &self.keyring).await
    }

    /// The workspace's data key, provided that it is the one of that id.
    async fn data_key(&self, workspace: WorkspaceId, id: Uuid) -> Result<Arc<DataKey>, VaultError> {
        if let Some(key) = self.cache.get(workspace).filter(|key| key.id == id) {
            return Ok(key);
        }
        data_key::find(&self.pool, &self.keyring, workspace)
            .await?
            .map(|key| self.cached(workspace, key))
            .filter(|key| key.id == id)
            .ok_or(VaultError::Erased { workspace })
    }

    fn cached(&self, workspace: WorkspaceId, key: DataKey) -> Arc<DataKey> {
        let key = Arc::new(key);
        self.cache.insert(workspace, Arc::clone(&key));
        key
    }
}
