//! A world of its own for each test: a database with a movable clock, an application, and workers to run.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use autopilot_engine::secrets::Vault;
use autopilot_engine::testing::{Clock, CrashPoints, TestDatabase};
use autopilot_engine::{
    Enqueued, Job, JobId, MIGRATOR, NewJob, Registry, Run, Starter, Worker, WorkerConfig, enqueue,
};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use crate::lab::{Lab, Running};
use crate::process::Process;
use crate::wait::eventually;

/// All that one test needs.
pub struct World<A> {
    database: TestDatabase,
    /// What the jobs act on.
    pub app: Arc<A>,
    /// The database's clock.
    pub clock: Clock,
    /// How workers of this world behave; a test may change it before it starts one.
    pub config: WorkerConfig,
    /// What workers seal step outputs with.
    pub vault: Option<Vault>,
    registry: Arc<Registry<A>>,
    /// Processes that were started and neither stopped nor killed.
    alive: Arc<AtomicI64>,
}

impl World<Lab> {
    /// A world whose jobs run `body`. Write it `|label, run| Box::pin(async move { .. })`.
    ///
    /// # Panics
    /// When the database cannot be made.
    pub async fn lab<F>(body: F) -> Self
    where
        F: for<'a, 'r> Fn(&'a str, &'a mut Run<'r, Lab>) -> Running<'a> + Send + Sync + 'static,
    {
        Self::new(Lab::new(body), Lab::registry(), &[]).await
    }

    /// A world whose jobs note their label and do nothing else.
    ///
    /// # Panics
    /// When the database cannot be made.
    pub async fn noting() -> Self {
        Self::lab(|label, run| {
            Box::pin(async move {
                run.app.note(label);
                Ok(())
            })
        })
        .await
    }

    /// A world whose jobs note their label and wait at the gate `here`.
    ///
    /// # Panics
    /// When the database cannot be made.
    pub async fn gated() -> Self {
        Self::lab(|label, run| {
            Box::pin(async move {
                run.app.note(label);
                run.app.gate("here").pass().await;
                Ok(())
            })
        })
        .await
    }
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

    /// The database's URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.database.url()
    }

