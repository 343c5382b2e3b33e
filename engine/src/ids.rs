//! Identifiers that stand in rows. Each is a UUID of its own type, so that none is taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier, ordered by time (UUIDv7).
            #[must_use]
            pub fn now_v7() -> Self {
                Self(Uuid::now_v7())
            }

            /// The UUID itself, for statements and wire formats.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

id! {
    /// A job: one row in the queue, then in the history. A run has the id of its job.
    JobId
}
id! {
    /// The tenant that a job, a run and its rows belong to. [`WorkspaceId::NONE`] where there is none.
    WorkspaceId
}
id! {
    /// One incarnation of a worker process: made at each start, never a host or pod name, so that a
    /// restarted process never looks like its dead predecessor (rule L1).
    WorkerId
}

impl WorkspaceId {
    /// No tenant: for deployments that have none, and for jobs that belong to the platform itself.
    pub const NONE: Self = Self(Uuid::nil());
}
