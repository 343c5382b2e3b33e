//! L3: before a call its started record is committed, and the lease outlasts the call.

use std::time::Duration;

use autopilot_tests::{Lab, Script, eventually};
use sqlx::Connection;

#[tokio::test]
async fn l03_the_started_record_is_committed_before_the_call() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            run.step("buy", async |at| {
                // Another connection than the committer's: it sees only what is committed.
                let seen: Option<String> = sqlx::query_scalar(
                    "SELECT concat_ws('/', step, token, starts) FROM engine.job WHERE id = $1 AND begun_at IS NOT NULL",
                )
                .bind(at.job.uuid())
                .fetch_optional(at.pool)
                .await?;
                at.app.note(&seen.unwrap_or_default());
                Ok(())
            })
            .await
        })
    })
    .await;
    world.enqueue(&Script::default()).await;
    world.drain().await;
    assert_eq!(world.app.calls(), ["buy/1/1"]);
    world.finish().await;
}

#[tokio::test]
async fn l03_a_call_waits_until_the_lease_outlasts_it() {
    let mut world = Lab::world(|_, run| {
        Box::pin(async move {
            run.app.gate("before").pass().await;
            run.step("buy", async |at| {
                let long_enough: bool = sqlx::query_scalar(
                    "SELECT seen + lease - engine.now() >= interval '1 s' FROM engine.worker",
                )
                .fetch_one(at.pool)
                .await?;
                at.app.note(if long_enough { "on a fresh lease" } else { "on a short lease" });
                Ok(())
            })
            .await
        })
    })
    .await;
    world.config.lease = Duration::from_secs(3);
    world.config.heartbeat = Duration::from_millis(200);
    world.config.call_timeout = Duration::from_secs(1);
    world.enqueue(&Script::default()).await;
    let process = world.start();
    world.app.gate("before").reached(1).await;
    // Whoever holds the worker's row keeps its heartbeat from being written.
    let mut other = world.connect().await;
    let mut tx = other.begin().await.unwrap();
    sqlx::query("SELECT FROM engine.worker FOR NO KEY UPDATE").execute(&mut *tx).await.unwrap();
    let short = "engine.worker WHERE seen + lease - engine.now() < interval '1 s'";
    eventually("the lease is short", async || world.count(short).await == 1).await;
    world.app.gate("before").open();
    let begun = "engine.job WHERE step = 'buy'";
    eventually("the step is about to begin", async || world.count(begun).await == 1).await;
    tx.rollback().await.unwrap();
    world.idle().await;
    process.stop().await;
    assert_eq!(world.app.calls(), ["on a fresh lease"]);
    world.finish().await;
}
