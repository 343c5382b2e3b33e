//! What the harness itself asks of the database, over one connection of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection};
use tokio::time::Instant;

/// The harness's view on the tables of the system under test.
pub struct Monitor {
    connection: PgConnection,
}

impl Monitor {
    /// Connects to the database under test.
    pub async fn connect(url: &str) -> Result<Self> {
        let connection =
            PgConnection::connect(url).await.context("cannot connect to DATABASE_URL")?;
        Ok(Self { connection })
    }

    /// The one boolean that `question` answers.
    pub async fn ask(&mut self, question: &'static str) -> Result<bool> {
        sqlx::query_scalar(question)
            .fetch_one(&mut self.connection)
            .await
            .with_context(|| format!("the database does not answer `{question}`"))
    }

    /// Dead tuples and bytes of all tables: the database is empty but for the system's own.
    pub async fn footprint(&mut self) -> Result<(i64, i64)> {
        // Sessions report their statistics at most once a second.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        sqlx::query_as(
            "SELECT coalesce(sum(n_dead_tup), 0)::bigint, \
                    coalesce(sum(pg_total_relation_size(relid)), 0)::bigint \
             FROM pg_stat_user_tables",
        )
        .fetch_one(&mut self.connection)
        .await
        .context("cannot read the statistics of the tables")
    }

    /// Rows that were inserted, updated or deleted so far, by table.
    pub async fn written(&mut self) -> Result<BTreeMap<String, i64>> {
        let tables: Vec<(String, i64)> = sqlx::query_as(
            "SELECT relid::regclass::text, n_tup_ins + n_tup_upd + n_tup_del \
             FROM pg_stat_user_tables",
        )
        .fetch_all(&mut self.connection)
        .await
        .context("cannot read the statistics of the tables")?;
        Ok(tables.into_iter().collect())
    }
}

/// An idle transaction whose snapshot keeps every row version that dies from now on.
pub struct HeldSnapshot {
    connection: PgConnection,
}

impl HeldSnapshot {
    /// Opens the transaction and takes its snapshot.
    pub async fn open(url: &str) -> Result<Self> {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class")
            .execute(&mut connection)
            .await
            .context("cannot hold a snapshot")?;
        Ok(Self { connection })
    }

    /// Ends the transaction.
    pub async fn release(mut self) -> Result<()> {
        sqlx::raw_sql("ROLLBACK").execute(&mut self.connection).await?;
        Ok(self.connection.close().await?)
    }
}

/// Holds one snapshot after another, the first after `first`. Ends only when the database refuses.
pub async fn read_over_and_over(url: String, first: Duration, hold: Duration) -> Result<()> {
    let mut next = Instant::now() + first;
    loop {
        tokio::time::sleep_until(next).await;
        let held = HeldSnapshot::open(&url).await?;
        next += hold;
        tokio::time::sleep_until(next).await;
        held.release().await?;
    }
}
