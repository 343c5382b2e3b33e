//! Stripe's webhook: what is believed, what is kept, and that nothing acknowledged is lost.

use std::sync::Arc;

use autopilot_engine::{Worker, WorkerConfig};
use autopilot_workflows::app::{App, Settings, registry};
use autopilot_workflows::integrations::courier::{Courier, Targets};
use autopilot_workflows::state::inbox::EventState;
use autopilot_workflows::state::workspaces;
use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::http::header::RETRY_AFTER;
use chrono::Utc;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::super::stripe_signature::{HEADER, sign};
use super::{Answer, World, ask, nowhere, server};
use crate::input;

const KNOWN: &str = "0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b";
const UNKNOWN: &str = "0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5c";

pub(super) fn signature(body: &[u8], secret: &str, age: i64) -> String {
    sign(body, &[SecretString::from(secret)], Utc::now().timestamp() - age)
}

pub(super) fn delivery(body: &[u8], signature: &str) -> Request<Body> {
    let request = Request::post("/webhooks/stripe").header(HEADER, signature);
    let request = request.header("user-agent", "Stripe/1.0").header("cookie", "secret=1");
    request.body(Body::from(body.to_vec())).unwrap()
}

async fn deliver(world: &World, body: &[u8]) -> Answer {
    world.ask(delivery(body, &signature(body, "whsec_old", 0))).await
}

pub(super) fn event(id: &str, kind: &str, object: &Value) -> Vec<u8> {
    json!({ "id": id, "type": kind, "data": { "object": object } }).to_string().into_bytes()
}

#[tokio::test]
async fn what_is_not_signed_here_and_now_is_refused_in_one_way_and_not_recorded() {
    let world = World::new().await;
    let body = event("evt_1", "checkout.session.completed", &json!({}));
    let right = signature(&body, "whsec_new", 0);
    let mut answers = Vec::new();
    for header in [
        "".to_owned(),
        "t=1".to_owned(),
        format!("{right}0"),
        signature(&body, "whsec_other", 0),
        signature(&body, "whsec_new", 301),
        signature(&body, "whsec_new", -302),
    ] {
        answers.push(world.ask(delivery(&body, &header)).await);
    }
    answers.push(world.ask(delivery(&body[..body.len() - 1], &right)).await);
    let unsigned = Request::post("/webhooks/stripe").body(Body::from(body.clone())).unwrap();
    answers.push(world.ask(unsigned).await);
    let twice = Request::post("/webhooks/stripe").header(HEADER, &right).header(HEADER, &right);
    answers.push(world.ask(twice.body(Body::from(body.clone())).unwrap()).await);
    for answer in &answers {
        answer.is_problem(400);
        assert_eq!(answer.body, answers[0].body);
    }
    assert!(world.inbox().await.is_empty());
    world.close().await;
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_unread_and_one_that_breaks_off_is_no_body() {
    let world = World::new().await;
    let long = vec![b'x'; 4097];
    let answer = deliver(&world, &long).await;
    answer.is_problem(413);
    assert_eq!(answer.body["limit"], 4096);
    let endless = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from(long))]);
    let request = Request::post("/webhooks/stripe").body(Body::from_stream(endless)).unwrap();
    world.ask(request).await.is_problem(413);
    let broken = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("reset"))];
    let request = Request::post("/webhooks/stripe");
    let request = request.body(Body::from_stream(futures_util::stream::iter(broken))).unwrap();
    world.ask(request).await.is_problem(400);
    assert!(world.inbox().await.is_empty());
    world.close().await;
}

