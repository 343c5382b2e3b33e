//! A world of its own for each test: a database with a movable clock, an application, and workers to run.

mod enqueue;
mod look;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::{ConnectOptions, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use super::process::Process;
use super::wait::eventually;
use super::{Clock, CrashPoints, TestDatabase};
use crate::config::WorkerConfig;
use crate::ids::JobId;
use crate::job::Job;
use crate::registry::Registry;
use crate::runner::JobBackend;
use crate::schema::MIGRATOR;
use crate::secrets::Vault;
use crate::starter::Starter;
use crate::worker::{Worker, WorkerError};

/// All that one test needs.
pub struct World<A> {
    database: TestDatabase,
    /// What the jobs act on.
    pub app: Arc<A>,
    /// The database's clock.
    pub clock: Clock,
    /// How workers of this world behave; a test may change it before it starts one.
    pub config: WorkerConfig,
    /// What payloads and step outputs are sealed with.
    pub vault: Option<Vault>,
    pub(super) registry: Arc<Registry<A>>,
    /// Processes that were started and neither stopped nor killed.
    alive: Arc<AtomicI64>,
}

impl<A: Send + Sync + 'static> World<A> {
    /// A fresh database with the engine's migrations and then the `migrators`, and a clock that can be moved.
    ///
    /// # Panics
    /// When the database cannot be made.
    pub async fn new(app: A, registry: Registry<A>, migrators: &[&Migrator]) -> Self {
        let all: Vec<&Migrator> =
            std::iter::once(&MIGRATOR).chain(migrators.iter().copied()).collect();
        let database = TestDatabase::create(&all).await;
        let clock = Clock::install(database.pool()).await.expect("the clock installs");
        Self {
            database,
            app: Arc::new(app),
            clock,
            config: brisk(),
            vault: None,
            registry: Arc::new(registry),
            alive: Arc::default(),
        }
    }

    /// A pool of a few connections to the world's database.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    /// The database's URL, past any pooler.
    #[must_use]
    pub fn url(&self) -> String {
        self.database.url()
    }

    /// A connection of its own, for tests that watch two at the same time.
    ///
    /// # Panics
    /// When the database cannot be reached.
    pub async fn connect(&self) -> PgConnection {
        self.pool().connect_options().connect().await.expect("the database can be reached")
    }

    /// Starts a worker.
    pub fn start(&self) -> Process {
        self.start_with(self.pool().clone(), CrashPoints::none())
    }

    /// Starts a worker of another version, with kinds of its own.
    pub fn start_as(&self, registry: Registry<A>) -> Process {
        let (pool, app) = (self.pool().clone(), Arc::clone(&self.app));
        self.run(Worker::new(pool, app, Arc::new(registry), self.config.clone()))
    }

    /// Starts a worker that reaches the database by another way, or whose attempts stop at a crash point.
    pub fn start_with(&self, pool: PgPool, points: CrashPoints) -> Process {
        self.run(self.worker(pool, points))
    }

    /// Starts a worker, and what starts jobs on it.
    pub fn start_here(&self, pool: PgPool) -> (Process, Starter) {
        let worker = self.worker(pool, CrashPoints::none());
        let starter = worker.starter();
        (self.run(worker), starter)
    }

    fn worker(&self, pool: PgPool, points: CrashPoints) -> Worker<A> {
        let worker = Worker::new(
            pool,
            Arc::clone(&self.app),
            Arc::clone(&self.registry),
            self.config.clone(),
        )
        .crash_points(points);
        match &self.vault {
            Some(vault) => worker.vault(vault.clone()),
            None => worker,
        }
    }

    /// Starts a process whose attempts are run by an apalis worker: `run` builds it around the backend, and runs it until the
    /// token says stop.
    pub fn start_behind<F>(&self, run: impl FnOnce(JobBackend, CancellationToken) -> F) -> Process
    where
        F: Future<Output = Result<(), WorkerError>> + Send + 'static,
    {
        let backend = self.worker(self.pool().clone(), CrashPoints::none()).into_backend();
        self.process(|stop| run(backend, stop))
    }

    fn run(&self, worker: Worker<A>) -> Process {
        self.process(|stop| worker.run_until(stop))
    }

