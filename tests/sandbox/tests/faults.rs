use std::time::Duration;

use autopilot_sandbox::{Fault, Limit, Options, Provider, Rule};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{World, expect, ledger_path};

/// Sends a creation over a bare socket; gives what came back before the connection broke.
async fn bare_creation(world: &World) -> (Vec<u8>, std::io::ErrorKind) {
    let host = world.sandbox.base_url().replace("http://", "");
    let mut stream = TcpStream::connect(&host).await.expect("a connection");
    let body = "FriendlyName=studio";
    let request = format!(
        "POST /twilio/2010-04-01/Accounts.json HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Authorization: Basic {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        basic(world),
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("a sent request");
    let mut answer = Vec::new();
    let error = stream.read_to_end(&mut answer).await.expect_err("a broken connection");
    (answer, error.kind())
}

fn basic(world: &World) -> String {
    use base64::Engine as _;
    let credentials = &world.credentials;
    base64::engine::general_purpose::STANDARD
        .encode(format!("{}:{}", credentials.twilio_account_sid, credentials.twilio_auth_token))
}

#[tokio::test]
async fn reset_after_leaves_an_effect_and_no_answer() {
    let world = World::start().await;
    world.sandbox.faults().add(Rule::new(Provider::Twilio, Fault::ResetAfter));
    let (answer, error) = bare_creation(&world).await;
    assert_eq!(answer, b"");
    assert_eq!(error, std::io::ErrorKind::ConnectionReset);
    assert_eq!(world.summary().effects_of("twilio.create_subaccount"), 1);
    let found = expect(world.twilio_get("/Accounts.json?FriendlyName=studio"), 200).await;
    assert_eq!(found["accounts"].as_array().expect("a list").len(), 1);
}

#[tokio::test]
async fn reset_before_leaves_a_call_no_effect_and_no_answer() {
    let world = World::start().await;
    world.sandbox.faults().add(Rule::new(Provider::Twilio, Fault::ResetBefore));
    let (answer, error) = bare_creation(&world).await;
    assert_eq!(answer, b"");
    assert_eq!(error, std::io::ErrorKind::ConnectionReset);
    let summary = world.summary();
    assert_eq!((summary.calls_of("twilio.create_subaccount"), summary.effects), (1, 0));
    world.create_subaccount("studio").await;
}

#[tokio::test]
async fn a_client_sees_an_error_and_not_an_answer_on_reset() {
    let world = World::start().await;
    // A connection that was used before, as a pool would hand it out.
    world.create_subaccount("warm").await;
    world.sandbox.faults().add(Rule::new(Provider::Twilio, Fault::ResetAfter));
    let request = world.twilio_post("/Accounts.json", &[("FriendlyName", "studio")]);
    let error = request.send().await.expect_err("no answer");
    assert!(!error.is_connect() && !error.is_status(), "{error:?}");
    assert_eq!(world.summary().double_effects, []);
}

#[tokio::test]
async fn a_rule_over_http_lets_pass_strikes_and_is_counted() {
    let world = World::start().await;
    let rules = json!([{
        "provider": "twilio", "method": "POST", "path_contains": "/Accounts.json", "skip": 1,
        "times": 2, "fault": {"status": {"status": 429, "retry_after": 7}},
    }]);
    expect(world.client.post(world.admin("/faults")).json(&rules), 200).await;
    world.create_subaccount("one").await;
    for _ in 0..2 {
        let request = world.twilio_post("/Accounts.json", &[("FriendlyName", "two")]);
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "7");
        let body: serde_json::Value = response.json().await.expect("JSON");
        assert_eq!(body["code"], 20429);
    }
    world.create_subaccount("two").await;
    assert_eq!(world.summary().effects, 2);
    let listed = expect(world.client.get(world.admin("/faults")), 200).await;
    assert_eq!((&listed[0]["passed"], &listed[0]["struck"]), (&json!(1), &json!(2)));
    expect(world.client.delete(world.admin("/faults")), 204).await;
    assert_eq!(expect(world.client.get(world.admin("/faults")), 200).await, json!([]));
}

#[tokio::test]
async fn a_single_rule_is_taken_and_a_misspelt_one_refused() {
    let world = World::start().await;
    let post = |rule: serde_json::Value| world.client.post(world.admin("/faults")).json(&rule);
    expect(post(json!({"provider": "stripe", "fault": "hang"})), 200).await;
    expect(post(json!({"provider": "stripe", "fault": "explode"})), 422).await;
    assert_eq!(world.sandbox.faults().list().len(), 1);
}

