//! What becomes of Twilio accounts: those on trial, without money, closed and deleted.

use autopilot_engine::ops;
use autopilot_sandbox::{Fault, Provider, Rule};
use autopilot_tests::Studio;
use serde_json::json;

#[tokio::test]
async fn a_main_account_on_trial_or_without_money_says_what_to_do_and_a_retry_buys_once() {
    for (code, class, word, times) in
        [(10002, "PROVISIONING_ERROR", "upgrade", 1), (20005, "INTEGRATION_OFFLINE", "balance", 4)]
    {
        let studio = Studio::paid().await;
        let body = json!({ "code": code, "message": "No.", "status": 403 });
        let refusal = Fault::Status { status: 403, retry_after: None, body: Some(body) };
        let rule = Rule::new(Provider::Twilio, refusal).method("POST");
        studio.sandbox.faults().add(rule.path_contains("/IncomingPhoneNumbers.json").times(times));
        studio.trigger().await;
        studio.world.drain_all().await;
        let run = studio.run().await;
        assert_eq!(run.run.status, "failed", "{code}");
        let failure = run.failures.last().unwrap();
        assert_eq!(
            (failure.class.as_str(), failure.step.as_deref()),
            (class, Some("ensure_twilio_number"))
        );
        assert!(
            failure.action.as_deref().is_some_and(|action| action.contains(word)),
            "{failure:?}"
        );

        ops::retry(studio.world.pool(), run.run.id).await.unwrap();
        studio.world.drain_all().await;
        assert_eq!(studio.progress().await, "completed 100 %", "{code}");
        studio.bought_once("after the account was mended").await;
        studio.finish().await;
    }
}

#[tokio::test]
async fn an_account_that_was_closed_or_deleted_gives_way_to_another_with_a_number() {
    for is_deleted in [false, true] {
        let studio = Studio::paid().await;
        studio.provision().await;
        let first = account(&studio).await;
        studio.close_account(&first).await;
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
