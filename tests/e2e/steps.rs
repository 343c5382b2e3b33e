//! The verbs and their promises.

use std::time::Duration;

use autopilot_engine::{Class, Failure, Outcome, Result, Step, Stop};
use autopilot_tests::{Lab, Script};

fn network() -> Stop {
    Failure::new(Class::TransientNetwork, "test", "the network failed").into()
}

#[tokio::test]
async fn a_step_has_the_same_key_and_the_same_output_on_every_attempt() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            let bought = run.step("buy", async |at| Ok(at.key.to_string())).await?;
            run.step("tell", async |at| {
                at.app.note(&bought);
                at.app.note(at.key.as_str());
                if at.app.calls().len() < 6 { Err(network()) } else { Ok(()) }
            })
            .await
        })
    })
    .await;
    world.enqueue(&Script::default()).await;
    world.drain_all().await;
    let calls = world.app.calls();
    assert_eq!((&calls[0], &calls[1]), (&calls[2], &calls[3]));
    assert_eq!((&calls[2], &calls[3]), (&calls[4], &calls[5]));
    assert_ne!(calls[0], calls[1], "each step has a key of its own");
    world.finish().await;
}

#[tokio::test]
async fn a_transaction_that_fails_leaves_neither_effect_nor_checkpoint() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            run.transact("book", async |tx| {
                sqlx::query("INSERT INTO ledger VALUES (1)").execute(tx).await?;
                Err::<(), _>(Failure::new(Class::ProvisioningError, "test", "no").into())
            })
            .await
        })
    })
    .await;
    world.execute("CREATE TABLE ledger (n int)").await;
    world.enqueue(&Script::default()).await;
    world.drain().await;
    assert_eq!((world.count("ledger").await, world.count("engine.step").await), (0, 0));
    assert_eq!(world.count("engine.failure WHERE step = 'book'").await, 1);
    world.close().await;
}

#[tokio::test]
async fn a_step_that_was_begun_is_reconciled_before_it_is_done_again() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            let number = run.reconcile(
                "buy",
                async |at| {
                    at.app.note("look up");
                    Ok(Some("+4930".to_owned()))
                },
                async |at| {
                    at.app.note("buy");
                    Err::<String, _>(network())
                },
            );
            let number = number.await?;
            run.app.note(&number);
            Ok(())
        })
    })
    .await;
    world.enqueue(&Script::default()).await;
    world.drain_all().await;
    assert_eq!(world.app.calls(), ["buy", "look up", "+4930"], "no look-up before the first try");
    world.finish().await;
}

#[tokio::test]
async fn a_look_up_that_finds_nothing_lets_the_step_be_done() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            run.reconcile(
                "buy",
                async |at| {
                    at.app.note("look up");
                    Ok(None)
                },
                async |at| {
                    at.app.note("buy");
                    if at.app.count("buy") == 1 { Err(network()) } else { Ok(()) }
                },
            )
            .await
        })
    })
    .await;
    world.enqueue(&Script::default()).await;
    world.drain_all().await;
    assert_eq!(world.app.calls(), ["buy", "look up", "buy"]);
    world.finish().await;
}

#[tokio::test]
async fn a_step_that_may_run_once_stops_for_review_when_its_end_is_not_known() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            run.step_once("pay", async |at| {
                at.app.call("pay", &at.key)?;
                at.app.gate("here").pass().await;
                Ok(())
            })
            .await
        })
    })
    .await;
    let job = world.enqueue(&Script::default()).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    process.kill().await;
    world.let_leases_lapse().await;
    world.app.gate("here").open();
    world.drain_all().await;
    assert_eq!(world.app.calls(), ["pay"]);
    assert_eq!(world.standing(job).await, "review");
    assert_eq!(
        world.count("engine.dead_letter WHERE failure->>'class' = 'UNKNOWN_OUTCOME'").await,
        1
    );
    world.close().await;
}

/// A deploy between two attempts may put a step before the one that was under way.
#[tokio::test]
async fn a_step_that_was_begun_is_not_forgotten_when_another_one_begins_first() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            if run.app.count("pay") > 0 {
                run.step("new", async |at| at.app.call("new", &at.key)).await?;
                run.step("newer", async |at| at.app.call("newer", &at.key)).await?;
            }
            run.step_once("pay", async |at| {
                at.app.call("pay", &at.key)?;
                at.app.gate("here").pass().await;
                Ok(())
            })
            .await
        })
    })
    .await;
    let job = world.enqueue(&Script::default()).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    process.kill().await;
    world.let_leases_lapse().await;
    world.app.gate("here").open();
    world.drain_all().await;
    assert_eq!(world.app.calls(), ["pay", "new", "newer"]);
    assert_eq!(world.standing(job).await, "review");
    let begun = "SELECT concat_ws('/', name, state, starts) FROM engine.step ORDER BY 1";
    assert_eq!(world.texts(begun).await, ["new/done/1", "newer/done/1", "pay/started/1"]);
    world.close().await;
}

#[tokio::test]
async fn a_step_that_may_run_once_and_takes_too_long_is_not_repeated() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            let pay = Step::named("pay").timeout(Duration::from_millis(20));
            run.step_once(pay, async |at| {
                at.app.note("pay");
                std::future::pending::<()>().await;
                Ok(())
            })
            .await
        })
    })
    .await;
    let job = world.enqueue(&Script::default()).await;
    world.drain_all().await;
    assert_eq!(world.app.calls(), ["pay"]);
    assert_eq!(world.standing(job).await, "review");
    world.close().await;
}

#[tokio::test]
async fn a_step_that_takes_too_long_is_retried() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            let slow = Step::named("slow").timeout(Duration::from_millis(20));
            run.step(slow, async |at| {
                at.app.note("slow");
                if at.app.count("slow") == 1 {
                    std::future::pending::<()>().await;
                }
                Ok(())
            })
            .await
        })
    })
    .await;
    world.enqueue(&Script::default()).await;
    world.drain_all().await;
    assert_eq!(world.app.count("slow"), 2);
    assert_eq!(
        world.count("engine.failure WHERE code = 'step_timeout' AND effect = 'unknown'").await,
        1
    );
    world.finish().await;
}

#[tokio::test]
async fn a_step_that_may_run_once_is_not_repeated_after_a_failure() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            run.step_once("pay", async |at| {
                at.app.note("pay");
                Err::<(), _>(network())
            })
            .await
        })
    })
    .await;
    let job = world.enqueue(&Script::default()).await;
    world.drain_all().await;
    assert_eq!(world.app.calls(), ["pay"]);
    assert_eq!(world.standing(job).await, "review");
    world.close().await;
}

#[tokio::test]
async fn an_optional_step_that_can_be_retried_is_retried_before_it_is_given_up() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            let extra = run.optional("extra", async |at| -> Result {
                at.app.note("extra");
                Err(network())
            });
            assert_eq!(extra.await?, Outcome::Failed);
            run.app.note("end");
            Ok(())
        })
    })
    .await;
    let job = world.enqueue(&Script::default()).await;
    world.drain_all().await;
    assert_eq!(world.app.calls(), ["extra", "extra", "extra", "extra", "end"]);
    assert_eq!(world.standing(job).await, "degraded");
    assert_eq!(world.count("engine.failure WHERE step = 'extra'").await, 4);
    world.finish().await;
}
