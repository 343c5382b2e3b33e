//! What only tests of the engine itself do to a world: to its rows, behind everybody's back.

use std::time::Duration;

use autopilot_engine::JobId;
use autopilot_engine::testing::{Process, World, eventually};

/// A world, from the inside.
#[expect(async_fn_in_trait, reason = "tests await it where they call it")]
pub trait Inside {
    /// Starts a worker that no heartbeat tells what became of its jobs: only its own writes do.
    ///
    /// # Panics
    /// When the database refuses.
    async fn start_unaware(&mut self) -> Process;

    /// Gives a running job to another worker behind its attempt's back, as a rescue and a new claim would.
    ///
    /// # Panics
    /// When the job does not run.
    async fn supersede(&self, job: JobId);

    /// Cancels a job, as an operator does.
    ///
    /// # Panics
    /// When the job is not in the queue.
    async fn cancel(&self, job: JobId);

    /// Waits until `count` connections to the world's database wait for a lock.
    ///
    /// # Panics
    /// When that does not happen in time.
    async fn waiting_for_locks(&self, count: i64);

    /// How many jobs stand aside, for a limit or a pause.
    async fn aside(&self) -> i64;

    /// The queue, the checkpoints, the history, the dead letters and the failures, row by row: what a superseded
    /// attempt must leave as it is.
    async fn snapshot(&self) -> Vec<String>;
}

impl<A: Send + Sync + 'static> Inside for World<A> {
    async fn start_unaware(&mut self) -> Process {
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

    async fn supersede(&self, job: JobId) {
        let sql = format!(
            "UPDATE engine.job SET token = token + 1, worker = gen_random_uuid()
             WHERE id = '{job}' AND state = 1"
        );
        assert_eq!(self.execute(&sql).await, 1, "job {job} does not run");
    }

    async fn cancel(&self, job: JobId) {
        let sql = format!(
            "WITH gone AS (DELETE FROM engine.job WHERE id = '{job}' RETURNING *)
             INSERT INTO engine.history (id, workspace, kind, queue, priority, outcome, token, attempt, crashes,
                 unique_key, payload, created_at, goes)
             SELECT id, workspace, kind, queue, priority, 'cancelled', token, attempt, crashes, unique_key,
                 payload, created_at, current_date + 30 FROM gone"
        );
        assert_eq!(self.execute(&sql).await, 1, "job {job} is not in the queue");
    }

    async fn waiting_for_locks(&self, count: i64) {
        let waiting = "pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually("somebody waits for a lock", async || self.count(waiting).await >= count).await;
    }

    async fn aside(&self) -> i64 {
        self.count("engine.job WHERE lane = 9 AND state = 0").await
    }

    async fn snapshot(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for table in ["job", "step", "history", "dead_letter", "failure", "enqueue_key", "run"] {
            let sql = format!("SELECT t::text FROM engine.{table} t ORDER BY 1");
            rows.extend(self.texts(&sql).await.into_iter().map(|row| format!("{table} {row}")));
        }
        rows
    }
}
