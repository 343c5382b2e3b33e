//! Durable jobs and workflows on Postgres.

mod attempt;
mod breaker;
mod committer;
mod config;
mod cron;
pub mod doctor;
mod enqueue;
mod failure;
mod family;
mod group;
mod ids;
mod job;
mod kept;
mod lease;
mod limit;
mod line;
mod lock;
mod loops;
pub mod ops;
pub mod pooler;
mod registry;
mod retry;
mod run;
mod runner;
pub mod schema;
pub mod secrets;
mod starter;
mod strain;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod unique;
mod worker;

pub use attempt::AttemptError;
pub use breaker::BreakerPolicy;
pub use config::{CALL_MARGIN, CRASH_LIMIT, WorkerConfig};
pub use cron::written::{ScheduleError, WrittenSchedule};
pub use cron::{CronError, Missed, Overlap, Schedule, Tick};
pub use enqueue::{EnqueueError, Enqueued, Enqueuer, NewJob, enqueue, enqueued_by_key};
pub use failure::{Class, Classify, Effect, Failure, Result, Stop, Wait};
pub use ids::{JobId, WorkerId, WorkspaceId};
pub use job::{Job, Planned, Priority};
pub use limit::Limit;
pub use lock::{Acquired, Busy, Held, LockError, Locks};
#[cfg(feature = "redis")]
pub use lock::{Redis, RedisError};
pub use loops::hints::Hint;
pub use loops::listen::{Waker, hint};
pub use registry::{Registry, UnknownJob};
pub use retry::Retry;
pub use run::{At, Child, Ended, Outcome, Run, Step, StepKey};
pub use runner::{Attempt, JobBackend};
pub use schema::MIGRATOR;
pub use starter::Starter;
pub use strain::{Strain, Strains};
pub use unique::Unique;
pub use worker::{Worker, WorkerError};

// What stands in the signatures above, and what runs them, in the versions that fit: a program needs no other crate.
pub use sqlx::PgPool;
pub use tokio_util::sync::CancellationToken;
pub use {serde, tokio};

/// The version of this code, as it stands in rows.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
