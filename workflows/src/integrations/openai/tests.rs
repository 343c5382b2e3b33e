//! The error table code by code, and real exchanges against a scripted server.

use std::time::Duration;

use autopilot_engine::{Class, Classify as _, Effect};
use serde_json::Value;

use super::*;
use crate::integrations::scripted::{Reply, Server};

async fn openai(script: impl IntoIterator<Item = Reply>) -> (Server, OpenAi) {
    let server = Server::start(script).await;
    let config = Config {
        base_url: server.url("/v1"),
        ..Config::new(SecretString::from("sk-s3cret"), "gpt-test")
    };
    (server, OpenAi::new(config).unwrap())
}

fn prompt() -> Prompt {
    Prompt { system: "You are a coach.".to_owned(), user: "Greet Anna.".to_owned(), max_tokens: 60 }
}

fn completion(finish_reason: &str, message: &Value) -> Reply {
    let body = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-test-2026",
        "choices": [{ "index": 0, "finish_reason": finish_reason, "logprobs": null, "message": message }],
        "usage": { "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10 },
    });
    Reply::json(200, body)
}

#[tokio::test]
async fn every_row_of_the_error_table_has_its_class() {
    let limited =
        |millis: Option<u64>| Class::RateLimited { retry_after: millis.map(Duration::from_millis) };
    let overloaded = limited(Some(30_000));
    for (status, kind, code, class) in [
        (401, "invalid_request_error", json!("invalid_api_key"), Class::ThirdPartyAuthFailed),
        (
            403,
            "request_forbidden",
            json!("unsupported_country_region_territory"),
            Class::ThirdPartyAuthFailed,
        ),
        (429, "requests", json!("rate_limit_exceeded"), limited(None)),
        (429, "tokens", json!("slow_down"), limited(None)),
        (429, "insufficient_quota", json!("insufficient_quota"), Class::ProvisioningError),
        (429, "insufficient_quota", json!("a_new_one"), Class::ProvisioningError),
        (429, "billing", json!("credit_balance_exhausted"), Class::ProvisioningError),
        (429, "billing", json!("organization_spend_limit_exceeded"), Class::ProvisioningError),
        (429, "billing", json!("project_spend_limit_exceeded"), Class::ProvisioningError),
        (429, "billing", json!("organization_usage_limit_exceeded"), Class::ProvisioningError),
        (500, "server_error", json!(null), Class::IntegrationOffline),
        (502, "server_error", json!(502), Class::IntegrationOffline),
        (503, "server_error", json!("server_is_overloaded"), overloaded),
        (503, "server_error", json!(null), Class::IntegrationOffline),
        (400, "invalid_request_error", json!("context_length_exceeded"), Class::ConfigurationError),
        (400, "invalid_request_error", json!("invalid_value"), Class::ConfigurationError),
        (404, "invalid_request_error", json!("model_not_found"), Class::ConfigurationError),
    ] {
        let body =
            json!({ "error": { "message": "No.", "type": kind, "param": null, "code": code } });
        let (_server, openai) = openai([Reply::json(status, body)]).await;
        let error = openai.write(&prompt(), "contact-1").await.unwrap_err();
        assert_eq!(
            (error.class(), error.effect()),
            (class, Effect::None),
            "{status} {kind} {code}"
        );
        let is_helped = class.retries() || error.action().is_some();
        assert!(is_helped, "{status} {kind} {code} says what to do");
    }
}

#[tokio::test]
async fn how_long_to_wait_is_taken_from_the_nearest_header() {
    let body =
        json!({ "error": { "message": "No.", "type": "requests", "code": "rate_limit_exceeded" } })
            .to_string();
    for (headers, millis) in [
        (&[("retry-after", "7")][..], 7_000),
        (&[("retry-after", "7"), ("retry-after-ms", "6500")], 6_500),
    ] {
        let (_server, openai) = openai([Reply::new(429, headers, &body)]).await;
        let error = openai.write(&prompt(), "contact-1").await.unwrap_err();
        assert_eq!(
            error.class(),
            Class::RateLimited { retry_after: Some(Duration::from_millis(millis)) }
        );
    }
}

#[tokio::test]
async fn a_text_is_asked_for_as_it_should_be_and_comes_without_blanks() {
    let message = json!({ "role": "assistant", "content": "\n Hallo Anna! ", "refusal": null });
    let (server, openai) = openai([completion("stop", &message)]).await;
    let written = openai.write(&prompt(), "contact-1").await.unwrap();
    let expected = Written {
        text: "Hallo Anna!".to_owned(),
        model: "gpt-test-2026".to_owned(),
        prompt_tokens: 7,
        completion_tokens: 3,
    };
    assert_eq!(written, expected);
    let request = server.request();
    assert_eq!(request.line, "POST /v1/chat/completions");
    assert_eq!(request.header("authorization"), Some("Bearer sk-s3cret"));
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!((&body["model"], &body["max_completion_tokens"]), (&json!("gpt-test"), &json!(60)));
    assert_eq!(body["messages"][1], json!({ "role": "user", "content": "Greet Anna." }));
    assert_eq!((&body["store"], &body["safety_identifier"]), (&json!(false), &json!("contact-1")));
}

#[tokio::test]
async fn a_text_that_must_not_be_sent_is_an_error() {
    let said = |content: Value| json!({ "role": "assistant", "content": content, "refusal": null });
    let refused = json!({ "role": "assistant", "content": null, "refusal": "I cannot." });
    for (reason, message, unusable) in [
        ("length", said(json!("Hallo An")), Unusable::CutOff),
        ("content_filter", said(json!("")), Unusable::Filtered),
        ("stop", refused, Unusable::Refused),
        ("stop", said(json!(" ")), Unusable::Empty),
        ("stop", said(json!(null)), Unusable::Empty),
        ("tool_calls", said(json!("x")), Unusable::Unfinished),
    ] {
        let (_server, openai) = openai([completion(reason, &message)]).await;
        let error = openai.write(&prompt(), "contact-1").await.unwrap_err();
        assert!(
            matches!(error, OpenAiError::Unusable(found) if found == unusable),
            "{reason}: {error}"
        );
        assert_eq!(error.class(), Class::ProvisioningError);
    }
    let (_server, openai) =
        openai([Reply::json(200, json!({ "model": "m", "choices": [] }))]).await;
    let error = openai.write(&prompt(), "contact-1").await.unwrap_err();
    assert!(matches!(error, OpenAiError::Unusable(Unusable::Empty)), "{error}");
}

#[tokio::test]
async fn a_proxys_page_and_a_broken_body_are_offline_and_cost_nothing_but_another_text() {
    for reply in [Reply::html(502), Reply::json(200, "{"), Reply::json(200, "[]")] {
        let (_server, openai) = openai([reply]).await;
        let error = openai.write(&prompt(), "contact-1").await.unwrap_err();
        assert_eq!(
            (error.class(), error.effect()),
            (Class::IntegrationOffline, Effect::None),
            "{error}"
        );
    }
}

#[tokio::test]
async fn no_output_shows_the_key() {
    let body = json!({ "error": { "message": "Incorrect API key provided: sk-s3cret", "type": "invalid_request_error", "code": "invalid_api_key" } });
    let (_server, openai) = openai([Reply::json(401, body)]).await;
    let error = openai.ping().await.unwrap_err();
    assert!(!format!("{error} {error:?} {openai:?}").contains("s3cret"), "{error:?}");
}
