//! A worker process: registers its incarnation, starts the loops, runs attempts, drains and leaves.

mod drain;
mod incarnation;

use std::sync::Arc;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::config::WorkerConfig;
use crate::lock::Locks;
use crate::loops::jittered;
use crate::registry::Registry;
use crate::runner::{JobBackend, Outlet};
use crate::secrets::Vault;
use crate::starter::{Here, Starter};
use crate::strain::Strains;
use incarnation::End;

/// Runs jobs of the registered kinds until it is told to stop.
pub struct Worker<A> {
    pool: PgPool,
    app: Arc<A>,
    registry: Arc<Registry<A>>,
    vault: Option<Vault>,
    locks: Option<Locks>,
    strains: Strains,
    config: WorkerConfig,
    here: Arc<Here>,
    #[cfg(any(test, feature = "testing"))]
    crash_points: Option<crate::testing::CrashPoints>,
}

/// Why a worker could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The settings contradict each other.
    #[error("the worker's settings are wrong: {}", .0.join("; "))]
    Config(Vec<String>),
    /// The database could not be reached or refused at the start.
    #[error("the worker could not start: {0}")]
    Database(#[from] sqlx::Error),
    /// The heartbeat's thread could not be started.
    #[error("the heartbeat's thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
    /// The runner broke.
    #[error("the runner broke: {0}")]
    Runner(String),
}

impl<A: Send + Sync + 'static> Worker<A> {
    /// A worker for the kinds of `registry`.
    #[must_use]
    pub fn new(
        pool: PgPool,
        app: Arc<A>,
        registry: Arc<Registry<A>>,
        config: WorkerConfig,
    ) -> Self {
        Self {
            pool,
            app,
            registry,
            vault: None,
            locks: None,
            strains: Strains::default(),
            config,
            here: Arc::default(),
            #[cfg(any(test, feature = "testing"))]
            crash_points: None,
        }
    }

    /// Starts jobs in this process without the detour through the queue, while the worker runs.
    #[must_use]
    pub fn starter(&self) -> Starter {
        Starter::new(self.pool.clone(), Arc::clone(&self.here))
    }

    /// Lets steps seal their outputs.
    #[must_use]
    pub fn vault(mut self, vault: Vault) -> Self {
        self.vault = Some(vault);
        self
    }

    /// Gives steps these locks instead of those that are rows of the worker's own database and nothing else.
    #[must_use]
    pub fn locks(mut self, locks: Locks) -> Self {
        self.locks = Some(locks);
        self
    }

    /// Notes what keeps the database from its work where others of this process do, too.
    #[must_use]
    pub fn strains(mut self, strains: Strains) -> Self {
        self.strains = strains;
        self
    }

    /// Lets a test see and stop attempts at their boundaries.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn crash_points(mut self, points: crate::testing::CrashPoints) -> Self {
        self.crash_points = Some(points);
        self
    }

    /// Runs until `stop`, then drains (L9): claims nothing more, lets running work finish within the grace time,
    /// gives back what has not begun, releases the rest with its token kept, and leaves.
    ///
    /// Dropping the future is a crash of the process: it writes nothing more, and its jobs are taken over when its
    /// lease has run out.
    ///
    /// # Errors
    /// When it cannot start. Once running, a database that is away is waited for.
    pub async fn run_until(self, stop: CancellationToken) -> Result<(), WorkerError> {
        self.live(&stop, None).await
    }

    /// The same as the backend of an apalis worker, for those who bring tower layers of their own: it claims, beats, rescues and
    /// ticks while that worker is polled, and hands each attempt out as a task.
    pub fn into_backend(self) -> JobBackend {
        JobBackend::new(|outlet, stop| async move { self.live(&stop, Some(outlet)).await })
    }

    /// Lives until `stop`, as one incarnation after the other. Attempts are run here, or go out.
    async fn live(
        self,
        stop: &CancellationToken,
        outlet: Option<Outlet>,
    ) -> Result<(), WorkerError> {
        let problems = self.config.problems();
        if !problems.is_empty() {
            return Err(WorkerError::Config(problems));
        }
        let mut has_lived = false;
        loop {
            match self.incarnation(stop, outlet.as_ref()).await {
                Ok(End::Drained) => return Ok(()),
                Ok(End::DeclaredDead) if stop.is_cancelled() => return Ok(()),
                Ok(End::DeclaredDead) => {
                    has_lived = true;
                    tracing::warn!("going on as a new incarnation");
                }
                // What declared it dead, a network that is away, may not be over: it is waited for, as by one that lives.
                Err(WorkerError::Database(error)) if has_lived => {
                    self.strains.met(&error, &self.pool);
                    tracing::warn!(%error, "no new incarnation yet");
                    tokio::select! {
                        () = tokio::time::sleep(jittered(self.config.heartbeat)) => {}
                        () = stop.cancelled() => return Ok(()),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}
