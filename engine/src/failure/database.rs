//! What the errors of the database and of enqueueing mean.

use std::borrow::Cow;

use super::{Class, Classify, Effect, Failure};
use crate::enqueue::EnqueueError;

impl Failure {
    /// Whether it is our own database that failed, and not whom a step calls.
    #[must_use]
    pub fn is_of_database(&self) -> bool {
        let code = self.code.as_ref();
        code == DATABASE
            || code.strip_prefix(DATABASE).is_some_and(|state| state.starts_with('_'))
            || code == CONTENDED
            || code == UNKNOWN
    }
}

const DATABASE: &str = "database";
const CONTENDED: &str = "unique_key_contended";
const UNKNOWN: &str = "enqueue_unknown";

impl Classify for sqlx::Error {
    fn class(&self) -> Class {
        match self.as_database_error() {
            Some(error) => match error.code().as_deref() {
                // Serialization failure, deadlock, aborted transaction, server going away, out of resources.
                Some(code)
                    if code.starts_with("40")
                        || code.starts_with("25")
                        || code.starts_with("57P")
                        || code.starts_with("53")
                        || code.starts_with("08")
                        || code == "55P03" =>
                {
                    Class::TransientNetwork
                }
                Some(_) | None => Class::ProvisioningError,
            },
            None if matches!(
                self,
                Self::Io(_)
                    | Self::Tls(_)
                    | Self::PoolTimedOut
                    | Self::PoolClosed
                    | Self::WorkerCrashed
            ) =>
            {
                Class::TransientNetwork
            }
            None => Class::ConfigurationError,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        if let Some(state) = self.as_database_error().and_then(|error| error.code()) {
            return format!("{DATABASE}_{state}").into();
        }
        if matches!(self, Self::PoolTimedOut) {
            "database_pool_timed_out".into()
        } else if matches!(self, Self::Io(_) | Self::Tls(_) | Self::WorkerCrashed) {
            "database_unreachable".into()
        } else {
            DATABASE.into()
        }
    }
}

impl Classify for EnqueueError {
    fn class(&self) -> Class {
        match self {
            Self::Encode { .. } | Self::Invalid { .. } => Class::ProvisioningError,
            Self::Contended { .. } | Self::Unknown => Class::TransientNetwork,
            Self::Database(error) => error.class(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Encode { .. } => "job_not_json".into(),
            Self::Invalid { .. } => "job_invalid".into(),
            Self::Contended { .. } => CONTENDED.into(),
            Self::Unknown => UNKNOWN.into(),
            Self::Database(error) => error.code(),
        }
    }

    fn effect(&self) -> Effect {
        match self {
            Self::Encode { .. } | Self::Invalid { .. } | Self::Contended { .. } => Effect::None,
            Self::Unknown => Effect::Unknown,
            Self::Database(error) => error.effect(),
        }
    }
}