#[tokio::test]
async fn malformed_takes_effect_and_answers_a_success_that_is_no_json() {
    let world = World::start().await;
    world.sandbox.faults().add(Rule::new(Provider::Twilio, Fault::Malformed));
    let request = world.twilio_post("/Accounts.json", &[("FriendlyName", "studio")]);
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), 201);
    response.json::<serde_json::Value>().await.expect_err("no JSON");
    assert_eq!(world.summary().effects, 1);
}

#[tokio::test]
async fn auth_answers_as_each_provider_does_and_takes_no_effect() {
    let world = World::start().await;
    for provider in [Provider::Stripe, Provider::Twilio] {
        world.sandbox.faults().add(Rule::new(provider, Fault::Auth));
    }
    let error = expect(world.stripe_get("/v1/balance"), 401).await;
    assert_eq!(error["error"]["type"], "invalid_request_error");
    let request = world.twilio_post("/Accounts.json", &[("FriendlyName", "studio")]);
    assert_eq!(expect(request, 401).await["code"], 20003);
    assert_eq!(world.summary().effects, 0);
}

#[tokio::test]
async fn a_scripted_body_is_sent_as_it_is() {
    let world = World::start().await;
    let body = Some(json!("<html>Bad Gateway</html>"));
    let fault = Fault::Status { status: 502, retry_after: None, body };
    world.sandbox.faults().add(Rule::new(Provider::Stripe, fault));
    assert_eq!(expect(world.stripe_get("/v1/balance"), 502).await, "<html>Bad Gateway</html>");
}

#[tokio::test]
async fn a_request_that_hangs_is_reset_when_the_sandbox_stops() {
    let world = World::start().await;
    world.sandbox.faults().add(Rule::new(Provider::Stripe, Fault::Hang));
    let hanging = tokio::spawn(world.stripe_get("/v1/balance").send());
    while world.summary().calls == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!hanging.is_finished());
    world.sandbox.stop().await;
    hanging.await.expect("no panic").expect_err("no answer");
}

#[tokio::test]
async fn a_delayed_answer_comes_late_and_is_right() {
    let world = World::start().await;
    let delay = Duration::from_millis(50);
    world.sandbox.faults().add(Rule::new(Provider::Stripe, Fault::Delay { ms: 50 }));
    let begun = std::time::Instant::now();
    expect(world.stripe_get("/v1/balance"), 200).await;
    assert!(begun.elapsed() >= delay);
}

#[tokio::test]
async fn a_call_over_the_rate_is_refused_as_its_provider_refuses_and_has_no_effect() {
    let mut options = Options::new(ledger_path());
    let none = Limit::per_second(0);
    options.limits = [(Provider::Twilio, none), (Provider::Stripe, none)].into();
    let world = World::with(options).await;
    let request = world.twilio_post("/Accounts.json", &[("FriendlyName", "studio")]);
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(response.json::<serde_json::Value>().await.expect("JSON")["code"], 20429);
    let response = world.stripe_get("/v1/balance").send().await.expect("an answer");
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["stripe-rate-limited-reason"], "global-rate");
    assert!(!response.headers().contains_key("retry-after"), "Stripe documents none");
    let summary = world.summary();
    assert_eq!((summary.calls, summary.effects), (2, 0), "a refused call is a call");
    let traffic = world.sandbox.traffic(Provider::Twilio);
    assert_eq!((traffic.calls, traffic.refused), (1, 1));
}

#[tokio::test]
async fn a_call_beside_too_many_others_is_refused() {
    let mut options = Options::new(ledger_path());
    options.limits = [(Provider::Stripe, Limit::default().at_once(1))].into();
    let world = World::with(options).await;
    world.sandbox.faults().add(Rule::new(Provider::Stripe, Fault::Hang));
    let hanging = tokio::spawn(world.stripe_get("/v1/balance").send());
    while world.summary().calls == 0 {
        tokio::task::yield_now().await;
    }
    let response = world.stripe_get("/v1/balance").send().await.expect("an answer");
    assert_eq!(response.status(), 429);
    let reasons: Vec<_> = response.headers().get_all("stripe-rate-limited-reason").iter().collect();
    assert_eq!(reasons, ["global-concurrency"]);
    assert_eq!(world.sandbox.traffic(Provider::Stripe).peak_at_once, 1);
    world.sandbox.stop().await;
    hanging.await.expect("no panic").expect_err("no answer");
}
