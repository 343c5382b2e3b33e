//! What every process looks after once a minute: partitions, and what should never be found: a process that died between
//! two transactions, an operator's hand in the tables.

use std::time::Duration;

use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::jittered;
use crate::limit::places;
use crate::ops::{pauses, retention};
use crate::retry::random;
use crate::strain::Strains;

/// How often.
const INTERVAL: Duration = Duration::from_secs(60);

/// How often it is asked which months are over: that reads all of the history.
const LONG_LOOK: Duration = Duration::from_secs(3600);

/// Looks after it until it is stopped.
pub(crate) async fn run(pool: PgPool, strains: Strains, stop: CancellationToken) {
    // Not all processes of a deploy at once.
    let mut long_look = Instant::now() + LONG_LOOK.mul_f64(random());
    loop {
        tokio::select! {
            () = tokio::time::sleep(jittered(INTERVAL)) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = look_after(&pool).await {
            strains.met(&error, &pool);
            tracing::warn!(%error, "could not look after limits, locks and pauses; the next minute does");
        }
        let months = Instant::now() >= long_look;
        if months {
            long_look = Instant::now() + jittered(LONG_LOOK);
        }
        tend(&pool, months).await;
    }
}

/// Makes the partitions that will be needed, and drops those that are over.
pub(crate) async fn tend(pool: &PgPool, months: bool) {
    if let Err(error) = retention::tend_some(pool, months).await {
        tracing::warn!(
            %error,
            "could not look after the partitions; until somebody does (`autopilot retention tend`), nothing is lost, but nothing goes either"
        );
    }
}

/// One look.
pub(crate) async fn look_after(pool: &PgPool) -> Result<(), sqlx::Error> {
    places::sweep(pool).await?;
    pauses::sweep(pool).await?;
    sqlx::query_file!("sql/forget.sql").execute(pool).await?;
    sqlx::query_file!("sql/breaker/forget.sql").execute(pool).await?;
    Ok(())
}
