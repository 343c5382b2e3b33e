//! What a breaker must not change: what each kind of step promises.

use std::time::Duration;

use autopilot_engine::ops;
use autopilot_engine::ops::breakers::{self, Guarded};
use autopilot_engine::{Class, Effect, Failure, Outcome, Result, Step, Stop, WorkspaceId};
use autopilot_tests::{Lab, Script, TurnsScript, World};

use super::{MAIL, Service, enqueue_of, of_all, one_at_a_time, out_of_order, spent};

/// The call left and its answer did not come.
fn lost() -> Stop {
    let failure = Failure::new(Class::TransientNetwork, "mail_reset", "the connection was reset");
    Stop::Failed(failure.effect(Effect::Unknown))
}

async fn ready(mut world: World<Lab>) -> World<Lab> {
    one_at_a_time(&mut world).await;
    world
}

#[tokio::test]
async fn who_can_be_asked_is_asked_after_an_outage_before_it_is_done_again() {
    let world = ready(
        Lab::world(|_, run| {
            Box::pin(async move {
                let lookup = async |at: autopilot_engine::At<'_, Lab>| {
                    at.app.note("ask");
                    Ok(Some(()))
                };
                run.reconcile(MAIL, lookup, async |at| {
                    at.app.note("call");
                    Err(lost())
                })
                .await
            })
        })
        .await,
    )
    .await;
    assert_eq!(world.complete(&Script::default()).await, "completed");
    assert_eq!(world.app.calls(), ["call", "ask"]);
    world.finish().await;
}

/// The breaker opens with the call whose answer was lost; the lookup comes first all the same when it is closed again.
#[tokio::test]
async fn what_was_begun_before_the_breaker_opened_is_asked_about_afterwards() {
    let world = ready(
        Lab::world(|label, run| {
            Box::pin(async move {
                if label == "call" {
                    return run
                        .step(MAIL, async |at| {
                            at.app.note("call");
                            if at.app.count("call") <= 4 { Err(out_of_order()) } else { Ok(()) }
                        })
                        .await;
                }
                let lookup = async |at: autopilot_engine::At<'_, Lab>| {
                    at.app.note("ask");
                    Ok(Some(()))
                };
                run.reconcile_once(MAIL, lookup, async |at| {
                    at.app.note("buy");
                    Err(lost())
                })
                .await
            })
        })
        .await,
    )
    .await;
    enqueue_of(&world, 4).await;
    world.drain().await;
    let buy = world.enqueue(&TurnsScript::new(WorkspaceId::now_v7(), "buy")).await;
    world.drain().await;
    assert!(of_all(&world).await.is_some_and(|breaker| breaker.state.is_open()));
    world.drain_all().await;
    assert_eq!(world.standing(buy).await, "completed");
    assert_eq!((world.app.count("buy"), world.app.count("ask")), (1, 1));
    world.finish().await;
}

/// A purchase whose process dies in the middle, so often; when its breaker lets it begin again, the shop is asked first.
async fn died_while_buying(times: usize) {
    let world = ready(
        Lab::world(|_, run| {
            Box::pin(async move {
                let lookup = async |at: autopilot_engine::At<'_, Lab>| {
                    at.app.note("ask");
                    Ok(None)
                };
                run.reconcile(MAIL, lookup, async |at| {
                    at.app.note("buy");
                    at.app.gate("buy").pass().await;
                    Ok(())
                })
                .await
            })
        })
        .await,
    )
    .await;
    let job = world.enqueue(&Script::default()).await;
    for time in 1..=times {
        let process = world.start();
        world.app.gate("buy").reached(time).await;
        process.kill().await;
        world.let_leases_lapse().await;
    }
    let mail = Guarded::parse("mail").unwrap();
    breakers::trip(world.pool(), &mail, "ada", "they ask for quiet").await.unwrap();
    world.drain().await;
    if world.standing(job).await == "quarantined" {
        ops::retry(world.pool(), job).await.unwrap();
        world.drain().await;
    }
    world.app.gate("buy").open();
    let asked = world.app.count("ask");
    assert_eq!((asked, world.app.count("buy")), (times - 1, times), "nobody calls");
    breakers::reset(world.pool(), &mail, "ada", "they are back").await.unwrap();
    world.drain_all().await;
    assert_eq!(world.standing(job).await, "completed");
    assert_eq!((world.app.count("ask"), world.app.count("buy")), (times, times + 1));
    world.finish().await;
}

#[tokio::test]
async fn what_was_begun_by_a_process_that_died_is_asked_about_after_an_outage() {
    died_while_buying(1).await;
}

#[tokio::test]
async fn what_was_begun_before_it_was_quarantined_is_asked_about_after_an_outage() {
    died_while_buying(3).await;
}

#[tokio::test]
async fn what_may_happen_once_goes_to_review_when_its_answer_is_lost_and_waits_when_it_was_not_sent()
 {
    let world = ready(
        Lab::world(|label, run| {
            Box::pin(async move {
                run.step_once(MAIL, async |at| {
                    at.app.note(label);
                    match label {
                        "lost" => Err(lost()),
                        _ if at.app.count(label) == 1 => Err(out_of_order()),
                        _ => Ok(()),
                    }
                })
                .await
            })
        })
        .await,
    )
    .await;
    let lost = world.enqueue(&Script::new("lost")).await;
    let unsent = world.enqueue(&Script::new("unsent")).await;
    world.drain_all().await;
    assert_eq!(world.standing(lost).await, "review");
    assert_eq!(world.standing(unsent).await, "completed");
    assert_eq!((world.app.count("lost"), world.app.count("unsent")), (1, 2));
    world.close().await;
}

