//! Deny by default: no address without a guard, and each guard at work.

use axum::body::Body;
use axum::http::{Method, Request};

use super::super::routes::{Guard, routes};
use super::{Answer, World, ask, nowhere, server};

async fn strange(world: &World, method: &str, path: &str) -> Answer {
    let path = path.replace("{id}", "0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b");
    let request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap());
    world.ask(request.uri(path).body(Body::from("{}")).unwrap()).await
}

#[tokio::test]
async fn a_stranger_gets_nowhere_but_to_what_is_declared_open() {
    let world = World::with(&[
        ("TWILIO_ACCOUNT_SID", "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ("TWILIO_AUTH_TOKEN", "token"),
        ("PUBLIC_BASE_URL", "https://studio.example"),
        ("WHATSAPP_APP_SECRET", "secret"),
        ("WHATSAPP_VERIFY_TOKEN", "chosen"),
    ])
    .await;
    let mut open = Vec::new();
    for route in routes() {
        let answer = strange(&world, route.method, route.path).await;
        match route.guard {
            Guard::Open => open.push(route.path),
            // As a wrong request or as a stranger's: each in the words of its provider.
            Guard::Signature => {
                answer.is_problem(if route.path.ends_with("stripe") { 400 } else { 403 })
            }
            Guard::Token => {
                answer.is_problem(401);
                assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"autopilot\"");
            }
        }
    }
    assert_eq!(open, ["/livez", "/readyz"], "an open address is a decision: write it down here");
    assert!(routes().iter().all(|r| !r.path.starts_with("/api/") || r.guard == Guard::Token));
    assert!(
        routes().iter().all(|r| !r.path.starts_with("/webhooks/") || r.guard == Guard::Signature)
    );
    assert!(world.inbox().await.is_empty());
    world.close().await;
}

#[tokio::test]
async fn every_answer_that_is_no_success_is_a_problem() {
    let world = World::new().await;
    strange(&world, "GET", "/nowhere").await.is_problem(404);
    strange(&world, "GET", "/webhooks/stripe").await.is_problem(405);
    strange(&world, "DELETE", "/api/autopilot/run").await.is_problem(405);
    world.api("POST", "/api/autopilot/run", "{").await.is_problem(400);
    world.api("POST", "/api/autopilot/run", "[]").await.is_problem(422);
    world.api("PUT", "/api/workspaces/%ff", "").await.is_problem(422);
    world.api("GET", "/api/autopilot/status", "").await.is_problem(422);
    let long = "x".repeat(5000);
    world.api("POST", "/api/autopilot/run", &long).await.is_problem(413);
    world.close().await;
}

#[tokio::test]
async fn what_is_not_configured_is_closed_and_names_its_variable() {
    let closed =
        server(&nowhere().await, &[("AUTOPILOT_API_TOKEN", ""), ("STRIPE_WEBHOOK_SECRET", "")]);
    for (path, variable) in [
        ("/api/autopilot/run", "AUTOPILOT_API_TOKEN"),
        ("/webhooks/stripe", "STRIPE_WEBHOOK_SECRET"),
        ("/webhooks/twilio/sms", "TWILIO_AUTH_TOKEN"),
        ("/webhooks/whatsapp", "WHATSAPP_APP_SECRET"),
    ] {
        let request = Request::post(path).body(Body::from("{}")).unwrap();
        let answer = ask(&closed, request).await;
        answer.is_problem(503);
        assert!(answer.body["action"].as_str().unwrap().contains(variable), "{}", answer.body);
    }
}
