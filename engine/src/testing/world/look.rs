//! What a test sees of its world.

use sqlx::AssertSqlSafe;

use super::World;
use crate::enqueue::sealed::unseal;
use crate::ids::{JobId, WorkspaceId};
use crate::job::Job;

impl<A: Send + Sync + 'static> World<A> {
    /// The jobs of a kind that are in the queue, the first to be due first.
    ///
    /// # Panics
    /// When one does not fit the kind.
    pub async fn enqueued<J: Job>(&self) -> Vec<J> {
        let rows = format!(
            "SELECT workspace, payload::text FROM engine.job WHERE kind = '{}' ORDER BY run_at, id",
            J::KIND
        );
        let rows: Vec<(WorkspaceId, String)> =
            sqlx::query_as(AssertSqlSafe(rows)).fetch_all(self.pool()).await.unwrap();
        let mut jobs = Vec::with_capacity(rows.len());
        for (workspace, payload) in rows {
            let plain = unseal(self.vault.as_ref(), workspace, J::KIND, &payload).await;
            let plain = plain.unwrap_or_else(|error| panic!("{payload}: {error}"));
            let job = serde_json::from_str(&plain);
            jobs.push(job.unwrap_or_else(|error| panic!("{plain}: {error}")));
        }
        jobs
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
}
