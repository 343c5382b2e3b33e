//! Runs that wait: for a time, for somebody, for all that still waits.

use std::time::Duration;

use autopilot_engine::{Limit, Outcome, Result, Stop, Wait};
use autopilot_tests::{Inside, Lab, LimitedScript, Script, eventually};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_sleep_costs_no_attempt_and_ends_by_the_databases_clock() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            run.app.note("before");
            run.sleep("night", 8 * HOUR).await?;
            run.app.note("after");
            Ok(())
        })
    })
    .await;
    world.clock.freeze().await.unwrap();
    world.enqueue(&Script::default()).await;
    world.drain().await;
    let asleep = "SELECT concat_ws('/', attempt, run_at - engine.now()) FROM engine.job";
    assert_eq!(world.texts(asleep).await, ["0/08:00:00"]);
    world.clock.advance_alive(8 * HOUR - Duration::from_secs(1)).await.unwrap();
    world.drain().await;
    assert_eq!(world.app.calls(), ["before"]);
    world.clock.advance_alive(Duration::from_secs(1)).await.unwrap();
    world.drain().await;
    assert_eq!(world.app.calls(), ["before", "before", "after"]);
    assert_eq!(world.count("engine.history WHERE attempt = 1").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn a_run_goes_on_beside_a_step_that_waits_and_settles_when_it_is_done() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            let approval = run
                .step_or_skip("approval", async |at| {
                    at.app.note("ask");
                    if at.app.count("ask") > 1 {
                        return Ok(());
                    }
                    Err(Stop::Waiting(Wait {
                        event: "approved".to_owned(),
                        look_again: HOUR,
                        reason: "the carrier approves".to_owned(),
                    }))
                })
                .await?;
            run.step("meanwhile", async |at| at.app.call("meanwhile", &at.key)).await?;
            run.settle()?;
            assert_eq!(approval, Outcome::Done(()));
            run.app.note("settled");
            Ok(())
        })
    })
    .await;
    world.clock.freeze().await.unwrap();
    let job = world.enqueue(&Script::default()).await;
    world.drain().await;
    assert_eq!(world.app.calls(), ["ask", "meanwhile"]);
    let waits = "SELECT concat_ws('/', wake_event, wake_at - engine.now(), detail) FROM engine.step WHERE state = 'waiting'";
    assert_eq!(world.texts(waits).await, ["signal:approved/01:00:00/the carrier approves"]);
    world.clock.advance_alive(HOUR).await.unwrap();
    world.drain().await;
    assert_eq!(world.app.calls(), ["ask", "meanwhile", "ask", "settled"]);
    assert_eq!(world.standing(job).await, "completed");
    world.finish().await;
}

#[tokio::test]
async fn a_required_step_that_waits_parks_the_run_each_time_for_as_long() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            run.step("approval", async |at| -> Result {
                at.app.note("ask");
                match at.app.count("ask") {
                    1 | 2 => Err(Stop::Waiting(Wait {
                        event: "approved".to_owned(),
                        look_again: HOUR,
                        reason: "a person".to_owned(),
                    })),
                    _ => Ok(()),
                }
            })
            .await?;
            run.app.note("never before the answer");
            Ok(())
        })
    })
    .await;
    world.clock.freeze().await.unwrap();
    world.enqueue(&Script::default()).await;
    world.drain().await;
    assert_eq!(world.app.calls(), ["ask"]);
    let parked = "SELECT concat_ws('/', attempt, run_at - engine.now()) FROM engine.job";
    assert_eq!(world.texts(parked).await, ["0/01:00:00"]);
    world.clock.advance_alive(HOUR).await.unwrap();
    world.drain().await;
    assert_eq!(world.app.calls(), ["ask", "ask"]);
    assert_eq!(world.texts(parked).await, ["0/01:00:00"], "from the second look, not the first");
    world.clock.advance_alive(HOUR).await.unwrap();
    world.drain().await;
    assert_eq!(world.app.calls(), ["ask", "ask", "ask", "never before the answer"]);
    world.finish().await;
}

#[tokio::test]
async fn a_hint_wakes_an_idle_worker_and_none_is_needed() {
    for listen in [true, false] {
        let mut world = Lab::world(|_, run| {
            Box::pin(async move {
                run.app.note("ran");
                Ok(())
            })
        })
        .await;
        world.config.listen = listen;
        let process = world.start();
        world.enqueue(&Script::default()).await;
        autopilot_engine::Waker::start(world.pool().clone()).wake("default");
        eventually("it runs", async || world.app.count("ran") == 1).await;
        world.idle().await;
        process.stop().await;
        world.finish().await;
    }
}

#[tokio::test]
async fn a_process_knows_without_a_hint_what_its_own_writes_have_made_ready() {
    let mut world = Lab::world(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            if label == "first" {
                run.app.gate("here").pass().await;
                run.enqueue(Script::new("enqueued").job());
            }
            Ok(())
        })
    })
    .await;
    // It would not look by itself while the test waits.
    world.config.poll_min = HOUR;
    world.config.poll_max = HOUR;
    let one = [Limit::concurrency("key", 1)];
    world.add(LimitedScript::new("first", &one).job()).await;
    world.add(LimitedScript::new("second", &one).job()).await;
    let process = world.start();
    eventually("the second stands aside", async || world.aside().await == 1).await;
    world.app.gate("here").open();
    eventually("both others run", async || {
        world.app.count("second") + world.app.count("enqueued") == 2
    })
    .await;
    world.idle().await;
    process.stop().await;
    world.finish().await;
}
