//! WhatsApp's webhook: the handshake, and deliveries of many events, each of which is one of ours.

use autopilot_workflows::state::inbox::EventState;
use autopilot_workflows::state::provider::Provider;
use axum::body::Body;
use axum::http::Request;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::super::whatsapp_signature::HEADER;
use super::{Answer, World};

pub(super) const SETTINGS: [(&str, &str); 2] =
    [("WHATSAPP_APP_SECRET", "app-secret"), ("WHATSAPP_VERIFY_TOKEN", "chosen")];

pub(super) fn signature(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"app-secret").unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

async fn deliver(world: &World, body: &str) -> Answer {
    let request = Request::post("/webhooks/whatsapp").header(HEADER, signature(body.as_bytes()));
    world.ask(request.body(Body::from(body.to_owned())).unwrap()).await
}

fn message(id: &str, text: &str) -> Value {
    json!({ "from": "491701234567", "id": id, "timestamp": "1749416383", "type": "text", "text": { "body": text } })
}

fn status(id: &str, status: &str) -> Value {
    json!({ "id": id, "status": status, "timestamp": "1749416384", "recipient_id": "491701234567" })
}

fn post(messages: &[Value], statuses: &[Value]) -> String {
    let value = json!({
        "messaging_product": "whatsapp",
        "metadata": { "display_phone_number": "4930", "phone_number_id": "106" },
        "contacts": [{ "profile": { "name": "M\u{fc}ller" }, "wa_id": "491701234567" }],
        "messages": messages, "statuses": statuses,
    });
    json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": [{ "field": "messages", "value": value }] }] })
        .to_string()
}

/// Type, id and state of all events, in the order of their ids.
async fn events(world: &World) -> Vec<String> {
    let mut events: Vec<String> = world
        .inbox()
        .await
        .iter()
        .map(|event| format!("{} {} {}", event.event_id, event.event_type, event.state.name()))
        .collect();
    events.sort();
    events
}

#[tokio::test]
async fn the_handshake_is_answered_to_whoever_knows_the_chosen_token() {
    let world = World::with(&SETTINGS).await;
    let shake = async |query: &str| {
        let request = Request::get(format!("/webhooks/whatsapp?{query}"));
        world.plain(request.body(Body::empty()).unwrap()).await
    };
    let right = "hub.mode=subscribe&hub.verify_token=chosen&hub.challenge=1158201444";
    assert_eq!(
        shake(right).await,
        (200, "text/plain; charset=utf-8".to_owned(), "1158201444".to_owned())
    );
    for wrong in [
        right.replace("chosen", "other"),
        right.replace("subscribe", "unsubscribe"),
        right.replace("hub.verify_token=chosen&", ""),
        String::new(),
    ] {
        assert_eq!(shake(&wrong).await.0, 403, "{wrong}");
    }
    world.close().await;
}

#[tokio::test]
async fn every_message_and_status_of_a_delivery_is_an_event_with_a_job_once() {
    let world = World::with(&SETTINGS).await;
    let both = post(
        &[message("wamid.1", "Hallo"), message("wamid.2", "STOPP")],
        &[status("wamid.0", "sent"), status("wamid.0", "read")],
    );
    assert_eq!(deliver(&world, &both).await.status, 200);
    let expected = [
        "wamid.0:read status.read received",
        "wamid.0:sent status.sent received",
        "wamid.1 message.text received",
        "wamid.2 message.text received",
    ];
    assert_eq!(events(&world).await, expected);
    let jobs: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM studio.inbox i JOIN engine.job j ON j.id = i.job_id WHERE j.kind = 'whatsapp.event'",
    )
    .fetch_one(world.pool())
    .await
    .unwrap();
    assert_eq!(jobs, 4);
    // Again as a whole, and one of them in another company.
    assert_eq!(deliver(&world, &both).await.status, 200);
    let other = post(&[message("wamid.2", "STOPP"), message("wamid.3", "Danke")], &[]);
    assert_eq!(deliver(&world, &other).await.status, 200);
    assert_eq!(events(&world).await.len(), 5);
    let kept = world.inbox().await;
    let one = kept.iter().find(|event| event.event_id == "wamid.2").unwrap();
    assert_eq!(one.provider, Provider::Whatsapp);
    assert_eq!(one.occurred_at.unwrap().timestamp(), 1_749_416_383);
    let body: Value = serde_json::from_slice(&one.payload).unwrap();
    assert_eq!(body["message"], message("wamid.2", "STOPP"));
    assert_eq!(body["metadata"]["phone_number_id"], "106");
    assert_eq!(body["contacts"][0]["profile"]["name"], "M\u{fc}ller");
    assert_eq!(body.get("status"), None, "only its own part");
    world.close().await;
}

#[tokio::test]
async fn what_nobody_acts_on_and_what_cannot_be_read_is_kept() {
    let world = World::with(&SETTINGS).await;
    let template = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "time": 1_749_416_383, "changes": [
        { "field": "message_template_status_update", "value": { "event": "PAUSED", "message_template_name": "hello" } }
    ] }] });
    assert_eq!(deliver(&world, &template.to_string()).await.status, 200);
    assert_eq!(deliver(&world, &template.to_string()).await.status, 200, "again: a duplicate");
    for body in ["no JSON", "{}", "{\"entry\":[]}", "{\"entry\":[{\"changes\":[{\"field\":1}]}]}"] {
        assert_eq!(deliver(&world, body).await.status, 200, "{body}");
    }
    let unnamed =
        post(&[json!({ "type": "text" }), message("", "x"), message("a\u{0}b", "x")], &[]);
    assert_eq!(deliver(&world, &unnamed).await.status, 200);
    let mut states: Vec<(String, EventState)> =
        world.inbox().await.into_iter().map(|event| (event.event_type, event.state)).collect();
    states.sort_by(|a, b| a.0.cmp(&b.0));
    let count = |kind: &str| states.iter().filter(|(own, _)| own == kind).count();
    assert_eq!(
        (count("message_template_status_update"), count("unreadable"), count("messages")),
        (1, 7, 0)
    );
    assert!(states.iter().all(|(kind, state)| *state
        == if kind == "unreadable" { EventState::Failed } else { EventState::Ignored }));
    world.close().await;
}

#[tokio::test]
async fn a_delivery_that_is_not_signed_is_refused_and_not_recorded() {
    let world = World::with(&SETTINGS).await;
    let body = post(&[message("wamid.1", "Hallo")], &[]);
    let right = signature(body.as_bytes());
    for header in ["", "sha256=", &right[..70], &right.to_uppercase(), &signature(b"other")] {
        let request = Request::post("/webhooks/whatsapp").header(HEADER, header);
        let answer = world.ask(request.body(Body::from(body.clone())).unwrap()).await;
        answer.is_problem(403);
    }
    assert!(world.inbox().await.is_empty());
    world.close().await;
}

#[tokio::test]
async fn a_handshake_that_cannot_be_read_is_refused_as_everything_is() {
    let world = World::with(&SETTINGS).await;
    let twice = "/webhooks/whatsapp?hub.mode=subscribe&hub.verify_token=a&hub.verify_token=b";
    let answer = world.ask(Request::get(twice).body(Body::empty()).unwrap()).await;
    answer.is_problem(422);
    assert!(answer.body["errors"][0].as_str().unwrap().contains("hub.verify_token"));
    world.close().await;
}
