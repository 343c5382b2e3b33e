//! Vacuum: the table of jobs is vacuumed by whoever leaves dead rows in it, as soon as they are many. Autovacuum comes once
//! a minute, and by then a queue at full speed has outgrown the cache, and all of its pages are logged anew after a checkpoint.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use crate::lease::Lease;
use crate::line::Line;

/// How often it looks how many there are.
const LOOK: Duration = Duration::from_secs(1);

/// It vacuums for a tenth of the time at most, about half of which it rests: behind somebody's snapshot it brings nothing and
/// takes ever longer.
const SHARE: u32 = 10;

/// Vacuums whenever `after` more attempts have ended here, until it is stopped or is not allowed to.
pub(crate) async fn run(pool: PgPool, lease: Arc<Lease>, after: u64, stop: CancellationToken) {
    let mut line = Line::gentle(&pool, "vacuum");
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
            vacuumed = line.run(async |conn| run_once(conn).await) => vacuumed,
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
async fn run_once(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let allowed = sqlx::query_file_scalar!("sql/owns_queue.sql").fetch_one(&mut *conn).await?;
    if allowed {
        sqlx::query_file!("sql/vacuum.sql").execute(conn).await?;
    }
    Ok(allowed)
}
