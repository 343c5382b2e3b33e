//! L4: one heartbeat row per process, from a thread of its own; without it the process fences itself.

use std::sync::Arc;
use std::time::Duration;

use autopilot_engine::testing::CrashPoints;
use autopilot_tests::{Lab, Script, eventually};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

#[tokio::test]
async fn l04_a_process_beats_once_for_all_its_jobs() {
    let mut world = Lab::gated().await;
    world.config.heartbeat = Duration::from_millis(50);
    for _ in 0..5 {
        world.enqueue(&Script::default()).await;
    }
    let process = world.start();
    world.app.gate("here").reached(5).await;
    let versions = "SELECT string_agg(xmin::text, ',' ORDER BY id) FROM engine.job";
    let before: String = world.value(versions).await;
    let (started, beats) = ("engine.worker WHERE seen > started_at + interval '200 ms'", 1);
    eventually("some heartbeats pass", async || world.count(started).await == beats).await;
    assert_eq!(world.count("engine.worker").await, 1);
    assert_eq!(world.value::<String>(versions).await, before, "no heartbeat touches a job");
    world.app.gate("here").open();
    world.idle().await;
    process.stop().await;
    world.finish().await;
}

/// Whether the heartbeat is renewed twice in good time, seen from a thread of its own.
fn beats_twice(options: PgConnectOptions) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut conn = options.connect().await.unwrap();
        let mut beats = Vec::new();
        let watching = tokio::time::timeout(Duration::from_secs(5), async {
            while beats.len() < 3 {
                let seen: DateTime<Utc> = sqlx::query_scalar("SELECT seen FROM engine.worker")
                    .fetch_one(&mut conn)
                    .await
                    .unwrap();
                if beats.last() != Some(&seen) {
                    beats.push(seen);
                }
            }
        });
        watching.await.is_ok()
    })
}

#[tokio::test]
async fn l04_work_that_blocks_the_only_thread_does_not_stop_the_heartbeat() {
    let mut world = Lab::world(|_, run| {
        Box::pin(async move {
            run.step("block", async |at| {
                // Blocks this test's only thread until the watcher has made up its mind.
                let options = at.pool.connect_options().as_ref().clone();
                let watcher = std::thread::spawn(move || beats_twice(options));
                at.app.note(if watcher.join().unwrap() { "alive" } else { "looks dead" });
                Ok(())
            })
            .await
        })
    })
    .await;
    world.config.heartbeat = Duration::from_millis(100);
    world.enqueue(&Script::default()).await;
    world.drain().await;
    assert_eq!(world.app.calls(), ["alive"]);
    world.finish().await;
}

#[tokio::test]
async fn l04_a_process_without_heartbeats_starts_no_call_and_gives_the_job_back() {
    let mut world = Lab::world(|_, run| {
        Box::pin(async move {
            run.app.gate("before").pass().await;
            run.step_once("buy", async |at| at.app.call("buy", &at.key)).await
        })
    })
    .await;
    world.config.lease = Duration::from_secs(2);
    world.config.heartbeat = Duration::from_millis(200);
    world.config.call_timeout = Duration::from_secs(1);
    let job = world.enqueue(&Script::default()).await;
    let process = world.start();
    world.app.gate("before").reached(1).await;
    // Neither a heartbeat nor a rescue gets past this lock: the process is on its own.
    let mut other = world.connect().await;
    let mut tx = other.begin().await.unwrap();
    sqlx::query("SELECT FROM engine.worker FOR UPDATE").execute(&mut *tx).await.unwrap();
    let over = "engine.worker WHERE seen + lease < engine.now()";
    eventually("its lease is over", async || world.count(over).await == 1).await;
    world.app.gate("before").open();
    eventually("the job is given back", async || world.standing(job).await == "ready").await;
    assert_eq!(world.app.calls(), [""; 0], "no call was made");
    assert_eq!(world.value::<i32>("SELECT attempt FROM engine.job").await, 0);
    tx.rollback().await.unwrap();
    world.idle().await;
    process.stop().await;
    // The call was not begun, so even a step that may run once does run now.
    assert_eq!(world.app.calls(), ["buy"]);
    world.finish().await;
}

#[tokio::test]
async fn l04_a_process_that_was_declared_dead_drops_its_attempts_and_goes_on_as_another() {
    let mut world = Lab::world(|_, run| {
        Box::pin(async move {
            run.app.gate("here").pass().await;
            Ok(())
        })
    })
    .await;
    world.config.heartbeat = Duration::from_millis(50);
    let job = world.enqueue(&Script::default()).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    let first: uuid::Uuid = world.value("SELECT id FROM engine.worker").await;
    world.let_leases_lapse().await;
    // Some process declares it dead, here itself; it must not count as having acked.
    if world.count(&format!("engine.worker WHERE id = '{first}'")).await == 1 {
        world
            .execute(
                "WITH gone AS (DELETE FROM engine.worker RETURNING id, host, pid)
                 INSERT INTO engine.dead_worker (id, host, pid) SELECT id, host, pid FROM gone",
            )
            .await;
    }
    world.app.gate("here").reached(2).await;
    world.app.gate("here").open();
    world.idle().await;
    process.stop().await;
    assert_eq!(world.standing(job).await, "completed");
    let end = "SELECT concat_ws('/', token, attempt, crashes) FROM engine.history";
    assert_eq!(world.texts(end).await, ["2/1/1"]);
    world.finish().await;
}

/// The beat that comes between the end's commit and its answer finds that the job is gone.
#[tokio::test]
async fn l04_no_heartbeat_drops_an_attempt_whose_end_is_written() {
    let whoever_waits = Arc::new(());
    let waiting = Arc::downgrade(&whoever_waits);
    let mut world = Lab::world(move |_, run| {
        let told = Arc::clone(&whoever_waits);
        Box::pin(async move {
            run.when_ended(move |_, _| drop(told));
            Ok(())
        })
    })
    .await;
    world.config.heartbeat = Duration::from_millis(50);
    world.enqueue(&Script::default()).await;
    // The first is reached before the end is written, the second behind it.
    let points = CrashPoints::at(1);
    let process = world.start_with(world.pool().clone(), points.clone());
    eventually("its end is written", async || points.stopped().is_some()).await;
    assert_eq!(world.count("engine.history").await, 1);
    for _ in 0..2 {
        let seen: DateTime<Utc> = world.value("SELECT seen FROM engine.worker").await;
        let beaten = format!("engine.worker WHERE seen > '{seen}'");
        eventually("it beats", async || world.count(&beaten).await == 1).await;
    }
    assert_eq!(waiting.strong_count(), 2, "who waits for the end is still to be told");
    process.kill().await;
    world.close().await;
}
