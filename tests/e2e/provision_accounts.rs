//! What becomes of Twilio accounts: those on trial, without money, closed and deleted.

use autopilot_engine::ops::{self, breakers};
use autopilot_sandbox::{Fault, Provider, Rule};
use autopilot_tests::{SETTLE, Studio};
use serde_json::json;

/// Twilio refuses to sell numbers, so often.
fn refuse(studio: &Studio, code: u32, times: u32) {
    let body = json!({ "code": code, "message": "No.", "status": 403 });
    let refusal = Fault::Status { status: 403, retry_after: None, body: Some(body) };
    let rule = Rule::new(Provider::Twilio, refusal).method("POST");
    studio.sandbox.faults().add(rule.path_contains("/IncomingPhoneNumbers.json").times(times));
}

#[tokio::test]
async fn a_main_account_on_trial_says_what_to_do_and_a_retry_buys_once() {
    let studio = Studio::paid().await;
    refuse(&studio, 10002, 1);
    studio.trigger().await;
    studio.world.drain_all().await;
    let run = studio.run().await;
    assert_eq!(run.run.status, "failed");
    let failure = run.failures.last().unwrap();
    let said = (failure.class.as_str(), failure.step.as_deref());
    assert_eq!(said, ("PROVISIONING_ERROR", Some("ensure_twilio_number")));
    let action = failure.action.as_deref().unwrap();
    assert!(action.contains("upgrade"), "{action}");

    ops::retry(studio.world.pool(), run.run.id).await.unwrap();
    studio.world.drain_all().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.bought_once("after the account was mended").await;
    studio.finish().await;
}

#[tokio::test]
async fn a_main_account_without_money_is_waited_for_and_its_breaker_says_what_to_do() {
    let studio = Studio::paid().await;
    studio.world.clock.freeze().await.unwrap();
    refuse(&studio, 20005, 6);
    studio.trigger().await;
    for _ in 0..5 {
        studio.world.drain().await;
        assert!(studio.world.advance_to_next().await);
    }
    let open = breakers::list(studio.world.pool(), Some("twilio"), 10).await.unwrap();
    assert!(open[0].state.is_open() && open[0].reason.contains("balance"), "{open:?}");
    let shown = studio.run().await;
    assert_eq!((shown.run.status.as_str(), shown.run.attempt), ("waiting", 0));
    studio.world.drain_all().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.bought_once("after somebody had paid").await;
    studio.finish().await;
}

#[tokio::test]
async fn an_account_that_was_closed_or_deleted_gives_way_to_another_with_a_number() {
    for is_deleted in [false, true] {
        let studio = Studio::paid().await;
        studio.provision().await;
        let first = account(&studio).await;
        studio.close_account(&first).await;
        studio.world.clock.advance_alive(SETTLE).await.unwrap();
        if is_deleted {
            studio.sandbox.forget_account(&first);
        }
        let run = studio.provision().await;
        assert_eq!(run.run.status, "completed", "{:?}", run.failures);
        let second = account(&studio).await;
        assert_ne!(first, second);
        let summary = studio.summary().await;
        assert_eq!(summary.calls_of("twilio.create_subaccount"), 2);
        assert_eq!(summary.calls_of("twilio.buy_number"), 2);
        let owner = studio.number().await["account_sid"].clone();
        assert_eq!(owner, json!(second), "the studio's number is of its new account");
        assert_eq!(studio.world.count("studio.phone_number").await, 1, "the one before is lost");
        // Once is enough: a third run makes nothing more.
        studio.provision().await;
        assert_eq!(studio.summary().await.calls_of("twilio.create_subaccount"), 2);
        studio.finish().await;
    }
}

/// The studio's account, as it is written down.
async fn account(studio: &Studio) -> String {
    studio.world.texts("SELECT account_sid FROM studio.twilio_account").await.concat()
}