    fn process<F>(&self, run: impl FnOnce(CancellationToken) -> F) -> Process
    where
        F: Future<Output = Result<(), WorkerError>> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(stop.clone()));
        Process::new(task, stop, self.pool().clone(), Arc::clone(&self.alive))
    }

    /// Runs a worker until no job is due and none runs.
    ///
    /// # Panics
    /// When that does not happen in time.
    pub async fn drain(&self) {
        let process = self.start();
        self.idle().await;
        process.stop().await;
    }

    /// Enqueues a job, runs it and all that comes of it to the end, over whatever time that takes, and says where it stands
    /// then: `completed`, `degraded`, or why it was set aside.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn complete<J: Job>(&self, job: &J) -> String {
        let id = self.enqueue(job).await;
        self.drain_all().await;
        self.standing(id).await
    }

    /// Runs one attempt of a job that is due, and of whatever else is, and says where the job stands then. The clock stands
    /// still from here on, so that no retry is due before it is moved.
    ///
    /// # Panics
    /// When the job is not in the queue, or its attempt does not end.
    pub async fn attempt(&self, job: JobId) -> String {
        self.clock.freeze().await.unwrap();
        let token: i64 =
            self.value(&format!("SELECT token FROM engine.job WHERE id = '{job}'")).await;
        let process = self.start();
        let under_way = format!("engine.job WHERE id = '{job}' AND (state = 1 OR token = {token})");
        eventually("its attempt ends", async || self.count(&under_way).await == 0).await;
        process.stop().await;
        self.standing(job).await
    }

    /// Waits until no job is due and none runs. One that stands aside, for a limit or a pause, is not due.
    ///
    /// # Panics
    /// When that does not happen in time.
    pub async fn idle(&self) {
        eventually("no job is due", async || self.is_asleep().await).await;
    }

    /// Whether no job is due and none runs.
    pub(crate) async fn is_asleep(&self) -> bool {
        let due = "engine.job WHERE state = 1 OR lane <> 9 AND run_at <= engine.now()";
        self.count(due).await == 0
    }

    /// Drains, and moves the clock to the next due job as long as there is one.
    ///
    /// # Panics
    /// When jobs are still left after 50 rounds.
    pub async fn drain_all(&self) {
        for _ in 0..50 {
            self.drain().await;
            if !self.advance_to_next().await {
                return;
            }
        }
        panic!("jobs keep coming back: {:?}", self.texts("SELECT j::text FROM engine.job j").await);
    }

    /// Moves the clock to where the next scheduled job is due; false when there is none.
    ///
    /// # Panics
    /// When the database cannot be asked.
    pub async fn advance_to_next(&self) -> bool {
        let wait: Option<f64> = sqlx::query_scalar(
            "SELECT extract(epoch FROM min(run_at) - engine.now())::float8 FROM engine.job WHERE state = 0 AND lane <> 9",
        )
        .fetch_one(self.pool())
        .await
        .unwrap();
        let Some(wait) = wait else { return false };
        let wait = Duration::from_secs_f64(wait.max(0.0)) + Duration::from_millis(1);
        self.clock.advance_alive(wait).await.unwrap();
        true
    }

    /// Moves the clock past every lease, so that a process that was killed is found dead.
    ///
    /// # Panics
    /// When the database cannot be asked.
    pub async fn let_leases_lapse(&self) {
        self.clock.advance(self.config.lease + Duration::from_secs(1)).await.unwrap();
    }

    /// Ends the test: fails if a job or a dead letter is left.
    ///
    /// # Panics
    /// When there is one.
    pub async fn finish(self) {
        let left = self
            .texts(
                "SELECT j::text FROM engine.job j
                 UNION ALL SELECT d::text FROM engine.dead_letter d",
            )
            .await;
        assert!(left.is_empty(), "left behind: {left:#?}");
        self.close().await;
    }

    /// Ends a test that leaves jobs or dead letters on purpose.
    pub async fn close(self) {
        self.database.close().await;
    }
}

/// Settings that make a test quick without making it depend on time: nothing but polling is fast.
fn brisk() -> WorkerConfig {
    WorkerConfig {
        poll_min: Duration::from_millis(2),
        poll_max: Duration::from_millis(20),
        heartbeat: Duration::from_millis(500),
        drain: Duration::from_secs(10),
        listen: false,
        ..WorkerConfig::default()
    }
}
