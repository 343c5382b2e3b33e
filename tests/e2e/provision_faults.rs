//! What providers do wrong: lost answers end with one effect, and every refusal says what it is and what to do.

use std::time::Duration;

use autopilot_sandbox::{Checkout, Fault, Provider, Rule};
use autopilot_tests::{SETTLE, Studio, eventually};
use serde_json::json;

/// The calls that create something, with the step that makes each.
const CREATING: [(Provider, &str, &str); 4] = [
    (Provider::Twilio, "2010-04-01/Accounts.json", "ensure_twilio_subaccount"),
    (Provider::Twilio, "/Keys.json", "ensure_twilio_subaccount"),
    (Provider::Twilio, "/IncomingPhoneNumbers.json", "ensure_twilio_number"),
    (Provider::Whatsapp, "/subscribed_apps", "ensure_whatsapp_integration"),
];

fn posts(provider: Provider, path: &str, fault: Fault) -> Rule {
    Rule::new(provider, fault).method("POST").path_contains(path)
}

/// What went wrong, oldest first: step, class, code, effect, and whether it is retried and an action is named.
async fn failures(studio: &Studio) -> Vec<String> {
    let run = studio.run().await;
    run.failures
        .iter()
        .map(|failure| {
            let retried = if failure.retry_in.is_some() { "retried" } else { "not retried" };
            let action = if failure.action.is_some() { ", with an action" } else { "" };
            let (step, class) = (failure.step.as_deref().unwrap_or_default(), &failure.class);
            format!("{step} {class} {} {} {retried}{action}", failure.code, failure.effect)
        })
        .collect()
}