#[tokio::test]
async fn a_signed_body_that_is_no_event_is_kept_for_a_person() {
    let world = World::new().await;
    let bodies: [&[u8]; 4] = [b"not json", b"\0\xff", b"[]", br#"{"id":"evt\u0000","type":"x"}"#];
    for (number, body) in (1..).zip(bodies) {
        for outcome in ["unreadable", "duplicate"] {
            let answer = deliver(&world, body).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert_eq!(
                (&answer.body["received"], &answer.body["outcome"]),
                (&true.into(), &outcome.into())
            );
        }
        let kept = world.inbox().await;
        assert_eq!(kept.len(), number);
        let event = kept.iter().find(|event| event.payload == body).unwrap();
        assert!(event.event_id.starts_with("sha256:"), "{}", event.event_id);
        assert_eq!(event.state, EventState::Failed);
    }
    world.close().await;
}

#[tokio::test]
async fn an_event_is_recorded_with_its_job_and_a_second_delivery_changes_nothing() {
    let world = World::new().await;
    let body = event("evt_1", "checkout.session.completed", &json!({}));
    let first = deliver(&world, &body).await;
    assert_eq!((first.status.as_u16(), &first.body["outcome"]), (200, &"enqueued".into()));
    let again = world.ask(delivery(&body, &signature(&body, "whsec_new", 200))).await;
    assert_eq!((again.status.as_u16(), &again.body["outcome"]), (200, &"duplicate".into()));

    let other = event("evt_2", "customer.discount.created", &json!({}));
    assert_eq!(deliver(&world, &other).await.body["outcome"], "ignored");
    let kept = world.inbox().await;
    assert_eq!(kept.len(), 2);
    let recorded = kept.iter().find(|event| event.event_id == "evt_1").unwrap();
    assert_eq!(recorded.payload, body);
    assert_eq!(first.body["jobId"], recorded.job.unwrap().to_string());
    assert_eq!(recorded.headers, json!({ "user-agent": "Stripe/1.0" }), "no cookie, no signature");
    world.close().await;
}

#[tokio::test]
async fn without_its_database_nothing_is_acknowledged_and_the_next_delivery_counts() {
    let body = event("evt_1", "checkout.session.completed", &json!({}));
    let away = server(&nowhere().await, &[]);
    let answer = ask(&away, delivery(&body, &signature(&body, "whsec_new", 0))).await;
    answer.is_problem(503);
    assert!(answer.headers.contains_key(RETRY_AFTER));
    let world = World::new().await;
    assert_eq!(deliver(&world, &body).await.body["outcome"], "enqueued");
    assert_eq!(world.inbox().await.len(), 1);
    world.close().await;
}

/// Runs the events' queue until each event is settled.
async fn settle(world: &World) {
    let app = App {
        stripe: None,
        twilio: None,
        whatsapp: None,
        email: None,
        courier: Courier::new(Targets::Public).unwrap(),
        provisioning: Settings {
            public_base_url: String::new(),
            default_country: input::country("US").unwrap(),
            candidates: 1,
            regulated_countries: Vec::new(),
            look_again: std::time::Duration::from_secs(60),
            settle: std::time::Duration::from_secs(30),
        },
    };
    let config = WorkerConfig {
        queues: vec![("webhooks".to_owned(), 4)],
        poll_min: std::time::Duration::from_millis(2),
        poll_max: std::time::Duration::from_millis(20),
        listen: false,
        ..WorkerConfig::default()
    };
    let worker = Worker::new(world.pool().clone(), Arc::new(app), Arc::new(registry()), config);
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker.run_until(stop.clone()));
    let settled = async {
        while world.inbox().await.iter().any(|event| event.state == EventState::Received) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), settled).await.unwrap();
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_event_that_fits_no_workspace_stays_visible_with_the_reason() {
    let world = World::new().await;
    let known = input::workspace(KNOWN).unwrap();
    let mut conn = world.pool().acquire().await.unwrap();
    workspaces::ensure(&mut conn, known).await.unwrap();
    workspaces::bind_customer(&mut conn, known, "cus_known").await.unwrap();
    drop(conn);
    let checkout = |workspace: &str, customer: &str| json!({ "client_reference_id": workspace, "customer": customer, "payment_status": "paid" });
    let kind = "checkout.session.completed";
    let cases = [
        ("evt_none", json!({ "customer": "cus_new" }), "names no workspace"),
        ("evt_odd", checkout("studio 7", "cus_new"), "no UUID"),
        ("evt_unknown", checkout(UNKNOWN, "cus_new"), "not registered"),
        ("evt_foreign", checkout(UNKNOWN, "cus_known"), "a customer never moves"),
    ];
    for (id, object, _) in &cases {
        assert_eq!(deliver(&world, &event(id, kind, object)).await.body["outcome"], "enqueued");
    }
    let right = event("evt_right", kind, &checkout(KNOWN, "cus_known"));
    assert_eq!(deliver(&world, &right).await.status, 200);
    settle(&world).await;
    let kept = world.inbox().await;
    for (id, _, reason) in cases {
        let event = kept.iter().find(|event| event.event_id == id).unwrap();
        assert_eq!(event.state, EventState::Unroutable, "{id}");
        assert!(
            event.reason.as_ref().is_some_and(|told| told.contains(reason)),
            "{:?}",
            event.reason
        );
    }
    let right = kept.iter().find(|event| event.event_id == "evt_right").unwrap();
    assert_eq!((right.state, right.workspace), (EventState::Processed, Some(known)));
    let status = world.api("GET", &format!("/api/autopilot/status?workspaceId={KNOWN}"), "").await;
    assert_eq!(status.body["run"]["status"], "queued", "a paid checkout starts the provisioning");
    assert!(status.body["dueSince"].is_string());
    world.close().await;
}
