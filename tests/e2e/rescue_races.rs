//! A rescue beside a claim or a checkpoint, in both orders, on two connections. The statements are the engine's own.

use autopilot_tests::{Inside, Lab, Script, World};
use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection, Row};
use uuid::Uuid;

pub(crate) const RESCUE_DECLARE: &str = include_str!("../../engine/sql/rescue_declare.sql");
const RESCUE: &str = include_str!("../../engine/sql/rescue.sql");
const CLAIM: &str = include_str!("../../engine/sql/claim.sql");
const FENCE: &str = include_str!("../../engine/sql/fence.sql");

/// A world with one ready job and one registered worker whose lease has run out.
async fn overdue() -> (World<Lab>, Uuid) {
    let world = Lab::world(|_, _| Box::pin(async { Ok(()) })).await;
    world.enqueue(&Script::default()).await;
    let worker = Uuid::now_v7();
    world
        .execute(&format!(
            "INSERT INTO engine.worker (id, host, pid, version, kinds, schedules, queues, lease, seen)
             VALUES ('{worker}', 'test', 1, '0', '{{test.script}}', '{{}}', '{{}}', '10 s', engine.clock() - interval '11 s')"
        ))
        .await;
    (world, worker)
}

/// How many jobs the worker claims.
async fn claim(conn: &mut PgConnection, worker: Uuid) -> usize {
    let queue = sqlx::query(CLAIM).bind(vec!["default"]).bind(vec![10_i64]);
    let lanes = queue.bind(vec![1_i32]).bind(vec![1_i32]).bind(vec![2_i16]).bind(vec![0_i32]);
    let lanes = lanes.bind(vec![DateTime::<Utc>::UNIX_EPOCH]).bind(vec![10_i64]);
    let claim = lanes.bind(worker).bind(vec!["test.script"]);
    claim.fetch_all(conn).await.unwrap().len()
}

/// How many jobs are freed of the dead.
async fn free(conn: &mut PgConnection) -> i64 {
    let failure = serde_json::json!({"message": "three ended without a word"});
    let freed = sqlx::query_scalar(RESCUE).bind(3_i32).bind(failure).fetch_one(conn);
    freed.await.unwrap()
}

async fn fence(conn: &mut PgConnection, worker: Uuid, job: Uuid, token: i64) -> usize {
    let rows = sqlx::query(FENCE).bind(worker).bind(vec![job]).bind(vec![token]).fetch_all(conn);
    rows.await.unwrap().len()
}

#[tokio::test]
async fn a_claim_in_flight_is_seen_by_the_rescue_that_waits_for_it() {
    let (world, worker) = overdue().await;
    let (mut claimer, mut rescuer) = (world.connect().await, world.connect().await);
    let mut tx = claimer.begin().await.unwrap();
    assert_eq!(claim(&mut tx, worker).await, 1);
    let rescuing = tokio::spawn(async move {
        sqlx::query(RESCUE_DECLARE).execute(&mut rescuer).await.unwrap();
        let freed = free(&mut rescuer).await;
        (rescuer, freed)
    });
    world.waiting_for_locks(1).await;
    tx.commit().await.unwrap();
    let (rescuer, freed) = rescuing.await.unwrap();
    assert_eq!(freed, 1, "the claim that was in flight is freed");
    assert_eq!(world.count("engine.job WHERE state = 0 AND crashes = 1 AND attempt = 0").await, 1);
    drop((claimer, rescuer));
    world.close().await;
}

#[tokio::test]
async fn a_process_that_is_being_declared_dead_claims_nothing() {
    let (world, worker) = overdue().await;
    let (mut claimer, mut rescuer) = (world.connect().await, world.connect().await);
    let mut tx = rescuer.begin().await.unwrap();
    sqlx::query(RESCUE_DECLARE).execute(&mut *tx).await.unwrap();
    let claiming = tokio::spawn(async move { claim(&mut claimer, worker).await });
    world.waiting_for_locks(1).await;
    tx.commit().await.unwrap();
    assert_eq!(claiming.await.unwrap(), 0);
    assert_eq!(world.count("engine.job WHERE state = 0 AND token = 0").await, 1);
    world.close().await;
}

#[tokio::test]
async fn a_checkpoint_in_flight_is_kept_and_its_job_freed_by_the_next_round() {
    let (world, worker) = overdue().await;
    let (mut writer, mut rescuer) = (world.connect().await, world.connect().await);
    assert_eq!(claim(&mut writer, worker).await, 1);
    let job: Uuid = world.value("SELECT id FROM engine.job").await;
    let mut tx = writer.begin().await.unwrap();
    assert_eq!(fence(&mut tx, worker, job, 1).await, 1);
    sqlx::query(
        "INSERT INTO engine.step (job, born, name, state, token)
         SELECT id, created_at, 'buy', 'started', 1 FROM engine.job WHERE id = $1",
    )
    .bind(job)
    .execute(&mut *tx)
    .await
    .unwrap();
    sqlx::query(RESCUE_DECLARE).execute(&mut rescuer).await.unwrap();
    assert_eq!(free(&mut rescuer).await, 0, "it does not wait for the checkpoint");
    assert_eq!(world.count("engine.dead_worker").await, 1, "the dead process is not forgotten");
    tx.commit().await.unwrap();
    assert_eq!(free(&mut rescuer).await, 1);
    assert_eq!(world.count("engine.dead_worker").await, 0, "none of its jobs runs any more");
    assert_eq!(world.count("engine.step WHERE token = 1").await, 1);
    assert_eq!(
        fence(&mut writer, worker, job, 1).await,
        0,
        "the next write of that attempt is refused"
    );
    world.close().await;
}

#[tokio::test]
async fn a_checkpoint_that_comes_during_a_rescue_waits_and_is_refused() {
    let (world, worker) = overdue().await;
    let (mut writer, mut rescuer) = (world.connect().await, world.connect().await);
    assert_eq!(claim(&mut writer, worker).await, 1);
    let job: Uuid = world.value("SELECT id FROM engine.job").await;
    sqlx::query(RESCUE_DECLARE).execute(&mut rescuer).await.unwrap();
    let mut tx = rescuer.begin().await.unwrap();
    assert_eq!(free(&mut tx).await, 1);
    let writing = tokio::spawn(async move { fence(&mut writer, worker, job, 1).await });
    world.waiting_for_locks(1).await;
    tx.commit().await.unwrap();
    assert_eq!(writing.await.unwrap(), 0);
    world.close().await;
}

#[tokio::test]
async fn two_rescuers_free_a_job_once() {
    let (world, worker) = overdue().await;
    let (mut one, mut other) = (world.connect().await, world.connect().await);
    assert_eq!(claim(&mut one, worker).await, 1);
    sqlx::query(RESCUE_DECLARE).execute(&mut one).await.unwrap();
    let mut tx = one.begin().await.unwrap();
    assert_eq!(free(&mut tx).await, 1);
    assert_eq!(free(&mut other).await, 0);
    tx.commit().await.unwrap();
    assert_eq!(free(&mut other).await, 0);
    let row = sqlx::query("SELECT crashes FROM engine.job").fetch_one(&mut other).await.unwrap();
    assert_eq!(row.get::<i32, _>(0), 1);
    world.close().await;
}
