//! What the database's own errors mean.

use std::borrow::Cow;

use super::{Class, Classify};

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
        match self.as_database_error().and_then(|error| error.code()) {
            Some(state) => Cow::Owned(format!("database_{state}")),
            None => Cow::Borrowed("database"),
        }
    }
}