#[tokio::test]
async fn what_may_happen_once_is_not_begun_while_the_breaker_is_open() {
    let service = Service::down();
    let world = {
        let service = service.clone();
        ready(
            Lab::world(move |label, run| {
                let service = service.clone();
                Box::pin(async move {
                    run.step_once(MAIL, async |at| {
                        at.app.note(label);
                        service.answer()
                    })
                    .await
                })
            })
            .await,
        )
        .await
    };
    enqueue_of(&world, 9).await;
    world.drain().await;
    assert_eq!(world.app.count("call"), 5);
    service.fails(false);
    world.drain_all().await;
    assert_eq!(world.count("engine.history WHERE outcome = 'completed' AND attempt = 1").await, 9);
    world.finish().await;
}

#[tokio::test]
async fn the_run_goes_on_beside_a_step_that_an_outage_holds_back_and_does_without_an_optional_one()
{
    let service = Service::down();
    let world = {
        let service = service.clone();
        ready(
            Lab::world(move |label, run| {
                let service = service.clone();
                Box::pin(async move {
                    if label == "call" {
                        return run.step(MAIL, async |_| Err(out_of_order())).await;
                    }
                    let held: Outcome<()> = run
                        .step_or_skip(Step::named("held").calls("mail"), async |_| service.answer())
                        .await?;
                    let left: Outcome<()> = run
                        .optional(Step::named("left").calls("mail"), async |_| service.answer())
                        .await?;
                    run.app.note(&format!("{held:?} {left:?}"));
                    run.step("other", async |_| Ok(())).await
                })
            })
            .await,
        )
        .await
    };
    enqueue_of(&world, 5).await;
    world.drain().await;
    let run = world.enqueue(&Script::new("run")).await;
    world.drain().await;
    assert_eq!(world.app.calls(), ["Waiting Skipped"]);
    let steps =
        format!("SELECT name || ' ' || state FROM engine.step WHERE job = '{run}' ORDER BY 1");
    assert_eq!(world.texts(&steps).await, ["held waiting", "left skipped", "other done"]);
    world.execute("DELETE FROM engine.job WHERE kind = 'test.turns'").await;
    service.fails(false);
    world.drain_all().await;
    assert_eq!(world.standing(run).await, "completed", "what was left out is made up for");
    world.close().await;
}

#[tokio::test]
async fn one_of_several_calls_holds_the_step_back_and_no_other_service() {
    let service = Service::down();
    let world = {
        let service = service.clone();
        ready(
            Lab::world(move |label, run| {
                let service = service.clone();
                Box::pin(async move {
                    run.step("several", async |at| -> Result {
                        at.call("phone", async {
                            at.app.note("phone");
                            Ok(())
                        })
                        .await?;
                        at.call("mail", async {
                            at.app.note(label);
                            service.answer()
                        })
                        .await
                    })
                    .await
                })
            })
            .await,
        )
        .await
    };
    enqueue_of(&world, 8).await;
    world.drain().await;
    assert_eq!((world.app.count("call"), world.app.count("phone"), spent(&world).await), (5, 8, 0));
    assert_eq!(world.count("engine.breaker WHERE service = 'phone'").await, 0);
    service.fails(false);
    world.drain_all().await;
    assert_eq!(world.count("engine.history WHERE attempt = 1").await, 8);
    world.finish().await;
}

#[tokio::test]
async fn a_workspaces_own_outage_reaches_a_person_once_patience_is_over() {
    let mut world = ready(
        Lab::world(|label, run| {
            Box::pin(async move {
                run.step(MAIL, async |at| {
                    at.app.note(label);
                    Err::<(), _>(out_of_order())
                })
                .await
            })
        })
        .await,
    )
    .await;
    world.config.breakers.patience = Duration::from_secs(600);
    let job = world.enqueue(&TurnsScript::new(WorkspaceId::now_v7(), "call")).await;
    world.drain_all().await;
    assert_eq!(world.standing(job).await, "failed");
    // Five before it opened, one a minute or so for ten minutes, then an attempt and three retries.
    assert!((12..=22).contains(&world.app.count("call")), "{} calls", world.app.count("call"));
    world.close().await;
}

#[tokio::test]
async fn retries_to_a_service_that_fails_now_and_then_come_out_of_a_budget() {
    let mut world = ready(
        Lab::world(|label, run| {
            Box::pin(async move {
                run.step(MAIL, async |at| {
                    at.app.note(label);
                    let slow = Class::RateLimited { retry_after: None };
                    Err::<(), _>(Stop::Failed(Failure::new(slow, "mail_429", "slow down")))
                })
                .await
            })
        })
        .await,
    )
    .await;
    world.config.breakers.retries = 2;
    enqueue_of(&world, 40).await;
    let process = world.start();
    world.idle().await;
    assert_eq!(world.app.count("call"), 40, "first calls are nobody's retries");
    world.clock.advance_alive(Duration::from_secs(60)).await.unwrap();
    world.idle().await;
    let held =
        "engine.step WHERE state = 'waiting' AND detail LIKE '%has spent its retries to mail%'";
    let held = world.count(held).await;
    assert!(held > 0, "none of 40 retries was held back");
    let again = world.app.count("call") - 40;
    assert_eq!(again + usize::try_from(held).unwrap(), 40);
    process.stop().await;
    world.close().await;
}
