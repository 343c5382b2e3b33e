//! The progress view: honest about what was skipped, failed or still waits (P8).

use std::time::Duration;

use autopilot_engine::ops::jobs::Filter;
use autopilot_engine::ops::{self, runs};
use autopilot_engine::{Class, Failure, Outcome, Result, Run, Stop, WorkspaceId};
use autopilot_tests::{Lab, PlannedScript, Running, World};

const STATUS: &str =
    "SELECT concat_ws(' ', status, percent, steps_done || '/' || steps) FROM engine.run_status";

/// Every status that a run can have.
const STATUSES: [&str; 13] = [
    "queued",
    "running",
    "waiting",
    "retrying",
    "failed",
    "quarantined",
    "review",
    "unknown_kind",
    "undecodable",
    "completed",
    "degraded",
    "cancelled",
    "unknown",
];

/// The only run stands so, and every way of looking for it agrees: by its id, among all, and under its status and no other.
async fn stands(world: &World<Lab>, expected: &str) {
    assert_eq!(world.texts(STATUS).await, [expected]);
    let (status, _) = expected.split_once(' ').unwrap();
    let run = runs::list(world.pool(), &Filter::default()).await.unwrap().remove(0);
    assert_eq!(runs::show(world.pool(), run.id).await.unwrap().run.status, status);
    for other in STATUSES {
        let filter = Filter {
            workspace: Some(run.workspace),
            kind: Some(run.kind.clone()),
            status: Some(other.to_owned()),
            limit: 0,
        };
        let everywhere = Filter { status: filter.status.clone(), ..Filter::default() };
        for filter in [filter, everywhere] {
            let found = runs::list(world.pool(), &filter).await.unwrap();
            assert_eq!(found.len(), usize::from(other == status), "{expected} under {other}");
        }
    }
    let elsewhere = Filter { workspace: Some(WorkspaceId::now_v7()), ..Filter::default() };
    assert!(runs::list(world.pool(), &elsewhere).await.unwrap().is_empty());
}

async fn planned<F>(body: F) -> World<Lab>
where
    F: for<'a, 'r> Fn(&'a str, &'a mut Run<'r, Lab>) -> Running<'a> + Send + Sync + 'static,
{
    let world = Lab::world(body).await;
    world.enqueue(&PlannedScript::default()).await;
    stands(&world, "queued 0 0/3").await;
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
    stands(&world, "running 30 2/3").await;
    world.app.gate("here").open();
    world.idle().await;
    process.stop().await;
    stands(&world, "completed 100 3/3").await;
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
    stands(&world, "degraded 80 2/3").await;
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
    stands(&world, "degraded 80 2/3").await;
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
        stands(&world, expected).await;
        world.advance_to_next().await;
    }
    let failure: String = world.value("SELECT failure->>'message' FROM engine.run_status").await;
    assert_eq!(failure, "sold out");
    let run = runs::list(world.pool(), &Filter::default()).await.unwrap().remove(0).id;
    ops::cancel(world.pool(), run).await.unwrap();
    stands(&world, "cancelled 30 2/3").await;
    world.close().await;
}
