//! Requests that nobody meant, on the whole server: never a 500, every refusal a problem, and no secret in any answer.

use autopilot_engine::testing::{Edit, mangled};
use axum::body::Body;
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use secrecy::SecretString;
use tower::ServiceExt as _;

use super::super::stripe_signature::{HEADER, sign};
use super::super::whatsapp_signature::HEADER as WHATSAPP_HEADER;
use super::{TOKEN, World, twilio, whatsapp};

/// Method, address, type and body of requests that are right.
const SAMPLES: [(&str, &str, &str, &str); 13] = [
    (
        "POST",
        "/webhooks/stripe",
        "application/json",
        r#"{"id":"evt_1","type":"checkout.session.completed","created":1700000000,"data":{"object":{"id":"cs_1","customer":"cus_1"}}}"#,
    ),
    (
        "POST",
        "/webhooks/whatsapp",
        "application/json",
        r#"{"object":"whatsapp_business_account","entry":[{"id":"1","time":1,"changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"2"},"messages":[{"id":"wamid.1","from":"49","timestamp":"1","type":"text"}],"statuses":[{"id":"wamid.2","status":"read"}]}}]}]}"#,
    ),
    (
        "POST",
        "/webhooks/twilio/sms",
        "application/x-www-form-urlencoded",
        "MessageSid=SM1&From=%2B491&To=%2B492&Body=hello",
    ),
    (
        "POST",
        "/webhooks/twilio/status",
        "application/x-www-form-urlencoded",
        "CallSid=CA1&CallStatus=completed",
    ),
    ("GET", "/webhooks/whatsapp?hub.mode=subscribe&hub.verify_token=x&hub.challenge=1", "", ""),
    (
        "PUT",
        "/api/workspaces/0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b",
        "application/json",
        r#"{"name":"Studio","country":"DE","timezone":"Europe/Berlin"}"#,
    ),
    (
        "POST",
        "/api/onboarding/complete",
        "application/json",
        r#"{"workspaceId":"0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b"}"#,
    ),
    (
        "POST",
        "/api/autopilot/reprovision",
        "application/json",
        r#"{"workspaceId":"0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b"}"#,
    ),
    ("POST", "/api/autopilot/run", "application/json", "{}"),
    (
        "POST",
        "/api/autopilot/breakers/trip",
        "application/json",
        r#"{"breaker":"twilio","reason":"maintenance","who":"ada"}"#,
    ),
    (
        "POST",
        "/api/autopilot/breakers/reset",
        "application/json",
        r#"{"breaker":"twilio/0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b","reason":"over","who":"ada"}"#,
    ),
    (
        "GET",
        "/api/autopilot/health?all=true&limit=10&after=0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b",
        "",
        "",
    ),
    ("GET", "/api/autopilot/status?workspaceId=0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b", "", ""),
];

const STRIPE_SECRET: &str = "whsec_canary-secret-of-stripe";

/// What stands in no answer.
const SECRETS: [&str; 4] = [TOKEN, STRIPE_SECRET, "app-secret", "main-token"];

/// What is changed in a request.
#[derive(Debug, Clone)]
struct Changes {
    address: Vec<Edit>,
    body: Vec<Edit>,
    token: Vec<Edit>,
    is_signed: bool,
}

fn changes() -> impl Strategy<Value = (usize, Changes)> {
    let few = || prop_oneof![Just(Vec::new()), proptest::collection::vec(any::<Edit>(), 1..5)];
    let changes = (few(), few(), few(), any::<bool>())
        .prop_map(|(address, body, token, is_signed)| Changes { address, body, token, is_signed });
    (0..SAMPLES.len(), changes)
}

fn request(sample: usize, changes: &Changes) -> Option<Request<Body>> {
    let (method, address, kind, body) = SAMPLES[sample];
    // The first byte stays: an address that begins otherwise is none.
    let address = format!(
        "/{}",
        String::from_utf8_lossy(&mangled(&address.as_bytes()[1..], &changes.address))
    );
    let body = mangled(body.as_bytes(), &changes.body);
    let token = mangled(format!("Bearer {TOKEN}").as_bytes(), &changes.token);
    let mut request = Request::builder().method(method).uri(address).header(AUTHORIZATION, token);
    if !kind.is_empty() {
        request = request.header(CONTENT_TYPE, kind);
    }
    if changes.is_signed {
        let now = chrono::Utc::now().timestamp();
        request = request
            .header(HEADER, sign(&body, &[SecretString::from(STRIPE_SECRET)], now))
            .header(WHATSAPP_HEADER, whatsapp::signature(&body));
    }
    request.body(Body::from(body)).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_makes_it_fail_or_tell_a_secret() {
    let own = [("STRIPE_WEBHOOK_SECRET", STRIPE_SECRET)];
    let settings = [&own[..], &whatsapp::SETTINGS, &twilio::SETTINGS].concat();
    let world = World::with(&settings).await;
    let cases = Config::default().cases.max(2_000);
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let runtime = tokio::runtime::Handle::current();
    let outcome = tokio::task::block_in_place(|| {
        runner.run(&changes(), |(sample, changes)| {
            // What no client can send reaches no server.
            let Some(request) = request(sample, &changes) else { return Ok(()) };
            let (status, kind, body) = runtime.block_on(async {
                let (parts, body) =
                    world.server.clone().oneshot(request).await.unwrap().into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
                (
                    parts.status.as_u16(),
                    kind.unwrap_or_default().to_owned(),
                    String::from_utf8_lossy(&body).into_owned(),
                )
            });
            prop_assert!(status < 500, "{status}: {body}");
            prop_assert!(SECRETS.iter().all(|secret| !body.contains(secret)), "{body}");
            if status >= 400 {
                prop_assert_eq!(kind, "application/problem+json", "{}: {}", status, body);
                let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
                prop_assert_eq!(&problem["status"], &serde_json::json!(status));
                for member in ["type", "title", "detail"] {
                    prop_assert!(problem[member].is_string(), "{member} in {problem}");
                }
            }
            Ok(())
        })
    });
    outcome.unwrap();
    world.close().await;
}
