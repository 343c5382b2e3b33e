//! Vacuum: the table of jobs is vacuumed by whoever leaves dead rows in it, as soon as they are many. Autovacuum comes once
//! a minute, and by then a queue at full speed has outgrown the cache, and all of its pages are logged anew after a checkpoint.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::lease::Lease;

/// How often it looks how many there are.
const LOOK: Duration = Duration::from_secs(1);

/// It vacuums for a twentieth of the time at most: behind somebody's snapshot it brings nothing and takes ever longer.
const SHARE: u32 = 20;

/// Vacuums whenever `after` more attempts have ended here, until it is stopped or is not allowed to.
pub(crate) async fn run(pool: PgPool, lease: Arc<Lease>, after: u64, stop: CancellationToken) {
    let (mut seen, mut pause) = (0, LOOK);
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        pause = LOOK;
        let ended = lease.ended_attempts();
        if ended - seen < after {
            continue;
        }
        let begun = Instant::now();
        let vacuumed = tokio::select! {
            vacuumed = run_once(&pool) => vacuumed,
            () = stop.cancelled() => return,
        };
        match vacuumed {
            Ok(true) => {}
            Ok(false) => {
                return tracing::info!(
                    "this role does not own engine.job: vacuuming it is left to autovacuum"
                );
            }
            Err(error) => {
                tracing::debug!(%error, "could not vacuum engine.job; autovacuum will")
            }
        }
        (seen, pause) = (ended, LOOK.max(begun.elapsed() * SHARE));
    }
}

/// Vacuums, if that is allowed. Says whether it is.
async fn run_once(pool: &PgPool) -> Result<bool, sqlx::Error> {
    let mut conn = pool.acquire().await?;
    let allowed = sqlx::query_file_scalar!("sql/owns_queue.sql").fetch_one(&mut *conn).await?;
    if allowed {
        sqlx::query_file!("sql/vacuum.sql").execute(&mut *conn).await?;
    }
    Ok(allowed)
}
