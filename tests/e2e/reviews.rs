//! What nobody knows stops for a person, who says what happened; and where somebody else can tell, it waits for that.

use std::time::Duration;

use autopilot_engine::ops::{self, OpsError, Resolution};
use autopilot_engine::{Class, Failure, JobId, Result, Run, Stop, Wait};
use autopilot_tests::{Lab, PlannedScript, Script, World, eventually};
use serde_json::json;

/// Pays once, and says so.
async fn pay(run: &mut Run<'_, Lab>) -> Result {
    let receipt: String = run
        .step_once("pay", async |at| {
            at.app.call("pay", &at.key)?;
            at.app.gate("here").pass().await;
            Ok("receipt".to_owned())
        })
        .await?;
    run.app.note(&receipt);
    Ok(())
}

/// A run that died in the middle of its payment, in review.
async fn in_review() -> (World<Lab>, JobId) {
    let world = Lab::world(|_, run| Box::pin(pay(run))).await;
    let job = world.enqueue(&Script::default()).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    process.kill().await;
    world.let_leases_lapse().await;
    world.app.gate("here").open();
    world.drain_all().await;
    assert_eq!(world.standing(job).await, "review");
    (world, job)
}

#[tokio::test]
async fn what_took_effect_is_not_done_again_and_its_output_is_as_told() {
    let (world, job) = in_review().await;
    let told = Resolution::Done(json!("as the provider says"));
    ops::resolve(world.pool(), job, &told).await.unwrap();
    world.drain_all().await;
    assert_eq!(world.standing(job).await, "completed");
    assert_eq!(world.app.count("pay"), 1);
    assert_eq!(world.app.count("as the provider says"), 1);
    world.finish().await;
}

#[tokio::test]
async fn what_had_no_effect_is_done_anew() {
    let (world, job) = in_review().await;
    ops::resolve(world.pool(), job, &Resolution::Redo).await.unwrap();
    world.drain_all().await;
    assert_eq!(world.standing(job).await, "completed");
    assert_eq!(world.app.count("pay"), 2);
    world.finish().await;
}

#[tokio::test]
async fn an_output_that_the_code_cannot_read_is_asked_for_again_and_nothing_is_repeated() {
    let (world, job) = in_review().await;
    ops::resolve(world.pool(), job, &Resolution::Done(json!(7))).await.unwrap();
    world.drain_all().await;
    assert_eq!(world.standing(job).await, "review");
    let failures =
        world.texts("SELECT failure ->> 'message' FROM engine.dead_letter").await.concat();
    assert!(failures.contains("step pay") && failures.contains("expected a string"), "{failures}");
    ops::resolve(world.pool(), job, &Resolution::Done(json!("as told"))).await.unwrap();
    world.drain_all().await;
    assert_eq!(world.standing(job).await, "completed");
    assert_eq!((world.app.count("pay"), world.app.count("as told")), (1, 1));
    world.finish().await;
}

#[tokio::test]
async fn a_review_is_not_retried_and_only_a_review_is_resolved() {
    let (world, job) = in_review().await;
    let refused = |result: std::result::Result<String, OpsError>| result.unwrap_err().to_string();
    let retried = refused(ops::retry(world.pool(), job).await);
    assert!(retried.contains("runs resolve") && retried.contains("--redo"), "{retried}");
    ops::resolve(world.pool(), job, &Resolution::Redo).await.unwrap();
    world.drain_all().await;
    let resolved = refused(ops::resolve(world.pool(), job, &Resolution::Redo).await);
    assert!(resolved.contains("nothing about it has to be resolved"), "{resolved}");
    let missing = ops::resolve(world.pool(), JobId::now_v7(), &Resolution::Redo).await;
    assert!(matches!(missing, Err(OpsError::NotFound(_))), "{missing:?}");
    world.finish().await;
}

const LOOK: Duration = Duration::from_secs(600);

/// Sends once; who delivers tells later whether it was sent.
async fn send(run: &mut Run<'_, Lab>) -> Result {
    let lookup = async |at: autopilot_engine::At<'_, Lab>| {
        at.app.note("asked");
        match at.app.count("told") {
            0 => Err(Stop::Waiting(Wait {
                event: "delivered".to_owned(),
                look_again: LOOK,
                reason: "it is not known whether it was sent".to_owned(),
            })),
            1 => Ok(Some(())),
            _ => Ok(None),
        }
    };
    run.reconcile_once("one", lookup, async |at| {
        at.app.call("send", &at.key)?;
        at.app.gate("here").pass().await;
        Ok(())
    })
    .await
}

/// A run that died in the middle of its sending and waits to learn of it.
async fn in_doubt() -> (World<Lab>, JobId) {
    let world = Lab::world(|_, run| Box::pin(send(run))).await;
    let job = world.enqueue(&PlannedScript::default()).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    process.kill().await;
    world.let_leases_lapse().await;
    world.app.gate("here").open();
    world.drain().await;
    assert_eq!(world.standing(job).await, "ready", "it waits");
    let shown = ops::runs::show(world.pool(), job).await.unwrap();
    let first = shown.steps.first().map(|step| (step.name.as_str(), step.state.as_str()));
    assert_eq!(first, Some(("one", "waiting")));
    assert_eq!(shown.run.waits_for.as_deref(), Some("it is not known whether it was sent"));
    (world, job)
}

#[tokio::test]
async fn what_may_have_been_sent_waits_for_who_knows_however_often_it_looks() {
    let (world, job) = in_doubt().await;
    for asked in 2..4 {
        world.clock.advance(LOOK + Duration::from_secs(1)).await.unwrap();
        world.drain().await;
        assert_eq!(
            (world.app.count("asked"), world.standing(job).await.as_str()),
            (asked, "ready")
        );
    }
    world.app.note("told");
    let mut tx = world.pool().begin().await.unwrap();
    ops::signal(&mut tx, "delivered").await.unwrap();
    tx.commit().await.unwrap();
    eventually("it is done", async || {
        world.drain().await;
        world.standing(job).await == "completed"
    })
    .await;
    assert_eq!(world.app.count("send"), 1, "once");
    world.finish().await;
}

#[tokio::test]
async fn what_nobody_can_tell_in_the_end_stops_for_a_person() {
    let (world, job) = in_doubt().await;
    world.app.note("told");
    world.app.note("told");
    world.clock.advance(LOOK + Duration::from_secs(1)).await.unwrap();
    world.drain().await;
    assert_eq!(world.standing(job).await, "review");
    assert_eq!(world.app.count("send"), 1);
    ops::resolve(world.pool(), job, &Resolution::Done(json!(null))).await.unwrap();
    world.drain().await;
    assert_eq!((world.standing(job).await.as_str(), world.app.count("send")), ("completed", 1));
    world.finish().await;
}

#[tokio::test]
async fn a_failure_that_had_no_effect_lets_the_next_attempt_begin_and_nobody_is_asked() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            let lookup = async |at: autopilot_engine::At<'_, Lab>| {
                at.app.note("asked");
                Ok(None)
            };
            run.reconcile_once("send", lookup, async |at| {
                at.app.call("send", &at.key)?;
                if at.app.count("send") == 1 {
                    let busy = Class::RateLimited { retry_after: None };
                    return Err(Failure::new(busy, "busy", "not now").into());
                }
                Ok(())
            })
            .await
        })
    })
    .await;
    let job = world.enqueue(&Script::default()).await;
    world.drain_all().await;
    assert_eq!(world.standing(job).await, "completed");
    assert_eq!((world.app.count("send"), world.app.count("asked")), (2, 0));
    world.finish().await;
}
