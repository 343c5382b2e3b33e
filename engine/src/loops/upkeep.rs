//! What every process looks after once a minute, though nothing should ever be found: a process that dies between two
//! transactions, an operator's hand in the tables.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::jittered;
use crate::limit::places;
use crate::ops::pauses;

/// How often.
const INTERVAL: Duration = Duration::from_secs(60);

/// Looks after it until it is stopped.
pub(crate) async fn run(pool: PgPool, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(jittered(INTERVAL)) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = look_after(&pool).await {
            tracing::warn!(%error, "could not look after limits and pauses; the next minute does");
        }
    }
}

async fn look_after(pool: &PgPool) -> Result<(), sqlx::Error> {
    places::sweep(pool).await?;
    pauses::sweep(pool).await?;
    sqlx::query_file!("sql/cron/forget.sql").execute(pool).await?;
    sqlx::query_file!("sql/event/forget.sql").execute(pool).await?;
    Ok(())
}
