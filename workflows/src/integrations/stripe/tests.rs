//! The error table row by row, and real exchanges against a scripted server.

use std::time::Duration;

use autopilot_engine::{Class, Classify, Effect};
use chrono::DateTime;
use serde_json::{Value, json};
use stripe_client_core::{IdempotencyKey, RequestStrategy, StripeRequest as _};

use super::*;
use crate::integrations::scripted::{Reply, Server};

async fn stripe(script: impl IntoIterator<Item = Reply>) -> (Server, Stripe) {
    let server = Server::start(script).await;
    let config = Config {
        base_url: server.url("/stripe"),
        ..Config::new(SecretString::from("sk_test_s3cret"))
    };
    let stripe = Stripe::new(config).unwrap();
    (server, stripe)
}

fn item() -> Value {
    let price = json!({
        "id": "price_1", "object": "price", "active": true, "billing_scheme": "per_unit",
        "created": 1_790_000_000, "currency": "eur", "livemode": false, "metadata": {},
        "product": "prod_1", "type": "recurring", "unit_amount": 9900,
    });
    let plan = json!({
        "id": "price_1", "object": "plan", "active": true, "billing_scheme": "per_unit",
        "created": 1_790_000_000, "currency": "eur", "interval": "month", "interval_count": 1,
        "livemode": false, "product": "prod_1", "usage_type": "licensed",
    });
    json!({
        "id": "si_1", "object": "subscription_item", "subscription": "sub_1", "quantity": 1,
        "created": 1_790_000_000, "discounts": [], "metadata": {}, "tax_rates": [],
        "current_period_start": 1_790_000_000, "current_period_end": 1_792_592_000,
        "price": price, "plan": plan,
    })
}

fn subscription(status: &str) -> Value {
    let items = json!({
        "object": "list", "has_more": false, "url": "/v1/subscription_items", "data": [item()],
    });
    json!({
        "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": status,
        "metadata": {"workspace_id": "0190c0de"}, "livemode": false, "currency": "eur",
        "automatic_tax": {"enabled": false, "liability": null, "disabled_reason": null},
        "billing_cycle_anchor": 1_790_000_000, "billing_mode": {"type": "flexible"},
        "billing_schedules": [], "cancel_at_period_end": false, "discounts": [],
        "collection_method": "charge_automatically", "created": 1_790_000_000,
        "start_date": 1_790_000_000, "invoice_settings": {"issuer": {"type": "self"}}, "items": items,
    })
}

fn page(subscriptions: &[Value]) -> Reply {
    let body = json!({
        "object": "list", "url": "/v1/subscriptions", "has_more": false, "data": subscriptions,
    });
    Reply::json(200, body)
}

fn refusal(
    status: u16,
    headers: &[(&str, &str)],
    kind: &str,
    code: Option<&str>,
    param: Option<&str>,
) -> Reply {
    let error = json!({"type": kind, "code": code, "param": param, "message": "No."});
    Reply::new(status, headers, json!({"error": error}).to_string())
}

/// A POST under an idempotency key, as a step would send it.
async fn post(stripe: &Stripe) -> Result<bytes::Bytes, StripeError> {
    let key = IdempotencyKey::new("run-1/checkout").unwrap();
    let options = Options { key: Some(key), ..Options::default() };
    let request =
        RequestBuilder::new(StripeMethod::Post, "/checkout/sessions").form(&json!({"mode": "a b"}));
    stripe.call(request, options).await
}

