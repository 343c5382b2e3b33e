//! Marks: a claim that starts where the last one ended still finds everything.

use std::time::Duration;

use autopilot_engine::{Class, Failure, NewJob, Priority, WorkspaceId, enqueue};
use autopilot_tests::{
    Lab, Process, Script, TurnsScript, World, add_and_hint, eventually, listening,
};
use sqlx::Connection;

#[tokio::test]
async fn a_job_that_commits_long_after_the_mark_has_passed_it_is_found_before_the_lane_is_empty() {
    let mut world = Lab::noting().await;
    world.config.queues = vec![("default".to_owned(), 1)];
    let mut late = world.connect().await;
    let mut tx = late.begin().await.unwrap();
    assert!(!enqueue(&mut tx, &[Script::new("late").job()]).await.unwrap().is_empty());
    world.clock.advance_alive(Duration::from_secs(5)).await.unwrap();
    // One at a time, so that every claim finds work and goes on from where the last one ended.
    let backlog: Vec<NewJob> = (0..10_000).map(|_| Script::new("early").job()).collect();
    let mut others = world.pool().begin().await.unwrap();
    assert!(!enqueue(&mut others, &backlog).await.unwrap().is_empty());
    others.commit().await.unwrap();
    let process = world.start();
    eventually("the mark has moved", async || world.app.count("early") > 10).await;
    tx.commit().await.unwrap();
    eventually("the late one runs", async || world.app.count("late") == 1).await;
    assert!(world.count("engine.job").await > 0, "not only when the lane was empty");
    process.stop().await;
    world.close().await;
}

#[tokio::test]
async fn a_snapshot_that_somebody_holds_does_not_hold_up_claims() {
    let world = Lab::noting().await;
    let mut holder = world.connect().await;
    let mut tx = holder.begin().await.unwrap();
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *tx).await.unwrap();
    sqlx::query("SELECT FROM engine.job").execute(&mut *tx).await.unwrap();
    for number in 0..200 {
        world.enqueue(&Script::new(&number.to_string())).await;
    }
    world.drain().await;
    assert_eq!(world.app.calls().len(), 200);
    let seen: i64 =
        sqlx::query_scalar("SELECT count(*) FROM engine.job").fetch_one(&mut *tx).await.unwrap();
    assert_eq!(seen, 0, "the snapshot is still held");
    tx.rollback().await.unwrap();
    world.finish().await;
}

/// Looks that wait for a lock, after they have seen how the lanes stand.
const HELD: &str = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' \
                    AND query LIKE '%Keeps safe marks%'";

/// Nothing comes about without a hint.
fn hints_only(world: &mut World<Lab>) {
    world.config.listen = true;
    (world.config.poll_min, world.config.poll_max) =
        (Duration::from_secs(600), Duration::from_secs(600));
}

/// As whoever enqueues for many workspaces at once hints at them: at none by name.
async fn add_and_hint_at_none(world: &World<Lab>, label: &str) {
    world.add(TurnsScript::new(WorkspaceId::now_v7(), label).job()).await;
    world.execute("SELECT pg_notify('autopilot', E'default\\x1f')").await;
}

