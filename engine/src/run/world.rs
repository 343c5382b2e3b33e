//! What surrounds an attempt: what all of a process share, and what is to be known of its end.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;

use crate::breaker::Breakers;
use crate::committer::Committer;
use crate::config::WorkerConfig;
use crate::lease::Lease;
use crate::lock::Locks;
use crate::retry::Retry;
use crate::secrets::Vault;

/// What code of the job does after its attempt's end is committed.
pub(crate) type WhenEnded<A> = Box<dyn FnOnce(&A, Ended) + Send + Sync>;

/// How an attempt ended, once its end is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every step is done.
    Completed,
    /// Done as far as it goes.
    Degraded,
    /// It will be attempted again.
    Again,
    /// It sleeps or waits for an event.
    Waiting,
    /// It was set aside for a person.
    SetAside,
}

/// What every attempt of a process shares.
pub(crate) struct World {
    pub(crate) pool: PgPool,
    pub(crate) committer: Committer,
    pub(crate) lease: Arc<Lease>,
    pub(crate) vault: Option<Vault>,
    pub(crate) breakers: Breakers,
    pub(crate) locks: Locks,
    pub(crate) call_timeout: Duration,
    /// The policy of kinds that state none of their own.
    pub(crate) retry: Retry,
    #[cfg(any(test, feature = "testing"))]
    pub(crate) crash_points: Option<crate::testing::CrashPoints>,
    #[cfg(any(test, feature = "testing"))]
    pub(crate) replay: Option<super::replay::Replay>,
}

impl World {
    /// That of a process which holds this lease and writes through this committer, without what seals; its locks are rows alone.
    pub(crate) fn new(
        pool: PgPool,
        committer: Committer,
        lease: Arc<Lease>,
        config: &WorkerConfig,
    ) -> Self {
        let breakers = Breakers::new(pool.clone(), lease.worker, config.breakers);
        Self {
            locks: Locks::new(pool.clone()),
            pool,
            committer,
            lease,
            vault: None,
            breakers,
            call_timeout: config.call_timeout,
            retry: config.retry,
            #[cfg(any(test, feature = "testing"))]
            crash_points: None,
            #[cfg(any(test, feature = "testing"))]
            replay: None,
        }
    }

    /// The policy of a kind: its own, or where it states none, that of the process.
    pub(crate) fn retry_of(&self, own: Retry) -> Retry {
        if own == Retry::DEFAULT { self.retry } else { own }
    }
}

/// What an attempt's end needs to know of its steps.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) degraded: bool,
    pub(crate) waiting: bool,
    /// The step that was under way when the attempt stopped.
    pub(crate) step: Option<&'static str>,
    /// That step's own retry policy, and how often it was begun.
    pub(crate) step_retry: Option<Box<(Retry, u32)>>,
    /// The run is being undone.
    pub(crate) undoing: bool,
}
