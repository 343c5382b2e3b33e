//! Watches jobs come to their end without reading the whole table: it may be large for a reason.

use std::error::Error;
use std::time::Duration;

use sqlx::{Executor, PgConnection};

use crate::fleet::Target;

/// A connection that asks for the jobs of the default queue that were due since a moment of the database's clock.
pub(crate) struct Watch {
    connection: PgConnection,
    /// Seconds since the epoch.
    since: f64,
}

impl Watch {
    /// For jobs that are enqueued from now on and due at once.
    pub(crate) async fn from_now(target: &Target) -> Result<Self, Box<dyn Error>> {
        let mut connection = target.connect().await?;
        // By the lane's index: how large the rest of the table is does not count.
        connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off").await?;
        let since =
            sqlx::query_scalar("SELECT extract(epoch FROM clock_timestamp())::double precision")
                .fetch_one(&mut connection)
                .await?;
        Ok(Self { connection, since })
    }

    /// Waits until none of them is left.
    pub(crate) async fn until_worked_off(&mut self) -> Result<(), sqlx::Error> {
        loop {
            let left: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM engine.job
                                WHERE queue = 'default' AND lane IN (-1, 0, 1, 2, 3)
                                  AND run_at >= to_timestamp($1 - 0.001) AND run_at <= now())",
            )
            .bind(self.since)
            .fetch_one(&mut self.connection)
            .await?;
            if !left {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
