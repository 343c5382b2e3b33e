//! Events by key: the first counts, one that came before is found, and none is missed.

use std::time::Duration;

use autopilot_engine::JobId;
use autopilot_engine::ops::events::emit;
use autopilot_tests::{Inside, Lab, Script, World, eventually};

const HOUR: Duration = Duration::from_secs(3_600);

/// Jobs that wait an hour for the event of their label, and note what it brought.
async fn waiting_world() -> World<Lab> {
    Lab::world(|label, run| {
        Box::pin(async move {
            let paid: Option<u32> = run.wait_for("paid", label, HOUR).await?;
            run.app.note(&format!("{paid:?}"));
            Ok(())
        })
    })
    .await
}

async fn emit_now(world: &World<Lab>, key: &str, payload: u32) -> (bool, usize) {
    let mut tx = world.pool().begin().await.unwrap();
    let emitted = emit(&mut tx, key, &payload).await.unwrap();
    tx.commit().await.unwrap();
    (emitted.first, emitted.woken)
}

async fn parked(world: &World<Lab>, count: i64) {
    eventually("they wait", async || {
        world.count("engine.step WHERE state = 'waiting'").await == count
            && world.count("engine.job WHERE state = 1").await == 0
    })
    .await;
}

#[tokio::test]
async fn a_run_goes_on_when_its_event_comes_and_the_first_one_counts() {
    let world = waiting_world().await;
    let process = world.start();
    for _ in 0..2 {
        world.enqueue(&Script::new("order 7")).await;
    }
    parked(&world, 2).await;
    assert_eq!(emit_now(&world, "order 7", 1).await, (true, 2));
    eventually("both go on", async || world.app.calls().len() == 2).await;
    assert_eq!(emit_now(&world, "order 7", 2).await, (false, 0));
    world.enqueue(&Script::new("order 7")).await;
    eventually("a later one finds it", async || world.app.calls().len() == 3).await;
    assert_eq!(world.app.count("Some(1)"), 3);
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn an_event_that_does_not_come_in_time_is_none_and_an_early_look_does_not_shorten_the_time() {
    let world = waiting_world().await;
    world.clock.freeze().await.unwrap();
    let job: JobId = world.enqueue(&Script::new("never")).await;
    world.drain().await;
    world.clock.advance_alive(HOUR / 2).await.unwrap();
    let mut tx = world.pool().begin().await.unwrap();
    autopilot_engine::ops::hasten(&mut tx, job).await.unwrap();
    tx.commit().await.unwrap();
    world.drain().await;
    assert_eq!(world.app.calls(), [] as [&str; 0]);
    let left = "SELECT (run_at - engine.now())::text FROM engine.job";
    assert_eq!(world.texts(left).await, ["00:30:00"]);
    world.clock.advance_alive(HOUR / 2).await.unwrap();
    world.drain().await;
    assert_eq!(world.app.calls(), ["None"]);
    world.finish().await;
}

#[tokio::test]
async fn an_event_that_comes_while_a_run_decides_to_wait_is_not_missed() {
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            run.app.gate("about to look").pass().await;
            let paid: Option<u32> = run.wait_for("paid", label, HOUR).await?;
            run.app.note(&format!("{paid:?}"));
            Ok(())
        })
    })
    .await;
    // The event's transaction is open while the run looks and parks: neither can see the other, but for the lock.
    let mut emitter = world.connect().await;
    let mut tx = sqlx::Connection::begin(&mut emitter).await.unwrap();
    let process = world.start();
    world.enqueue(&Script::new("order 7")).await;
    world.app.gate("about to look").reached(1).await;
    assert!(emit(&mut tx, "order 7", &1).await.unwrap().first);
    world.app.gate("about to look").open();
    world.waiting_for_locks(1).await;
    tx.commit().await.unwrap();
    eventually("it goes on", async || world.app.calls() == ["Some(1)"]).await;
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn an_event_that_does_not_fit_is_a_failure_that_names_it_and_a_bad_key_is_refused() {
    let world = waiting_world().await;
    let mut tx = world.pool().begin().await.unwrap();
    assert!(emit(&mut tx, "order 7", "not a number").await.unwrap().first);
    for key in ["", "a\0b", &"k".repeat(513)] {
        assert!(
            emit(&mut tx, key, &1).await.unwrap_err().to_string().contains("the key of an event")
        );
    }
    tx.commit().await.unwrap();
    world.enqueue(&Script::new("order 7")).await;
    world.drain().await;
    let code: String = world.value("SELECT failure ->> 'code' FROM engine.dead_letter").await;
    assert_eq!(code, "event_changed_shape");
    world.close().await;
}
