//! What reading or writing a row with sealed columns can end in.

use std::borrow::Cow;

use autopilot_engine::secrets::VaultError;
use autopilot_engine::{Class, Classify};

/// A row with sealed columns could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// The statement failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// A column could not be sealed or unsealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Classify for SealedError {
    fn class(&self) -> Class {
        match self {
            Self::Database(error) => error.class(),
            Self::Vault(error) => error.class(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Database(error) => error.code(),
            Self::Vault(error) => error.code(),
        }
    }

    fn action(&self) -> Option<String> {
        match self {
            Self::Database(error) => error.action(),
            Self::Vault(error) => error.action(),
        }
    }
}
