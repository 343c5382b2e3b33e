//! Rescue: what a dead process held runs elsewhere (L6, L7). Any process may do it, any number at the same time.

use std::sync::Arc;

use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::listen::hint_all;
use crate::config::CRASH_LIMIT;
use crate::failure::{Class, Effect, Failure};
use crate::family;
use crate::limit::places;
use crate::strain::Strains;

/// What one round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rescued {
    /// Jobs that are ready again.
    pub(crate) freed: i64,
    /// Jobs that were set aside after too many crashes.
    pub(crate) quarantined: i64,
}

/// Rescues whenever a heartbeat has seen that somebody died, until it is stopped.
pub(crate) async fn run(
    pool: PgPool,
    strains: Strains,
    somebody_died: Arc<Notify>,
    freed: impl Fn() + Send,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = somebody_died.notified() => {}
            () = stop.cancelled() => return,
        }
        match run_once(&pool).await {
            Ok(rescued) if rescued == Rescued::default() => {}
            Ok(_) => freed(),
            Err(error) => {
                strains.met(&error, &pool);
                tracing::warn!(%error, "rescue failed; the next heartbeat asks for it again");
            }
        }
    }
}

/// Declares the dead and frees what they held. Declaring is a transaction of its own: it waits for a claim that is
/// in flight, and refuses one that comes later, so that the freeing sees every job that there can be. Whoever has a free
/// slot is told.
pub(crate) async fn run_once(pool: &PgPool) -> Result<Rescued, sqlx::Error> {
    sqlx::query_file!("sql/rescue_declare.sql").execute(pool).await?;
    let failure = Failure::new(
        Class::ProvisioningError,
        "quarantined",
        format!("{CRASH_LIMIT} attempts ended without a word"),
    )
    .effect(Effect::Unknown)
    .action("look at the payload and the worker's log of that time, then `autopilot jobs retry`");
    let failure = serde_json::to_value(failure).unwrap_or_default();
    let rescued = sqlx::query_file!("sql/rescue.sql", CRASH_LIMIT, failure).fetch_one(pool).await?;
    hint_all(pool, &rescued.queues).await;
    let rescued = Rescued { freed: rescued.freed, quarantined: rescued.quarantined };
    if rescued != Rescued::default() {
        // What they had of what limits jobs is free.
        places::sweep(pool).await?;
        if rescued.quarantined > 0 {
            family::sweep(pool).await?;
        }
        tracing::warn!(
            freed = rescued.freed,
            quarantined = rescued.quarantined,
            "took over jobs of a dead process"
        );
    }
    Ok(rescued)
}