#[tokio::test]
async fn every_row_of_the_error_table_has_its_class_and_effect() {
    let request = "invalid_request_error";
    let retry: &[(&str, &str)] = &[("stripe-should-retry", "true")];
    let dont: &[(&str, &str)] = &[("stripe-should-retry", "false")];
    let rate: &[(&str, &str)] = &[("stripe-rate-limited-reason", "endpoint-rate")];
    let locked: &[(&str, &str)] = &[("stripe-rate-limited-reason", "resource-specific")];
    let wait: &[(&str, &str)] = &[("retry-after", "4")];
    let limited = Class::RateLimited { retry_after: None };
    let waiting = Class::RateLimited { retry_after: Some(Duration::from_secs(4)) };
    let (auth, offline, network) =
        (Class::ThirdPartyAuthFailed, Class::IntegrationOffline, Class::TransientNetwork);
    let (configuration, refused) = (Class::ConfigurationError, Class::ProvisioningError);
    for (status, headers, kind, code, param, class, effect) in [
        (401, &[][..], request, None, None, auth, Effect::None),
        (403, &[], request, Some("more_permissions_required"), None, auth, Effect::None),
        (
            400,
            &[],
            request,
            Some("parameter_missing"),
            Some("customer"),
            configuration,
            Effect::None,
        ),
        (404, &[], request, Some("resource_missing"), Some("id"), configuration, Effect::None),
        (400, &[], request, Some("resource_missing"), Some("customer"), refused, Effect::None),
        (402, &[], "card_error", Some("card_declined"), None, refused, Effect::None),
        (409, &[], request, Some("idempotency_key_in_use"), None, network, Effect::None),
        (409, dont, request, Some("conflict"), None, configuration, Effect::None),
        (429, &[], request, Some("lock_timeout"), None, network, Effect::None),
        (429, locked, request, Some("lock_timeout"), None, limited, Effect::None),
        (400, &[], "idempotency_error", None, None, configuration, Effect::None),
        (429, rate, request, Some("rate_limit"), None, limited, Effect::None),
        (429, wait, request, Some("rate_limit"), None, waiting, Effect::None),
        (500, dont, "api_error", None, None, offline, Effect::Unknown),
        (500, &[], "api_error", None, None, offline, Effect::Unknown),
        (503, &[], "api_error", None, None, offline, Effect::Unknown),
        (424, retry, "api_error", None, None, network, Effect::None),
    ] {
        let (_server, stripe) = stripe([refusal(status, headers, kind, code, param)]).await;
        let error = post(&stripe).await.unwrap_err();
        assert_eq!((error.class(), error.effect()), (class, effect), "{status} {code:?}");
        let counts = class == offline || class == network;
        assert_eq!(error.class().is_outage(), counts, "{status}: does a breaker count it?");
        assert_eq!(error.code(), format!("stripe_{}", code.unwrap_or(kind)));
        assert_eq!(
            error.action().is_some(),
            !class.retries(),
            "{status}: what should the operator do?"
        );
    }
}

#[tokio::test]
async fn answers_that_are_not_stripes_keep_their_status() {
    let (_server, stripe) = stripe([Reply::html(502), Reply::html(302), Reply::html(429)]).await;
    for (code, class, effect) in [
        ("stripe_http_502", Class::IntegrationOffline, Effect::Unknown),
        ("stripe_http_302", Class::ConfigurationError, Effect::None),
        ("stripe_http_429", Class::RateLimited { retry_after: None }, Effect::None),
    ] {
        let error = post(&stripe).await.unwrap_err();
        assert_eq!((error.code().as_ref(), error.class(), error.effect()), (code, class, effect));
    }
}

#[tokio::test]
async fn the_request_id_and_the_advice_of_an_error_are_kept() {
    let headers = [("request-id", "req_7"), ("stripe-should-retry", "false")];
    let (_server, stripe) = stripe([refusal(500, &headers, "api_error", None, None)]).await;
    let error = stripe.ping().await.unwrap_err();
    assert!(error.to_string().ends_with("(api_error, HTTP 500, request req_7)"), "{error}");
    assert_eq!(error.effect(), Effect::None, "a GET leaves nothing unknown");
    let StripeError::Api(explanation) = error else { panic!("{error}") };
    assert_eq!(explanation.should_retry, Some(false));
}

#[tokio::test]
async fn subscriptions_are_listed_in_every_status() {
    let (server, stripe) = stripe([page(&[subscription("active")])]).await;
    let found = stripe.subscriptions("cus_1").await.unwrap();
    let expected = Subscription {
        id: "sub_1".to_owned(),
        customer: "cus_1".to_owned(),
        status: Status::Active,
        price: Some("price_1".to_owned()),
        current_period_end: DateTime::from_timestamp(1_792_592_000, 0),
        workspace_id: Some("0190c0de".to_owned()),
    };
    assert_eq!(found, [expected]);
    let request = server.request();
    assert_eq!(request.line, "GET /stripe/v1/subscriptions?customer=cus_1&limit=100&status=all");
    assert_eq!(request.header("authorization"), Some("Bearer sk_test_s3cret"));
    assert_eq!(request.header("stripe-version"), Some(API_VERSION));
    assert_eq!(request.header("idempotency-key"), None);
}

