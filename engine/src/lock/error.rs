//! Why a lock could not be had, or is ours no more.

use std::borrow::Cow;
use std::time::Duration;

use crate::failure::{Class, Classify, Effect};

/// Why a lock was not taken, renewed, given back or found ours.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// There can be no such lock; says what can be.
    #[error("{0}")]
    Invalid(String),
    /// It has run out, and somebody else may have it. Nothing was changed. Take it again, and look what was done meanwhile.
    #[error("the lock {name:?} has run out: take it again, for longer or with renewals in between")]
    Lost {
        /// Its name.
        name: String,
    },
    /// A transaction that has asked whether the lock is still ours has not ended, and nobody takes the lock until it has. Nothing was changed.
    #[error(
        "the lock {name:?} is locked by a transaction that has not ended: renew it or give it back after that"
    )]
    InUse {
        /// Its name.
        name: String,
    },
    /// The connection broke twice.
    #[error(
        "nobody knows whether the lock {name:?} was taken: {error}; if it was, it is free again within {ttl:?}"
    )]
    Unknown {
        /// Its name.
        name: String,
        /// For how long it was asked for.
        ttl: Duration,
        /// How the connection broke.
        #[source]
        error: sqlx::Error,
    },
    /// The database did not do it.
    #[error("the database did not answer for a lock: {0}")]
    Database(#[from] sqlx::Error),
}

impl Classify for LockError {
    fn class(&self) -> Class {
        match self {
            Self::Invalid(_) => Class::ConfigurationError,
            Self::Lost { .. } | Self::InUse { .. } | Self::Unknown { .. } => {
                Class::TransientNetwork
            }
            Self::Database(error) => error.class(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Invalid(_) => "lock_invalid".into(),
            Self::Lost { .. } => "lock_lost".into(),
            Self::InUse { .. } => "lock_in_use".into(),
            Self::Unknown { .. } => "lock_unknown".into(),
            Self::Database(error) => error.code(),
        }
    }

    fn effect(&self) -> Effect {
        match self {
            Self::Invalid(_) | Self::Lost { .. } | Self::InUse { .. } => Effect::None,
            Self::Unknown { .. } => Effect::Unknown,
            Self::Database(error) => error.effect(),
        }
    }
}