#[tokio::test]
async fn an_answer_that_is_lost_after_the_effect_leads_to_one_effect() {
    let faults = [
        (Fault::ResetAfter, "TRANSIENT_NETWORK http_broken unknown"),
        (Fault::Malformed, "INTEGRATION_OFFLINE twilio_unreadable executed"),
    ];
    for (provider, path, step) in CREATING {
        for (fault, said) in &faults {
            let studio = Studio::paid().await;
            studio.sandbox.faults().add(posts(provider, path, fault.clone()));
            studio.trigger().await;
            studio.world.drain_all().await;
            let when = format!("{fault:?} of {path}");
            assert_eq!(studio.progress().await, "completed 100 %", "{when}");
            let said = if provider == Provider::Whatsapp {
                said.replace("twilio", "whatsapp")
            } else {
                (*said).to_owned()
            };
            assert_eq!(failures(&studio).await, [format!("{step} {said} retried")], "{when}");
            assert_eq!(studio.run().await.run.attempt, 1, "{when}: no attempt is spent for it");
            studio.bought_once(&when).await;
            studio.finish().await;
        }
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_leads_to_one_effect() {
    for (provider, path, step) in CREATING {
        let studio = Studio::with_calls_of(Duration::from_secs(1)).await;
        studio.bind(&Checkout::new(studio.workspace.to_string())).await;
        studio.sandbox.faults().add(posts(provider, path, Fault::Stall));
        studio.trigger().await;
        studio.world.drain_all().await;
        assert_eq!(studio.progress().await, "completed 100 %", "{path}");
        let said = format!("{step} TRANSIENT_NETWORK http_timeout unknown retried");
        assert!(failures(&studio).await.contains(&said), "{path}: {:?}", failures(&studio).await);
        studio.bought_once(path).await;
        studio.finish().await;
    }
}

#[tokio::test]
async fn what_takes_place_long_after_its_answer_was_lost_is_not_bought_again() {
    for (provider, path, operation) in [
        (Provider::Twilio, "2010-04-01/Accounts.json", "twilio.create_subaccount"),
        (Provider::Twilio, "/IncomingPhoneNumbers.json", "twilio.buy_number"),
    ] {
        let studio = Studio::paid().await;
        studio.world.clock.freeze().await.unwrap();
        studio.sandbox.faults().add(posts(provider, path, Fault::Late { ms: 2_000 }));
        studio.trigger().await;
        studio.world.drain().await;
        studio.world.clock.advance_alive(SETTLE - Duration::from_secs(1)).await.unwrap();
        studio.world.drain().await;
        let summary = studio.summary().await;
        assert_eq!(summary.calls_of(operation), 1, "{path}: nobody buys while it may be under way");
        eventually("it takes place", async || studio.summary().await.effects_of(operation) == 1)
            .await;
        studio.world.drain_all().await;
        assert_eq!(studio.progress().await, "completed 100 %", "{path}");
        studio.bought_once(path).await;
        studio.finish().await;
    }
}

/// The first call of each provider, the step that makes it, and how its codes begin.
const FIRST_CALLS: [(Provider, &str, &str); 3] = [
    (Provider::Stripe, "ensure_subscription", "stripe"),
    (Provider::Twilio, "ensure_twilio_subaccount", "twilio"),
    (Provider::Whatsapp, "ensure_whatsapp_integration", "whatsapp"),
];

#[tokio::test]
async fn a_provider_that_asks_for_patience_gets_it() {
    for (provider, step, _) in FIRST_CALLS {
        let studio = Studio::paid().await;
        studio.world.clock.freeze().await.unwrap();
        let limit = Fault::Status { status: 429, retry_after: Some(120), body: None };
        studio.sandbox.faults().add(Rule::new(provider, limit));
        studio.provision().await;
        let run = studio.run().await;
        assert_eq!(run.run.status, "retrying", "{provider:?}");
        let [failure] = run.failures.as_slice() else { panic!("{:?}", run.failures) };
        assert_eq!((failure.class.as_str(), failure.attempt), ("RATE_LIMITED", 1), "{provider:?}");
        assert_eq!(failure.step.as_deref(), Some(step));
        let patience = failure.retry_in.unwrap();
        assert!((120.0..=600.0).contains(&patience), "{provider:?}: {patience} s");
        studio.world.drain_all().await;
        assert_eq!(studio.progress().await, "completed 100 %", "{provider:?}");
        assert_eq!(studio.run().await.run.attempt, 2);
        studio.bought_once("after a limit").await;
        studio.finish().await;
    }
}

#[tokio::test]
async fn a_provider_out_of_order_is_waited_for_and_no_attempt_is_spent() {
    for (provider, step, _) in FIRST_CALLS {
        let studio = Studio::paid().await;
        let page = Fault::Status { status: 503, retry_after: None, body: Some(json!("<html>")) };
        studio.sandbox.faults().add(Rule::new(provider, page).times(8));
        studio.trigger().await;
        studio.world.drain_all().await;
        assert_eq!(studio.progress().await, "completed 100 %", "{provider:?}");
        let run = studio.run().await;
        assert_eq!(run.run.attempt, 1, "{provider:?}");
        let classes: Vec<_> =
            run.failures.iter().map(|one| (one.class.as_str(), one.attempt)).collect();
        assert_eq!(
            classes,
            [("INTEGRATION_OFFLINE", 1); 8],
            "what went wrong is told all the same"
        );
        assert!(run.failures.iter().all(|failure| failure.step.as_deref() == Some(step)));
        studio.bought_once("after the outage").await;
        // Five opened it for this studio, and each minute one call tried it: three in vain.
        let tried = "engine.breaker_log WHERE what = 'probed'";
        assert_eq!(studio.world.count(tried).await, 4, "{provider:?}");
        studio.finish().await;
    }
}

#[tokio::test]
async fn refused_credentials_are_not_tried_again_and_the_run_says_what_to_do() {
    for (provider, step, code) in FIRST_CALLS {
        let studio = Studio::paid().await;
        studio.sandbox.faults().add(Rule::new(provider, Fault::Auth));
        studio.trigger().await;
        studio.world.drain_all().await;
        let run = studio.run().await;
        assert_eq!((run.run.status.as_str(), run.run.attempt), ("failed", 1), "{provider:?}");
        let [failure] = run.failures.as_slice() else { panic!("{:?}", run.failures) };
        assert_eq!(failure.class, "THIRD_PARTY_AUTH_FAILED");
        assert_eq!(failure.step.as_deref(), Some(step));
        assert!(failure.code.starts_with(code), "{failure:?}");
        assert!(failure.retry_in.is_none() && failure.action.is_some(), "{failure:?}");
        let shown = run.run.failure.unwrap();
        assert_eq!(shown["action"].as_str(), failure.action.as_deref(), "{shown}");
        studio.close().await;
    }
}

#[tokio::test]
async fn a_mail_server_that_refuses_the_login_degrades_the_run_and_holds_up_nothing() {
    let studio = Studio::paid().await;
    let rule = Rule::new(Provider::Smtp, Fault::Auth).method("AUTH").times(u32::MAX);
    studio.sandbox.faults().add(rule);
    studio.trigger().await;
    studio.world.drain_all().await;
    assert_eq!(studio.progress().await, "degraded 90 %, ensure_email_credentials failed");
    let [said] = failures(&studio).await.try_into().unwrap();
    assert!(said.starts_with("ensure_email_credentials THIRD_PARTY_AUTH_FAILED"), "{said}");
    assert!(said.ends_with("not retried, with an action"), "{said}");

    studio.sandbox.faults().clear();
    autopilot_engine::ops::retry(studio.world.pool(), studio.run().await.run.id).await.unwrap();
    studio.world.drain_all().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.bought_once("after the password was mended").await;
    studio.finish().await;
}

#[tokio::test]
async fn an_answer_of_stripe_that_cannot_be_read_is_asked_for_again() {
    let studio = Studio::paid().await;
    studio.sandbox.faults().add(Rule::new(Provider::Stripe, Fault::Malformed));
    studio.trigger().await;
    studio.world.drain_all().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    let said = "ensure_subscription INTEGRATION_OFFLINE stripe_unreadable none retried";
    assert_eq!(failures(&studio).await, [said]);
    studio.finish().await;
}

fn taken() -> Fault {
    let body = json!({"code": 21422, "message": "not available", "status": 400});
    Fault::Status { status: 400, retry_after: None, body: Some(body) }
}

#[tokio::test]
async fn a_number_that_somebody_else_took_gives_way_to_the_next() {
    let studio = Studio::paid().await;
    let rule = posts(Provider::Twilio, "/IncomingPhoneNumbers.json", taken());
    studio.sandbox.faults().add(rule.times(2));
    studio.provision().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    let summary = studio.summary().await;
    assert_eq!(summary.calls_of("twilio.buy_number"), 3);
    assert_eq!(summary.calls_of("twilio.search_numbers"), 1);
    assert_eq!(failures(&studio).await, [""; 0]);
    studio.bought_once("after two numbers were taken").await;
    studio.finish().await;
}

#[tokio::test]
async fn a_country_that_is_sold_out_ends_the_run_with_an_action() {
    let studio = Studio::paid().await;
    let rule = posts(Provider::Twilio, "/IncomingPhoneNumbers.json", taken());
    studio.sandbox.faults().add(rule.times(5));
    studio.provision().await;
    let said =
        "ensure_twilio_number PROVISIONING_ERROR twilio_sold_out none not retried, with an action";
    assert_eq!(failures(&studio).await, [said]);
    let run = studio.run().await;
    assert_eq!((run.run.status.as_str(), run.run.percent), ("failed", 25));
    assert_eq!(studio.summary().await.calls_of("twilio.buy_number"), 5);

    // There is stock again: the retry buys one number, and finished steps are not repeated.
    autopilot_engine::ops::retry(studio.world.pool(), run.run.id).await.unwrap();
    studio.world.drain().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    assert_eq!(studio.summary().await.calls_of("stripe.list_subscriptions"), 1);
    studio.bought_once("after the retry").await;
    studio.finish().await;
}
