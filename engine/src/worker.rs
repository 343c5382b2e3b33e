//! A worker process: registers its incarnation, starts the loops, runs attempts, drains and leaves.

mod drain;

use std::sync::Arc;
use std::time::Instant;

use sqlx::PgPool;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::attempt::Stage;
use crate::committer::Committer;
use crate::config::WorkerConfig;
use crate::lease::Lease;
use crate::loops::claim::{Alarm, Claimer};
use crate::loops::judge::Judge;
use crate::loops::{cron, heartbeat, listen, rescue, upkeep, vacuum};
use crate::registry::Registry;
use crate::run::World;
use crate::runner::{self};
use crate::secrets::Vault;
use crate::starter::{Alive, Here, Starter};

/// Runs jobs of the registered kinds until it is told to stop.
pub struct Worker<A> {
    pool: PgPool,
    app: Arc<A>,
    registry: Arc<Registry<A>>,
    vault: Option<Vault>,
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

/// Ends an incarnation when the future that lives it is dropped.
struct EndsWithIt {
    here: Arc<Here>,
    lease: Arc<Lease>,
}

impl Drop for EndsWithIt {
    fn drop(&mut self) {
        self.here.close();
        self.lease.end();
    }
}

/// How one incarnation of a process ended.
enum End {
    Drained,
    /// The database had declared it dead: the process goes on as a new incarnation.
    DeclaredDead,
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
        let problems = self.config.problems();
        if !problems.is_empty() {
            return Err(WorkerError::Config(problems));
        }
        loop {
            match self.incarnation(&stop).await? {
                End::Drained => return Ok(()),
                End::DeclaredDead if stop.is_cancelled() => return Ok(()),
                End::DeclaredDead => tracing::warn!("going on as a new incarnation"),
            }
        }
    }

    /// One life of the process, from its registration until it is drained or declared dead.
    async fn incarnation(&self, stop: &CancellationToken) -> Result<End, WorkerError> {
        let lease = self.register().await?;
        upkeep::tend(&self.pool, false).await;
        // Whoever drops this future drops the process with it: nothing goes on beating, claiming or running.
        let _ended = EndsWithIt { here: Arc::clone(&self.here), lease: Arc::clone(&lease) };
        let somebody_died = Arc::new(Notify::new());
        heartbeat::start(
            self.pool.connect_options().as_ref().clone(),
            Arc::clone(&lease),
            self.config.heartbeat,
            Arc::clone(&somebody_died),
        )?;
        let (hands, inbox) = mpsc::channel(self.slots());
        let (limited, claimed) = mpsc::channel(self.slots());
        let (pool, lives) = (self.pool.clone(), Arc::clone(&lease));
        let kinds = self.registry.kinds();
        let claimer =
            Claimer::start(pool, lives, hands.clone(), limited, kinds, &self.config).await?;
        let alarm = Alarm::default();
        let freed = Arc::clone(&alarm.freed);
        let judge = Judge::new(&self.pool, Arc::clone(&lease), hands.clone(), Arc::clone(&freed));
        tokio::spawn(judge.run(claimed));
        let stage = Arc::new(Stage {
            app: Arc::clone(&self.app),
            registry: Arc::clone(&self.registry),
            world: World {
                pool: self.pool.clone(),
                committer: Committer::start(self.pool.clone(), lease.worker, lease.ended.clone()),
                lease: Arc::clone(&lease),
                vault: self.vault.clone(),
                call_timeout: self.config.call_timeout,
                retry: self.config.retry,
                #[cfg(any(test, feature = "testing"))]
                crash_points: self.crash_points.clone(),
            },
        });
        let alive = Alive {
            committer: stage.world.committer.clone(),
            lease: Arc::clone(&lease),
            hands,
            slots: claimer.slots(),
            claiming: claimer.claiming(),
        };
        let halt = CancellationToken::new();
        let _halted = halt.clone().drop_guard();
        self.here.open(alive);
        self.start_loops(&lease, &alarm, somebody_died, &halt);
        let claiming = tokio::spawn(claimer.run(alarm.clone(), halt.clone()));
        let (returns, returned) = mpsc::unbounded_channel();
        let running =
            tokio::spawn(runner::run(Arc::clone(&stage), inbox, returns, freed, halt.clone()));
        tokio::select! {
            () = stop.cancelled() => {}
            () = lease.ended.cancelled() => {}
        }
        self.here.close();
        halt.cancel();
        drop(claiming.await);
        self.drain(&stage, running, returned).await
    }

    /// Introduces a new incarnation to the database.
    pub(crate) async fn register(&self) -> Result<Arc<Lease>, sqlx::Error> {
        let lease = Lease::new(self.config.lease, Instant::now());
        let schedules: Vec<String> =
            self.registry.schedules().iter().map(|schedule| schedule.name.clone()).collect();
        let queues: Vec<String> =
            self.config.queues.iter().map(|(queue, _)| queue.clone()).collect();
        let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".to_owned());
        sqlx::query_file!(
            "sql/worker_register.sql",
            lease.worker.uuid(),
            host,
            i32::try_from(std::process::id()).unwrap_or(0),
            crate::VERSION,
            self.config.lease.as_secs_f64(),
            &self.registry.kinds(),
            &schedules,
            &queues
        )
        .execute(&self.pool)
        .await?;
        tracing::info!(worker = %lease.worker, queues = ?self.config.queues, "worker started");
        Ok(lease)
    }

    fn start_loops(
        &self,
        lease: &Arc<Lease>,
        alarm: &Alarm,
        somebody_died: Arc<Notify>,
        halt: &CancellationToken,
    ) {
        let freed = {
            let work = Arc::clone(&alarm.work);
            move || work.notify_one()
        };
        tokio::spawn(rescue::run(self.pool.clone(), somebody_died, freed, halt.clone()));
        tokio::spawn(upkeep::run(self.pool.clone(), halt.clone()));
        let schedules = Arc::from(self.registry.schedules());
        tokio::spawn(cron::run(self.pool.clone(), schedules, halt.clone()));
        let (lease, after) = (Arc::clone(lease), self.config.vacuum_after);
        tokio::spawn(vacuum::run(self.pool.clone(), lease, after, halt.clone()));
        if self.config.listen {
            let queues = self.config.queues.iter().map(|(name, _)| name.clone()).collect();
            tokio::spawn(listen::run(self.pool.clone(), queues, alarm.clone(), halt.clone()));
        }
    }

    fn slots(&self) -> usize {
        self.config.queues.iter().map(|(_, slots)| slots).sum::<usize>().max(1)
    }
}
