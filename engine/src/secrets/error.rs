//! What can go wrong with sealed values, and what an operator does about it.

use std::borrow::Cow;

use super::key::SealError;
use crate::{Class, Classify, Failure, WorkspaceId};

/// Why a value could not be sealed or unsealed, or why the vault did not open.
///
/// No variant carries a key, a plaintext or a ciphertext.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The keyring has another key under this id than the rows were written with.
    #[error(
        "ENCRYPTION_KEY: key `{id}` is not the key that this database knows under that id; nothing was \
         written. Restore the right key, or give a new key a new id"
    )]
    WrongKey {
        /// The id.
        id: String,
    },
    /// Rows need a key that the keyring lacks.
    #[error(
        "ENCRYPTION_KEY lacks key `{id}`, which the secrets of {workspaces} workspace(s) still need: add \
         `{id}:<key>` after the first pair, and drop it only after `autopilot keys rewrap`"
    )]
    MissingKey {
        /// The id.
        id: String,
        /// How many workspaces' data keys it wraps.
        workspaces: i64,
    },
    /// A data key does not open under the right key of the ring.
    #[error(
        "the data key of workspace {workspace} does not open under key `{kek}`: its row in engine.data_key \
         was damaged or copied from elsewhere. Restore the row from a backup"
    )]
    DamagedKey {
        /// Whose data key.
        workspace: WorkspaceId,
        /// The id of the key that wraps it.
        kek: String,
    },
    /// The key that sealed the value is gone.
    #[error(
        "workspace {workspace} no longer has the key that sealed this value: its secrets were erased, or \
         the value comes from another workspace or database. Enter the secret again"
    )]
    Erased {
        /// Whose key.
        workspace: WorkspaceId,
    },
    /// The value is not a sealed one.
    #[error(
        "{place}: not a sealed value of a version that this program reads. Enter the secret again"
    )]
    Malformed {
        /// Where it stands.
        place: String,
    },
    /// The value was changed, or moved here from another place.
    #[error(
        "{place}: the sealed value was changed, or belongs to another place. Find out who wrote the row, \
         then enter the secret again"
    )]
    Tampered {
        /// Where it stands.
        place: String,
    },
    /// The value opened, but is no UTF-8 text.
    #[error("{place}: the sealed value is not text")]
    NotText {
        /// Where it stands.
        place: String,
    },
    /// The plaintext is longer than the cipher allows (64 GiB).
    #[error("the value is too long to be sealed")]
    TooLong,
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness to make a key or a nonce of")]
    Randomness(#[source] getrandom::Error),
    /// The keys' tables could not be read or written.
    #[error("the encryption keys' tables engine.data_key and engine.key_check: {0}")]
    Database(#[from] sqlx::Error),
}

impl From<getrandom::Error> for VaultError {
    fn from(error: getrandom::Error) -> Self {
        Self::Randomness(error)
    }
}

impl From<SealError> for VaultError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Randomness(error) => Self::Randomness(error),
            SealError::TooLong => Self::TooLong,
        }
    }
}

/// A process without a keyring met something that is sealed.
pub(crate) fn no_keyring() -> Failure {
    let message = "what is sealed needs a keyring, and this process has none";
    Failure::new(Class::ConfigurationError, "no_keyring", message)
        .action("set ENCRYPTION_KEY to id:key, the key from `openssl rand -base64 32`, then retry")
}

impl Classify for VaultError {
    fn class(&self) -> Class {
        match self {
            Self::WrongKey { .. }
            | Self::MissingKey { .. }
            | Self::DamagedKey { .. }
            | Self::Erased { .. }
            | Self::Malformed { .. }
            | Self::Tampered { .. }
            | Self::NotText { .. }
            | Self::TooLong
            | Self::Randomness(_) => Class::ConfigurationError,
            Self::Database(error) => error.class(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::WrongKey { .. } => "secrets_wrong_key",
            Self::MissingKey { .. } => "secrets_missing_key",
            Self::DamagedKey { .. } => "secrets_damaged_key",
            Self::Erased { .. } => "secrets_erased",
            Self::Malformed { .. } => "secrets_malformed",
            Self::Tampered { .. } => "secrets_tampered",
            Self::NotText { .. } => "secrets_not_text",
            Self::TooLong => "secrets_too_long",
            Self::Randomness(_) => "secrets_randomness",
            Self::Database(error) => return error.code(),
        })
    }
}
