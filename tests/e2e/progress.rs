//! The progress view: honest about what was skipped, failed or still waits (P8).

use std::time::Duration;

use autopilot_engine::{Class, Failure, Outcome, Result, Run, Stop};
use autopilot_tests::{Lab, PlannedScript, Running, World};

const STATUS: &str =
    "SELECT concat_ws(' ', status, percent, steps_done || '/' || steps) FROM engine.run_status";

async fn planned<F>(body: F) -> World<Lab>
where
    F: for<'a, 'r> Fn(&'a str, &'a mut Run<'r, Lab>) -> Running<'a> + Send + Sync + 'static,
{
    let world = World::lab(body).await;
    world.enqueue(&PlannedScript::default()).await;
    assert_eq!(world.texts(STATUS).await, ["queued 0 0/3"]);
    world
}

#[tokio::test]
async fn progress_counts_the_weights_of_the_steps_that_are_done() {
    let world = planned(|_, run| {
        Box::pin(async move {
            run.step("one", async |at| at.app.call("one", &at.key)).await?;
            run.step("two", async |at| at.app.call("two", &at.key)).await?;
            run.step("three", async |at| {
                at.app.gate("here").pass().await;
                at.app.call("three", &at.key)
            })
            .await
        })
    })
    .await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    assert_eq!(world.texts(STATUS).await, ["running 30 2/3"]);
    world.app.gate("here").open();
    world.idle().await;
    process.stop().await;
    assert_eq!(world.texts(STATUS).await, ["completed 100 3/3"]);
    world.finish().await;
}

#[tokio::test]
async fn a_skipped_step_is_not_progress_and_degrades_the_run() {
    let world = planned(|_, run| {
        Box::pin(async move {
            run.step("one", async |at| at.app.call("one", &at.key)).await?;
            let two = run.step_or_skip("two", async |_| -> Result { Err(Stop::skip("no token")) });
            assert!(two.await?.done().is_none());
            run.step("three", async |at| at.app.call("three", &at.key)).await
        })
    })
    .await;
    world.drain().await;
    assert_eq!(world.texts(STATUS).await, ["degraded 80 2/3"]);
    let detail: String =
        world.value("SELECT detail FROM engine.step WHERE state = 'skipped'").await;
    assert_eq!(detail, "no token");
    world.finish().await;
}

#[tokio::test]
async fn a_failed_optional_step_is_not_progress_and_degrades_the_run() {
    let world = planned(|_, run| {
        Box::pin(async move {
            run.step("one", async |at| at.app.call("one", &at.key)).await?;
            let two = run.optional("two", async |_| -> Result {
                Err(Failure::new(Class::ProvisioningError, "test", "sold out").into())
            });
            assert_eq!(two.await?, Outcome::Failed);
            run.step("three", async |at| at.app.call("three", &at.key)).await
        })
    })
    .await;
    world.drain().await;
    assert_eq!(world.texts(STATUS).await, ["degraded 80 2/3"]);
    assert_eq!(world.count("engine.failure WHERE step = 'two' AND message = 'sold out'").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn a_run_that_retries_waits_or_failed_says_so() {
    let world = planned(|_, run| {
        Box::pin(async move {
            run.step("one", async |at| {
                at.app.note("one");
                match at.app.count("one") {
                    1 => Err(Failure::new(Class::TransientNetwork, "test", "reset").into()),
                    _ => Ok(()),
                }
            })
            .await?;
            run.sleep("two", Duration::from_secs(60)).await?;
            run.step("three", async |_| -> Result {
                Err(Failure::new(Class::ProvisioningError, "test", "sold out").into())
            })
            .await
        })
    })
    .await;
    world.clock.freeze().await.unwrap();
    for expected in ["retrying 0 0/3", "waiting 10 1/3", "failed 30 2/3"] {
        world.drain().await;
        assert_eq!(world.texts(STATUS).await, [expected]);
        world.advance_to_next().await;
    }
    let failure: String = world.value("SELECT failure->>'message' FROM engine.run_status").await;
    assert_eq!(failure, "sold out");
    world.close().await;
}
