//! Compensation: a run that fails for good undoes what it has done, in reverse, durably.

use std::time::Duration;

use autopilot_engine::testing::CrashPoints;
use autopilot_engine::{Class, Failure, Outcome, Stop, Wait, ops};
use autopilot_tests::{Lab, Script, World, eventually};

fn no(code: &'static str, class: Class) -> Stop {
    Failure::new(class, code, "it said no").into()
}

/// Books a flight and a hotel, each with its undo, then a car, which is not to be had. `label` says what else goes wrong.
async fn travel() -> World<Lab> {
    Lab::world(|label, run| {
        Box::pin(async move {
            run.step("flight", async |at| at.app.call("flight", &at.key)).await?;
            run.compensate("no flight", |at| async move { at.app.call("no flight", &at.key) });
            run.step("hotel", async |at| at.app.call("hotel", &at.key)).await?;
            let label = label.to_owned();
            run.compensate("no hotel", move |at| async move {
                at.app.call("no hotel", &at.key)?;
                match label.as_str() {
                    "stuck" => Err(no("stuck", Class::ProvisioningError)),
                    "flaky" if at.app.count("no hotel") == 1 => {
                        Err(no("flaky", Class::TransientNetwork))
                    }
                    _ => Ok(()),
                }
            });
            run.step("car", async |at| {
                at.app.note("car");
                Err::<(), _>(no("sold_out", Class::ProvisioningError))
            })
            .await
        })
    })
    .await
}

#[tokio::test]
async fn what_was_done_is_undone_in_reverse_and_the_run_says_so() {
    let world = travel().await;
    let job = world.enqueue(&Script::new("plain")).await;
    world.drain().await;
    assert_eq!(world.app.calls(), ["flight", "hotel", "car", "no hotel", "no flight"]);
    assert_eq!(world.standing(job).await, "undone");
    let code: String = world.value("SELECT failure ->> 'code' FROM engine.dead_letter").await;
    assert_eq!(code, "sold_out");
    let error = ops::retry(world.pool(), job).await.unwrap_err().to_string();
    assert!(error.contains("has been undone"), "{error}");
    world.close().await;
}

#[tokio::test]
async fn an_undo_that_fails_is_retried_without_doing_anything_else_again() {
    let world = travel().await;
    world.enqueue(&Script::new("flaky")).await;
    world.drain_all().await;
    assert_eq!(world.app.calls(), ["flight", "hotel", "car", "no hotel", "no hotel", "no flight"]);
    world.close().await;
}

#[tokio::test]
async fn what_was_done_behind_steps_that_the_run_went_on_without_is_undone_after_a_failed_undo_as_well()
 {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            let meal = run.optional("meal", async |at| {
                at.app.note("meal");
                Err::<(), _>(Stop::Skipped { reason: "no kitchen".to_owned() })
            });
            assert_eq!(meal.await?, Outcome::Skipped);
            let seat = run.optional("seat", async |at| {
                at.app.note("seat");
                Err::<(), _>(no("taken", Class::ProvisioningError))
            });
            assert_eq!(seat.await?, Outcome::Failed);
            let visa = run.step_or_skip("visa", async |at| {
                at.app.note("visa");
                let (event, reason) = ("visa".to_owned(), "the consulate".to_owned());
                Err::<(), _>(Stop::Waiting(Wait { event, look_again: Duration::ZERO, reason }))
            });
            assert_eq!(visa.await?, Outcome::Waiting);
            run.step("hotel", async |at| at.app.call("hotel", &at.key)).await?;
            run.compensate("no hotel", move |at| async move {
                at.app.call("no hotel", &at.key)?;
                if at.app.count("no hotel") == 1 {
                    return Err(no("flaky", Class::TransientNetwork));
                }
                Ok(())
            });
            run.step("car", async |at| {
                at.app.note("car");
                Err::<(), _>(no("sold_out", Class::ProvisioningError))
            })
            .await
        })
    })
    .await;
    let job = world.enqueue(&Script::default()).await;
    world.drain_all().await;
    let calls = world.app.calls();
    assert_eq!(calls, ["meal", "seat", "visa", "hotel", "car", "no hotel", "no hotel"]);
    assert_eq!(world.standing(job).await, "undone");
    world.close().await;
}

#[tokio::test]
async fn what_cannot_be_undone_is_for_a_person() {
    let world = travel().await;
    let job = world.enqueue(&Script::new("stuck")).await;
    world.drain_all().await;
    assert_eq!(world.standing(job).await, "review");
    assert_eq!(world.app.count("no flight"), 0, "not past what is stuck");
    world.close().await;
}

#[tokio::test]
async fn a_crash_at_every_boundary_leaves_nothing_done() {
    let mut boundaries = 0;
    loop {
        let world = travel().await;
        let points = CrashPoints::at(boundaries);
        let job = world.enqueue(&Script::new("plain")).await;
        let process = world.start_with(world.pool().clone(), points.clone());
        eventually("it stopped or ended", async || {
            points.stopped().is_some() || world.count("engine.dead_letter").await == 1
        })
        .await;
        let over = points.stopped().is_none();
        process.kill().await;
        world.let_leases_lapse().await;
        world.drain_all().await;
        assert_eq!(world.standing(job).await, "undone", "boundary {boundaries}");
        let effects = world.app.effects();
        assert_eq!(effects, ["flight", "hotel", "no flight", "no hotel"], "boundary {boundaries}");
        world.close().await;
        if over {
            break;
        }
        boundaries += 1;
    }
    assert!(boundaries > 20, "only {boundaries} boundaries");
}
