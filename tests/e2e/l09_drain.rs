//! L9: a drain finishes what runs, gives back what has not begun and releases the rest.

use std::time::Duration;

use autopilot_tests::{Lab, PATIENCE, Script, eventually, listening};
use sqlx::Connection;

#[tokio::test]
async fn l09_a_drain_claims_nothing_more_and_lets_running_work_finish() {
    let world = Lab::gated().await;
    let running = world.enqueue(&Script::new("running")).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    process.ask_to_stop();
    let late = world.enqueue(&Script::new("late")).await;
    world.app.gate("here").open();
    process.stop().await;
    assert_eq!(world.standing(running).await, "completed");
    assert_eq!(world.standing(late).await, "ready");
    assert_eq!(world.count("engine.job WHERE token = 0 AND attempt = 0").await, 1);
    assert_eq!(world.count("engine.worker").await, 0, "it has left");
    world.drain().await;
    world.finish().await;
}

#[tokio::test]
async fn l09_what_does_not_end_in_time_is_released_with_its_token_and_runs_elsewhere_at_once() {
    let mut world = Lab::gated().await;
    world.clock.freeze().await.unwrap();
    world.config.drain = Duration::ZERO;
    let job = world.enqueue(&Script::new("endless")).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    process.stop().await;
    let row = "SELECT concat_ws('/', state, token, attempt, crashes) FROM engine.job";
    assert_eq!(world.texts(row).await, ["0/1/0/0"]);
    world.app.gate("here").open();
    // The clock stands still, so only a job that is due at once can run.
    world.drain().await;
    assert_eq!(world.standing(job).await, "completed");
    let row = "SELECT concat_ws('/', token, attempt, crashes) FROM engine.history";
    assert_eq!(world.texts(row).await, ["2/1/0"]);
    assert_eq!(world.app.calls(), ["endless", "endless"]);
    world.finish().await;
}

#[tokio::test]
async fn l09_who_has_a_free_slot_is_told_of_what_another_releases() {
    let mut world = Lab::gated().await;
    world.config.drain = Duration::ZERO;
    world.config.listen = true;
    // Who is not told would not look again in the time of this test.
    (world.config.poll_min, world.config.poll_max) = (PATIENCE * 10, PATIENCE * 10);
    let job = world.enqueue(&Script::default()).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    let other = world.start();
    listening(&world, 2).await;
    process.stop().await;
    world.app.gate("here").reached(2).await;
    world.app.gate("here").open();
    world.idle().await;
    other.stop().await;
    assert_eq!(world.standing(job).await, "completed");
    world.finish().await;
}

#[tokio::test]
async fn l09_what_was_claimed_and_not_begun_is_given_back_without_a_crash() {
    let mut world = Lab::gated().await;
    world.config.heartbeat = Duration::from_secs(2);
    world.app.gate("here").open();
    let process = world.start();
    eventually("it registers", async || world.count("engine.worker").await == 1).await;
    // The lock holds the claim back until the worker has stopped taking what it claims.
    let mut other = world.connect().await;
    let mut tx = other.begin().await.unwrap();
    sqlx::query("SELECT FROM engine.worker FOR UPDATE").execute(&mut *tx).await.unwrap();
    for number in 0..5 {
        world.enqueue(&Script::new(&number.to_string())).await;
    }
    let claiming = "pg_stat_activity WHERE datname = current_database()
                    AND wait_event_type = 'Lock' AND query LIKE '%Claims ready jobs%'";
    eventually("the claim waits", async || world.count(claiming).await >= 1).await;
    process.ask_to_stop();
    // Lets the runner close its inbox; whoever wins, no job may be lost or count a crash.
    tokio::time::sleep(Duration::from_millis(50)).await;
    tx.rollback().await.unwrap();
    process.stop().await;
    assert_eq!(world.count("engine.job WHERE state = 1").await, 0, "nothing is left behind");
    assert_eq!(world.count("engine.job WHERE crashes > 0 OR attempt > 0").await, 0);
    assert_eq!(world.count("engine.dead_worker").await, 0, "nobody has to look for its jobs");
    world.drain().await;
    assert_eq!(world.count("engine.history WHERE crashes = 0 AND attempt = 1").await, 5);
    world.finish().await;
}
