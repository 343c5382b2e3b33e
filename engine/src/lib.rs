//! Durable jobs and workflows on Postgres.

mod failure;
mod ids;
pub mod secrets;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use failure::{Class, Classify, Effect, Failure, Result, Stop, Wait};
pub use ids::{JobId, WorkerId, WorkspaceId};