    /// A connection of its own, for tests that watch two at the same time.
    ///
    /// # Panics
    /// When the database cannot be reached.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.expect("the database can be reached")
    }

    /// Enqueues a job.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn enqueue<J: Job>(&self, job: &J) -> JobId {
        self.add(NewJob::of(job).expect("the job is JSON")).await
    }

    /// Enqueues a job, wherever and whenever it is to run.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn add(&self, job: NewJob) -> JobId {
        self.submit(job).await.id()
    }

    /// Enqueues a job in a transaction of its own, and says whether it is new.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn submit(&self, job: NewJob) -> Enqueued {
        let mut tx = self.pool().begin().await.unwrap();
        let enqueued = enqueue(&mut tx, &[job]).await.unwrap();
        tx.commit().await.unwrap();
        enqueued.into_iter().next().expect("one answer for one job")
    }

    /// Starts a worker.
    pub fn start(&self) -> Process {
        self.start_with(self.pool().clone(), CrashPoints::none())
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

    fn run(&self, worker: Worker<A>) -> Process {
        let stop = CancellationToken::new();
        let task = tokio::spawn(worker.run_until(stop.clone()));
        Process::new(task, stop, self.pool().clone(), Arc::clone(&self.alive))
    }

    /// Starts a worker that no heartbeat tells what became of its jobs: only its own writes do.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn start_unaware(&mut self) -> Process {
        // The first heartbeat stalls in the database, before it has locked anything, and so never asks for lost jobs.
        self.execute(
            "CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM pg_sleep(86400); RETURN NULL; END $$;
             CREATE TRIGGER stall BEFORE UPDATE ON engine.worker FOR EACH STATEMENT EXECUTE FUNCTION stall()",
        )
        .await;
        self.config.heartbeat = Duration::from_secs(600);
        self.config.lease = Duration::from_secs(3_600);
        self.start()
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

    /// Waits until no job is due and none runs.
    ///
    /// # Panics
    /// When that does not happen in time.
    pub async fn idle(&self) {
        eventually("no job is due", async || {
            self.count("engine.job WHERE state = 1 OR run_at <= engine.now()").await == 0
        })
        .await;
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
            "SELECT extract(epoch FROM min(run_at) - engine.now())::float8 FROM engine.job WHERE state = 0",
        )
        .fetch_one(self.pool())
        .await
        .unwrap();
        let Some(wait) = wait else { return false };
        let wait = Duration::from_secs_f64(wait.max(0.0)) + Duration::from_millis(1);
        self.clock.advance_alive(wait).await.unwrap();
        true
    }

    /// Gives a running job to another worker behind its attempt's back, as a rescue and a new claim would.
    ///
    /// # Panics
    /// When the job does not run.
    pub async fn supersede(&self, job: JobId) {
        let sql = format!(
            "UPDATE engine.job SET token = token + 1, worker = gen_random_uuid()
             WHERE id = '{job}' AND state = 1"
        );
        assert_eq!(self.execute(&sql).await, 1, "job {job} does not run");
    }

    /// Cancels a job, as an operator does.
    ///
    /// # Panics
    /// When the job is not in the queue.
    pub async fn cancel(&self, job: JobId) {
        let sql = format!(
            "WITH gone AS (DELETE FROM engine.job WHERE id = '{job}' RETURNING *)
             INSERT INTO engine.history (id, workspace, kind, queue, priority, outcome, token, attempt, crashes,
                 unique_key, payload, created_at)
             SELECT id, workspace, kind, queue, priority, 'cancelled', token, attempt, crashes, unique_key,
                 payload, created_at FROM gone"
        );
        assert_eq!(self.execute(&sql).await, 1, "job {job} is not in the queue");
    }

    /// Waits until `count` connections to the world's database wait for a lock.
    ///
    /// # Panics
    /// When that does not happen in time.
    pub async fn waiting_for_locks(&self, count: i64) {
        let waiting = "pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually("somebody waits for a lock", async || self.count(waiting).await >= count).await;
    }

    /// Moves the clock past every lease, so that a process that was killed is found dead.
    ///
    /// # Panics
    /// When the database cannot be asked.
    pub async fn let_leases_lapse(&self) {
        self.clock.advance(self.config.lease + Duration::from_secs(1)).await.unwrap();
    }

    /// How many rows there are: `FROM` is given, with a condition if need be.
    ///
    /// # Panics
    /// When the statement is wrong.
    pub async fn count(&self, from: &str) -> i64 {
        self.value(&format!("SELECT count(*) FROM {from}")).await
    }

    /// The one value of a statement.
    ///
    /// # Panics
    /// When the statement is wrong or has no row.
    pub async fn value<T>(&self, sql: &str) -> T
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let found = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(self.pool()).await;
        found.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The texts of a statement with one column.
    ///
    /// # Panics
    /// When the statement is wrong.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let found = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(self.pool()).await;
        found.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Runs a statement; how many rows it touched.
    ///
    /// # Panics
    /// When the statement is wrong.
    pub async fn execute(&self, sql: &str) -> u64 {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(self.pool()).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}")).rows_affected()
    }

    /// Where a job stands: its state in the queue, its outcome, or why it was set aside.
    ///
    /// # Panics
    /// When the job is nowhere, or at two places.
    pub async fn standing(&self, job: JobId) -> String {
        let found = self
            .texts(&format!(
                "SELECT CASE state WHEN 0 THEN 'ready' ELSE 'running' END FROM engine.job WHERE id = '{job}'
                 UNION ALL SELECT outcome FROM engine.history WHERE id = '{job}'
                 UNION ALL SELECT reason FROM engine.dead_letter WHERE id = '{job}'"
            ))
            .await;
        assert_eq!(found.len(), 1, "job {job} is at {found:?}");
        found.into_iter().next().unwrap()
    }

    /// The queue, the checkpoints, the history, the dead letters and the failures, row by row: what a superseded
    /// attempt must leave as it is.
    pub async fn snapshot(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for table in ["job", "step", "history", "dead_letter", "failure", "enqueue_key", "run"] {
            let sql = format!("SELECT t::text FROM engine.{table} t ORDER BY 1");
            rows.extend(self.texts(&sql).await.into_iter().map(|row| format!("{table} {row}")));
        }
        rows
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
