//! L1: a claim takes each job once and names the incarnation that took it.

use autopilot_engine::testing::CrashPoints;
use autopilot_tests::{Lab, Script, eventually};
use sqlx::{Connection, PgPool};

#[tokio::test]
async fn l01_a_claim_adds_one_attempt_and_one_token_and_names_the_incarnation() {
    let world = Lab::gated().await;
    let job = world.enqueue(&Script::default()).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    let claimed =
        world.texts("SELECT concat_ws('/', state, attempt, token, crashes) FROM engine.job").await;
    assert_eq!(claimed, ["1/1/1/0"]);
    assert_eq!(world.count("engine.job JOIN engine.worker w ON w.id = job.worker").await, 1);
    world.app.gate("here").open();
    world.idle().await;
    process.stop().await;
    assert_eq!(world.standing(job).await, "completed");
    world.finish().await;
}

#[tokio::test]
async fn l01_a_restarted_process_is_another_incarnation() {
    let world = Lab::world(|_, _| Box::pin(async { Ok(()) })).await;
    let process = world.start();
    let one = "engine.worker";
    eventually("it registers", async || world.count(one).await == 1).await;
    let first: uuid::Uuid = world.value("SELECT id FROM engine.worker").await;
    process.kill().await;
    let process = world.start();
    eventually("it registers too", async || world.count(one).await == 2).await;
    assert_eq!(world.count(&format!("engine.worker WHERE id <> '{first}'")).await, 1);
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn l01_two_claimers_never_get_the_same_job() {
    let world = Lab::noting().await;
    for number in 0..100 {
        world.enqueue(&Script::new(&number.to_string())).await;
    }
    let workers = [world.start(), world.start(), world.start()];
    world.idle().await;
    for worker in workers {
        worker.stop().await;
    }
    let mut ran = world.app.calls();
    ran.sort();
    ran.dedup();
    assert_eq!((ran.len(), world.app.calls().len()), (100, 100));
    assert_eq!(world.count("engine.history WHERE token = 1").await, 100);
    world.finish().await;
}

#[tokio::test]
async fn l01_a_locked_job_does_not_hold_up_the_others() {
    let world = Lab::noting().await;
    let locked = world.enqueue(&Script::new("locked")).await;
    world.enqueue(&Script::new("free")).await;
    let mut other = world.connect().await;
    let mut tx = other.begin().await.unwrap();
    sqlx::query("SELECT FROM engine.job WHERE id = $1 FOR UPDATE")
        .bind(locked.uuid())
        .execute(&mut *tx)
        .await
        .unwrap();
    let process = world.start();
    eventually("the free job runs", async || world.app.count("free") == 1).await;
    assert_eq!(world.app.count("locked"), 0);
    tx.rollback().await.unwrap();
    world.idle().await;
    process.stop().await;
    assert_eq!(world.app.count("locked"), 1);
    world.finish().await;
}

#[tokio::test]
async fn l01_a_claim_is_a_hot_update() {
    let world = Lab::world(|_, _| Box::pin(async { Ok(()) })).await;
    for _ in 0..30 {
        world.enqueue(&Script::default()).await;
    }
    // Statistics are published at the latest when a connection ends, so the worker gets connections of its own.
    let pool = PgPool::connect(&world.url()).await.unwrap();
    let process = world.start_with(pool.clone(), CrashPoints::none());
    world.idle().await;
    process.stop().await;
    pool.close().await;
    let claims = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'job'";
    eventually("the claims are counted", async || world.value::<i64>(claims).await >= 30).await;
    // A page may be full by a row or two; an index on what a claim changes would leave none at all.
    let hot = "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'job'";
    assert!(world.value::<i64>(hot).await >= 25, "of 30 claims");
    world.finish().await;
}