/// What happens while a look is held up, and after it, where nothing comes about without a hint. What the look has seen as
/// ready is taken meanwhile.
async fn while_a_look_waits(
    during: impl AsyncFnOnce(&World<Lab>),
    after: impl AsyncFnOnce(&World<Lab>),
) {
    let mut world = Lab::noting().await;
    hints_only(&mut world);
    world.add(Script::new("seen").job()).await;
    let mut other = world.connect().await;
    let mut locked = other.begin().await.unwrap();
    sqlx::query("SELECT FROM engine.job FOR UPDATE").execute(&mut *locked).await.unwrap();
    let process = world.start();
    listening(&world, 1).await;
    let mut holder = world.connect().await;
    let mut tx = holder.begin().await.unwrap();
    sqlx::query("LOCK TABLE engine.lane IN EXCLUSIVE MODE").execute(&mut *tx).await.unwrap();
    eventually("a look waits, which has marks to keep", async || {
        add_and_hint(&world, Script::new("before").job()).await;
        world.count(HELD).await == 1
    })
    .await;
    assert_eq!(world.app.count("seen"), 0, "no claim could take it");
    locked.rollback().await.unwrap();
    eventually("it is taken, by a claim that begins below it", async || {
        world.execute("SELECT pg_notify('autopilot', 'default')").await;
        world.app.count("seen") == 1
    })
    .await;
    during(&world).await;
    assert_eq!(world.count(HELD).await, 1, "the look still waits");
    tx.rollback().await.unwrap();
    after(&world).await;
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn a_look_that_is_held_up_holds_up_no_claim() {
    let during = async |world: &World<Lab>| {
        add_and_hint(world, Script::new("meanwhile").job()).await;
        eventually("it is claimed", async || world.app.count("meanwhile") == 1).await;
    };
    while_a_look_waits(during, async |_: &World<Lab>| {}).await;
}

#[tokio::test]
async fn what_is_hinted_at_while_a_look_is_under_way_is_looked_for_after_it() {
    let during = async |world: &World<Lab>| {
        add_and_hint_at_none(world, "unknown").await;
        add_and_hint(world, Script::new("later").job()).await;
        eventually("the hints were heeded", async || world.app.count("later") == 1).await;
        assert_eq!(world.app.count("unknown"), 0, "nobody has looked since");
    };
    while_a_look_waits(during, async |world: &World<Lab>| {
        eventually("it is found", async || world.app.count("unknown") == 1).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_hinted_at_while_no_slot_is_free_is_looked_for_when_one_is() {
    let mut world = Lab::gated().await;
    hints_only(&mut world);
    world.config.queues = vec![("default".to_owned(), 1)];
    let process = world.start();
    listening(&world, 1).await;
    add_and_hint(&world, Script::new("holds the slot").job()).await;
    world.app.gate("here").reached(1).await;
    add_and_hint_at_none(&world, "unknown").await;
    world.app.gate("here").open();
    eventually("it is found", async || world.app.count("unknown") == 1).await;
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn a_job_that_was_given_back_lies_above_every_mark() {
    let mut world = Lab::gated().await;
    world.clock.freeze().await.unwrap();
    world.config.drain = Duration::ZERO;
    world.enqueue(&Script::default()).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    world.clock.advance_alive(Duration::from_secs(3_600)).await.unwrap();
    process.stop().await;
    // Marks may have passed the time at which it was due at first.
    assert_eq!(world.count("engine.job WHERE state = 0 AND run_at = engine.now()").await, 1);
    world.app.gate("here").open();
    world.drain().await;
    world.finish().await;
}

/// One that waits at its gate the first time, and more that nobody has begun: a process with one slot has the first. The
/// order in which they ran then, once a process that claims nothing of them has looked whether anybody died.
async fn taken_over(end: impl AsyncFnOnce(&World<Lab>, Process)) -> Vec<String> {
    let mut world = Lab::world(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            if label == "begun" && run.app.count(label) == 1 {
                run.app.gate("here").pass().await;
            }
            Ok(())
        })
    })
    .await;
    world.config.queues = vec![("default".to_owned(), 1)];
    world.config.drain = Duration::ZERO;
    world.add(Script::new("begun").job().priority(Priority::Low)).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    for priority in [Priority::Critical, Priority::Normal, Priority::Low] {
        world.add(Script::new("waits").job().priority(priority)).await;
    }
    end(&world, process).await;
    let own = world.config.queues.clone();
    world.config.queues = vec![("other".to_owned(), 1)];
    let other = world.start();
    eventually("it is free", async || world.count("engine.job WHERE state = 0").await == 4).await;
    other.stop().await;
    world.config.queues = own;
    world.drain().await;
    let calls = world.app.calls();
    world.finish().await;
    calls
}

const BEGUN_FIRST: [&str; 5] = ["begun", "begun", "waits", "waits", "waits"];

#[tokio::test]
async fn a_job_whose_process_died_runs_before_all_that_has_not_begun() {
    let calls = taken_over(async |world, process| {
        process.kill().await;
        world.let_leases_lapse().await;
    })
    .await;
    assert_eq!(calls, BEGUN_FIRST);
}

#[tokio::test]
async fn a_job_that_a_drain_released_runs_before_all_that_has_not_begun() {
    let calls = taken_over(async |_, process| process.stop().await).await;
    assert_eq!(calls, BEGUN_FIRST);
}

#[tokio::test]
async fn a_retry_stands_in_its_own_lane_again() {
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            Err(Failure::new(Class::TransientNetwork, "test", "the network failed").into())
        })
    })
    .await;
    // Its retry is due soon: on a slow machine it would run as well.
    world.clock.freeze().await.unwrap();
    world.enqueue(&Script::default()).await;
    world.execute("UPDATE engine.job SET lane = -1").await;
    world.drain().await;
    let row = "SELECT concat_ws('/', state, attempt, priority, lane) FROM engine.job";
    assert_eq!(world.texts(row).await, ["0/1/2/2"]);
    world.close().await;
}

/// Runs twenty jobs one after the other, the clock a second further each time, so that there are many looks between them.
async fn run_for_a_while(world: &World<Lab>) {
    for number in 0..20 {
        let before = world.app.calls().len();
        world.enqueue(&Script::new(&format!("early {number}"))).await;
        eventually("it runs", async || world.app.calls().len() > before).await;
        world.clock.advance_alive(Duration::from_secs(1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_transaction_that_stays_open_and_writes_elsewhere_does_not_hold_back_the_marks() {
    let world = Lab::noting().await;
    let mut elsewhere = world.connect().await;
    let mut tx = elsewhere.begin().await.unwrap();
    sqlx::query("SELECT pg_current_xact_id()").execute(&mut *tx).await.unwrap();
    world.enqueue(&Script::new("first")).await;
    let first = world.texts("SELECT run_at::text FROM engine.job").await;
    let process = world.start();
    run_for_a_while(&world).await;
    process.stop().await;
    let passed = format!("engine.lane WHERE safe > '{}'::timestamptz + interval '5 s'", first[0]);
    assert_eq!(
        world.count(&passed).await,
        1,
        "{:?}",
        world.texts("SELECT safe::text FROM engine.lane").await
    );
    tx.rollback().await.unwrap();
    world.finish().await;
}

#[tokio::test]
async fn a_transaction_that_stays_open_and_has_enqueued_holds_the_marks_back() {
    let world = Lab::noting().await;
    let mut late = world.connect().await;
    let mut tx = late.begin().await.unwrap();
    assert!(!enqueue(&mut tx, &[Script::new("late").job()]).await.unwrap().is_empty());
    let due: String = sqlx::query_scalar("SELECT run_at::text FROM engine.job")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    let process = world.start();
    run_for_a_while(&world).await;
    process.stop().await;
    assert_eq!(world.count(&format!("engine.lane WHERE safe > '{due}'")).await, 0);
    tx.commit().await.unwrap();
    world.drain().await;
    assert_eq!(world.app.count("late"), 1);
    world.finish().await;
}