#[tokio::test]
async fn each_of_the_eight_statuses_has_its_entitlement() {
    for (text, status, entitlement) in [
        ("incomplete", Status::Incomplete, Entitlement::Pending),
        ("incomplete_expired", Status::IncompleteExpired, Entitlement::Blocked),
        ("trialing", Status::Trialing, Entitlement::Entitled),
        ("active", Status::Active, Entitlement::Entitled),
        ("past_due", Status::PastDue, Entitlement::Grace),
        ("unpaid", Status::Unpaid, Entitlement::Blocked),
        ("paused", Status::Paused, Entitlement::Blocked),
        ("canceled", Status::Canceled, Entitlement::Blocked),
    ] {
        let (_server, stripe) = stripe([page(&[subscription(text)])]).await;
        let found = &stripe.subscriptions("cus_1").await.unwrap()[0];
        assert_eq!((found.status, found.entitlement()), (status, entitlement), "{text}");
        assert_eq!(serde_json::to_value(status).unwrap(), text);
    }
}

#[tokio::test]
async fn a_status_that_stripe_invents_is_an_error_and_not_a_guess() {
    let (_server, stripe) = stripe([page(&[subscription("dormant")])]).await;
    let error = stripe.subscriptions("cus_1").await.unwrap_err();
    assert_eq!(error.code(), "stripe_unknown_status");
    assert!(error.to_string().contains("dormant"));
}

#[tokio::test]
async fn a_malformed_success_is_executed_for_a_write_and_nothing_for_a_read() {
    let (_server, stripe) =
        stripe([Reply::html(200), Reply::json(200, "{\"data\": 7}"), Reply::html(200)]).await;
    for _ in 0..2 {
        let read = stripe.subscriptions("cus_1").await.unwrap_err();
        assert_eq!((read.code().as_ref(), read.effect()), ("stripe_unreadable", Effect::None));
        assert_eq!(read.class(), Class::IntegrationOffline);
    }
    // A typed write goes the same way and is not marked as a read.
    let request = ListSubscription::new().customer("cus_1").customize();
    let write = request.send(&stripe).await.unwrap_err();
    assert_eq!(write.effect(), Effect::Executed);
}

#[tokio::test]
async fn a_write_is_a_form_under_the_key_of_its_step() {
    let (server, stripe) = stripe([Reply::json(200, json!({"object": "checkout.session"}))]).await;
    post(&stripe).await.unwrap();
    let request = server.request();
    assert_eq!(request.line, "POST /stripe/v1/checkout/sessions");
    assert_eq!(request.header("idempotency-key"), Some("run-1/checkout"));
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.body, "mode=a+b");
}

#[tokio::test]
async fn a_hidden_retry_is_refused_before_anything_is_sent() {
    let (server, stripe) = stripe([]).await;
    for strategy in [RequestStrategy::Retry(3), RequestStrategy::ExponentialBackoff(3)] {
        let request = ListSubscription::new().customize().request_strategy(strategy);
        let error = request.send(&stripe).await.unwrap_err();
        assert_eq!(error.code(), "stripe_hidden_retry");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_ping_reads_the_balance_and_refuses_a_strangers_answer() {
    let (server, stripe) = stripe([
        Reply::json(
            200,
            json!({"object": "balance", "available": [], "pending": [], "livemode": false}),
        ),
        Reply::html(200),
    ])
    .await;
    stripe.ping().await.unwrap();
    assert_eq!(server.request().line, "GET /stripe/v1/balance");
    assert_eq!(stripe.ping().await.unwrap_err().code(), "stripe_unreadable");
}

#[tokio::test]
async fn no_debug_output_shows_the_key() {
    let (_server, stripe) = stripe([]).await;
    let config = Config::new(SecretString::from("sk_test_s3cret"));
    assert!(!format!("{stripe:?} {config:?}").contains("s3cret"));
}

#[test]
fn the_types_were_generated_for_the_version_that_we_name() {
    assert_eq!(stripe_client_core::VERSION.as_str(), API_VERSION);
}
