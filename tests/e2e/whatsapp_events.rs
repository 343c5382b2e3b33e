//! What WhatsApp tells of messages and of members.

use std::time::Duration;

use autopilot_tests::Studio;
use autopilot_workflows::state::contacts::{self, Person};
use autopilot_workflows::state::messages::{self, State};
use autopilot_workflows::tenancy::Tenant;
use autopilot_workflows::webhooks::forget::ForgetEvents;
use autopilot_workflows::webhooks::route_again::RouteAgain;
use autopilot_workflows::webhooks::{Delivery, Received, whatsapp};
use serde_json::{Value, json};
use uuid::Uuid;

const AT: i64 = 1_800_000_000;

/// A delivery of WhatsApp's with one message or one status.
fn delivery(kind: &str, part: &Value) -> Delivery {
    let value = json!({ "metadata": { "phone_number_id": "106" }, "contacts": [{ "wa_id": "491701234567" }], kind: [part] });
    let post =
        json!({ "entry": [{ "changes": [{ "field": "messages", "value": value }] }] }).to_string();
    let read = whatsapp::read(&post.into(), &json!({}), |_| "digest".to_owned()).unwrap();
    read.into_iter().next().unwrap()
}

/// A message of the studio's to a member, as if it had been sent.
async fn sent(studio: &Studio) -> (Uuid, Uuid) {
    let id = Uuid::now_v7();
    let mut tenant = Tenant::begin(studio.world.pool(), studio.workspace).await.unwrap();
    let person = Person { wa_id: Some("491701234567"), user_id: None };
    let contact = contacts::ensure(&mut tenant, Uuid::now_v7(), person).await.unwrap();
    messages::intend(&mut tenant, id, contact.id, &json!({})).await.unwrap();
    messages::come_to(&mut tenant, id, State::Accepted, None, None).await.unwrap();
    tenant.finish().await.unwrap();
    (id, contact.id)
}

#[tokio::test]
async fn statuses_of_a_message_in_any_order_end_at_the_last_one() {
    let studio = Studio::new().await;
    for (order, last) in [
        (["sent", "delivered", "read"], "read"),
        (["read", "delivered", "sent"], "read"),
        (["delivered", "sent", "delivered"], "delivered"),
        (["failed", "sent", "delivered"], "failed"),
        (["sent", "delivered", "failed"], "failed"),
    ] {
        let (id, _) = sent(&studio).await;
        for (at, status) in order.iter().enumerate() {
            let status = json!({
                "id": format!("wamid.{id}"), "status": status, "timestamp": (AT + 10 * i64::try_from(at).unwrap()).to_string(),
                "recipient_id": "491701234567", "biz_opaque_callback_data": messages::name(studio.workspace, id),
                "errors": [{ "code": 131_026 }],
            });
            let _enqueued = studio.receive_all(&[delivery("statuses", &status)]).await;
            studio.world.drain().await;
        }
        let row = format!(
            "SELECT concat_ws(' ', state, message_id) FROM studio.message WHERE id = '{id}'"
        );
        assert_eq!(studio.world.texts(&row).await, [format!("{last} wamid.{id}")], "{order:?}");
    }
    assert_eq!(studio.world.count("studio.inbox WHERE state <> 'processed'").await, 0);
    studio.finish().await;
}

#[tokio::test]
async fn a_members_answer_finds_the_studio_that_wrote_and_stop_is_heard() {
    let studio = Studio::new().await;
    let (id, contact) = sent(&studio).await;
    let answer = |id: &str, text: &str, at: i64| json!({ "from": "491701234567", "id": id, "timestamp": (AT + at).to_string(), "type": "text", "text": { "body": text } });
    let unknown = delivery("messages", &answer("wamid.a", "Wer ist da?", 0));
    let [received] = studio.receive_all(&[unknown]).await.try_into().unwrap();
    assert!(matches!(received, Received::Enqueued(_)));
    studio.world.drain().await;
    assert_eq!(
        studio.world.count("studio.inbox WHERE state = 'unroutable'").await,
        1,
        "nobody has written"
    );
    let status = json!({ "id": "wamid.ours", "status": "sent", "timestamp": AT.to_string(), "biz_opaque_callback_data": messages::name(studio.workspace, id) });
    let _enqueued = studio.receive_all(&[delivery("statuses", &status)]).await;
    studio.world.drain().await;
    let mut reply = answer("wamid.b", " STOPP! ", 60);
    reply["context"] = json!({ "id": "wamid.ours" });
    for message in [reply, answer("wamid.c", "Doch nicht", 30)] {
        let _enqueued = studio.receive_all(&[delivery("messages", &message)]).await;
    }
    studio.world.drain().await;
    let row = format!(
        "SELECT concat_ws(' ', extract(epoch FROM last_inbound_at)::bigint, extract(epoch FROM opted_out_at)::bigint) FROM studio.contact WHERE id = '{contact}'"
    );
    assert_eq!(studio.world.texts(&row).await, [format!("{} {}", AT + 60, AT + 60)]);
    studio.finish().await;
}

#[tokio::test]
async fn a_member_who_has_stopped_messages_at_metas_is_taken_at_their_word() {
    let studio = Studio::new().await;
    for (code, expected) in [(131_026, ""), (131_050, "opted out")] {
        let (id, contact) = sent(&studio).await;
        let status = json!({
            "id": format!("wamid.{id}"), "status": "failed", "timestamp": AT.to_string(),
            "biz_opaque_callback_data": messages::name(studio.workspace, id), "errors": [{ "code": code }],
        });
        let _enqueued = studio.receive_all(&[delivery("statuses", &status)]).await;
        studio.world.drain().await;
        let row = format!(
            "SELECT CASE WHEN opted_out_at IS NULL THEN '' ELSE 'opted out' END FROM studio.contact WHERE id = '{contact}'"
        );
        assert_eq!(studio.world.texts(&row).await, [expected], "{code}");
    }
    studio.finish().await;
}

#[tokio::test]
async fn a_strangers_message_is_looked_at_again_for_an_hour_and_forgotten_after_a_month() {
    let studio = Studio::new().await;
    let message = json!({ "from": "491701234567", "id": "wamid.a", "timestamp": AT.to_string(), "type": "text", "text": { "body": "Hallo" } });
    let _enqueued = studio.receive_all(&[delivery("messages", &message)]).await;
    studio.world.drain().await;
    let looks = async |again: RouteAgain| {
        let before = studio.world.count("engine.history").await;
        studio.world.enqueue(&again).await;
        studio.world.drain().await;
        // Its own end is one of them.
        studio.world.count("engine.history").await - before - 1
    };
    assert_eq!(looks(RouteAgain::default()).await, 0, "a new studio is not who the stranger is");
    let now = studio.world.clock.now().await.unwrap();
    assert_eq!(looks(RouteAgain::of_late(now)).await, 1);
    assert_eq!(studio.world.count("studio.inbox WHERE state = 'unroutable'").await, 1);
    studio.world.clock.advance(Duration::from_secs(31 * 24 * 3600)).await.unwrap();
    let now = studio.world.clock.now().await.unwrap();
    assert_eq!(looks(RouteAgain::of_late(now)).await, 0);
    studio.world.enqueue(&ForgetEvents {}).await;
    studio.world.drain().await;
    assert_eq!(studio.world.count("studio.inbox").await, 0);
    studio.finish().await;
}
