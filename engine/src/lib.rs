//! Durable jobs and workflows on Postgres.

mod failure;
mod ids;

pub use failure::{Class, Classify, Effect, Failure, Result, Stop, Wait};
pub use ids::{JobId, WorkerId, WorkspaceId};
