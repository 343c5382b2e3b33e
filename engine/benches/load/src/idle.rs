//! What a worker that has nothing to do asks of the database, and writes into it.

use std::error::Error;
use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;

use crate::arguments::Arguments;
use crate::fleet::{Target, database};
use crate::latency::rounded;
use crate::other::Other;
use crate::pickup::one_at_a_time;
use crate::report;
use crate::wire::Wire;

/// Until then a worker that has just worked has put its things in order, and every session has told its statistics,
/// which it does ten seconds after its last statement at the latest.
const SETTLED: Duration = Duration::from_secs(12);

/// How late a session that speaks every other second tells its statistics.
const TOLD: Duration = Duration::from_secs(3);

/// Counts the statements of a worker in its own process, and the rows that were written meanwhile, by table.
pub(crate) async fn measure(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let time = Duration::from_secs(arguments.get("seconds", 30)?);
    let target = Target::from_environment()?;
    let pool = database(&target).await?;
    let wire = Wire::start(target.address()).await?;
    let other = Other::start(&target.through(wire.port()), 100).await?;
    one_at_a_time(&pool, &target, 20).await?;
    tokio::time::sleep(SETTLED).await;
    let (said, before) = (wire.statements(), written(&pool).await?);
    tokio::time::sleep(time).await;
    let said = wire.statements() - said;
    tokio::time::sleep(TOLD).await;
    let written = written(&pool).await? - before;
    other.stop(20).await?;
    report::answer(
        "idle",
        "one worker process with the default intervals, hints on; the statements are counted on the wire",
        json!({
            "statements_per_second": rounded(f64::from(u32::try_from(said)?) / time.as_secs_f64()),
            "other_writes": written,
        }),
    );
    Ok(())
}

/// Rows that were inserted, updated or deleted, other than the workers' own: those are the heartbeats.
async fn written(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint
         FROM pg_stat_user_tables WHERE relname <> 'worker'",
    )
    .fetch_one(pool)
    .await
}
