//! Retries: by class, as often as the policy says, not before the provider allows it; every error is kept.

use std::time::Duration;

use autopilot_engine::{Class, Effect, Failure, Result};
use autopilot_tests::{Lab, Script, World};

async fn failing(class: Class) -> World<Lab> {
    Lab::world(move |_, run| {
        Box::pin(async move {
            run.step("call", async |at| -> Result {
                at.app.note("call");
                let failure =
                    Failure::new(class, "test_42", format!("attempt {}", at.app.calls().len()))
                        .action("do this")
                        .effect(Effect::Unknown);
                Err(failure.into())
            })
            .await
        })
    })
    .await
}

#[tokio::test]
async fn a_transient_failure_is_retried_three_times_and_every_error_is_kept() {
    let world = failing(Class::TransientNetwork).await;
    let job = world.enqueue(&Script::default()).await;
    world.drain_all().await;
    assert_eq!(world.standing(job).await, "failed");
    let kept = world
        .texts(
            "SELECT concat_ws('/', attempt, token, step, class, code, message, action, effect, retry_in IS NOT NULL)
             FROM engine.failure ORDER BY attempt",
        )
        .await;
    let expected: Vec<String> = (1..=4)
        .map(|n| {
            let again = if n < 4 { "t" } else { "f" };
            format!("{n}/{n}/call/TRANSIENT_NETWORK/test_42/attempt {n}/do this/unknown/{again}")
        })
        .collect();
    assert_eq!(kept, expected);
    assert_eq!(world.value::<i32>("SELECT starts FROM engine.step").await, 4);
    world.close().await;
}

#[tokio::test]
async fn what_a_person_must_mend_is_not_retried() {
    for class in [Class::ThirdPartyAuthFailed, Class::ConfigurationError, Class::ProvisioningError]
    {
        let world = failing(class).await;
        let job = world.enqueue(&Script::default()).await;
        world.drain_all().await;
        assert_eq!(world.app.count("call"), 1, "{class}");
        assert_eq!(world.standing(job).await, "failed", "{class}");
        world.close().await;
    }
}

#[tokio::test]
async fn an_unknown_outcome_waits_for_review() {
    let world = failing(Class::UnknownOutcome).await;
    let job = world.enqueue(&Script::default()).await;
    world.drain_all().await;
    assert_eq!(world.app.count("call"), 1);
    assert_eq!(world.standing(job).await, "review");
    world.close().await;
}

#[tokio::test]
async fn a_retry_waits_at_least_as_long_as_the_provider_asked() {
    let world = failing(Class::RateLimited { retry_after: Some(Duration::from_secs(120)) }).await;
    world.clock.freeze().await.unwrap();
    world.enqueue(&Script::default()).await;
    world.drain().await;
    let bounds = "engine.job WHERE run_at BETWEEN engine.now() + interval '120 s' AND engine.now() + interval '130 s'";
    assert_eq!(world.count(bounds).await, 1);
    world.clock.advance_alive(Duration::from_secs(119)).await.unwrap();
    world.drain().await;
    assert_eq!(world.app.count("call"), 1, "not before its time");
    world.clock.advance_alive(Duration::from_secs(11)).await.unwrap();
    world.drain().await;
    assert_eq!(world.app.count("call"), 2);
    world.close().await;
}

#[tokio::test]
async fn a_finished_step_does_not_run_again_when_a_later_one_fails() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            run.step("buy", async |at| at.app.call("buy", &at.key)).await?;
            run.step("tell", async |at| {
                at.app.note("tell");
                match at.app.count("tell") {
                    1 | 2 => Err(Failure::new(Class::IntegrationOffline, "test", "503").into()),
                    _ => Ok(()),
                }
            })
            .await
        })
    })
    .await;
    world.enqueue(&Script::default()).await;
    world.drain_all().await;
    assert_eq!(world.app.calls(), ["buy", "tell", "tell", "tell"]);
    world.finish().await;
}
