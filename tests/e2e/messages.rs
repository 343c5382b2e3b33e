//! A message to a member arrives once, whatever happens while it is sent; or a person is asked, with what is known.

use std::time::Duration;

use autopilot_engine::ops::breakers::{self, Guarded};
use autopilot_engine::ops::{self, Resolution};
use autopilot_engine::testing::Place;
use autopilot_engine::{JobId, NewJob};
use autopilot_sandbox::{Fault, Kind, Provider, Rule};
use autopilot_tests::{Studio, crash_at_every_step};
use autopilot_workflows::integrations::whatsapp::Content;
use autopilot_workflows::messages::{IfUnknown, SendMessage};
use autopilot_workflows::state::contacts::{self, Person};
use autopilot_workflows::state::messages;
use autopilot_workflows::tenancy::Tenant;
use autopilot_workflows::webhooks::whatsapp;
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

/// Longer than anything is waited for.
const LONG: Duration = Duration::from_secs(31 * 60);

fn template() -> Content {
    Content::Template {
        name: "hello".to_owned(),
        language: "de".to_owned(),
        variables: vec!["Anna".to_owned()],
    }
}

async fn contact(studio: &Studio) -> Uuid {
    let mut tenant = Tenant::begin(studio.world.pool(), studio.workspace).await.unwrap();
    let person = Person { wa_id: Some("491701234567"), user_id: None };
    let contact = contacts::ensure(&mut tenant, Uuid::now_v7(), person).await.unwrap();
    tenant.finish().await.unwrap();
    contact.id
}

async fn message(studio: &Studio, content: Content, if_unknown: IfUnknown) -> SendMessage {
    let (workspace, contact) = (studio.workspace, contact(studio).await);
    SendMessage { workspace, id: Uuid::now_v7(), contact, content, if_unknown }
}

async fn submit(studio: &Studio, message: &SendMessage) -> JobId {
    studio.world.add(NewJob::of(message).unwrap()).await
}

/// The messages that the provider has really sent.
async fn effects(studio: &Studio) -> Vec<Value> {
    let ledger = studio.sandbox.ledger().await.unwrap();
    let sent = ledger.into_iter().filter(|record| {
        record.entry.operation == "whatsapp.send_message" && record.entry.kind == Kind::Effect
    });
    sent.map(|record| record.entry.detail).collect()
}

/// WhatsApp tells of what it has sent.
async fn tell(studio: &Studio, message: &SendMessage) {
    for effect in effects(studio).await {
        let status = json!({
            "id": effect.get("id"), "status": "sent", "timestamp": Utc::now().timestamp().to_string(), "recipient_id": "491701234567",
            "biz_opaque_callback_data": messages::name(message.workspace, message.id),
        });
        let value = json!({ "metadata": { "phone_number_id": "106" }, "statuses": [status] });
        let post = json!({ "entry": [{ "changes": [{ "field": "messages", "value": value }] }] })
            .to_string();
        let read = whatsapp::read(&post.into(), &json!({}), |_| "digest".to_owned()).unwrap();
        let _enqueued = studio.receive_all(&read).await;
    }
    studio.world.drain().await;
}

async fn state(studio: &Studio) -> String {
    studio
        .world
        .texts("SELECT concat_ws(' ', state, (message_id IS NOT NULL)::text) FROM studio.message")
        .await
        .concat()
}

#[tokio::test]
async fn whatever_the_provider_does_one_message_arrives_or_a_person_is_asked() {
    // What comes of it: how often it was sent, and where the job stands, before WhatsApp has told and after.
    for (fault, sent, before, after) in [
        (None, 1, "completed", "completed"),
        (Some(Fault::ResetBefore), 0, "ready", "review"),
        (Some(Fault::ResetAfter), 1, "ready", "completed"),
        (Some(Fault::Stall), 1, "ready", "completed"),
        (Some(Fault::Hang), 0, "ready", "review"),
        (Some(Fault::Malformed), 1, "ready", "completed"),
        (Some(Fault::Status { status: 500, retry_after: None, body: None }), 0, "ready", "review"),
        (
            Some(Fault::Status { status: 429, retry_after: Some(1), body: None }),
            1,
            "completed",
            "completed",
        ),
        (Some(Fault::Auth), 0, "failed", "failed"),
    ] {
        let studio = Studio::with_calls_of(Duration::from_secs(1)).await;
        let what = format!("{fault:?}");
        if let Some(fault) = fault {
            studio.sandbox.faults().add(Rule::new(Provider::Whatsapp, fault).times(1));
        }
        let message = message(&studio, template(), IfUnknown::Ask).await;
        let job = submit(&studio, &message).await;
        // Retries come, what waits does not.
        for _ in 0..5 {
            studio.world.drain().await;
            studio.world.clock.advance(Duration::from_secs(60)).await.unwrap();
        }
        studio.world.drain().await;
        assert_eq!(effects(&studio).await.len(), sent, "{what}");
        assert_eq!(studio.world.standing(job).await, before, "{what}");
        tell(&studio, &message).await;
        studio.world.clock.advance(LONG).await.unwrap();
        studio.world.drain().await;
        assert_eq!(studio.world.standing(job).await, after, "{what}");
        assert_eq!(effects(&studio).await.len(), sent, "nothing twice: {what}");
        if after == "completed" {
            assert!(state(&studio).await.ends_with(" true"), "{what}: {}", state(&studio).await);
        }
        if after == "review" {
            ops::resolve(studio.world.pool(), job, &Resolution::Redo).await.unwrap();
            // The attempt that asked has its share of the pace.
            studio.world.clock.advance(Duration::from_secs(6)).await.unwrap();
            studio.world.drain().await;
            assert_eq!(studio.world.standing(job).await, "completed", "{what}");
            assert_eq!(
                effects(&studio).await.len(),
                1,
                "a person knew that it had not been sent: {what}"
            );
        }
        studio.world.close().await;
    }
}

#[tokio::test]
async fn a_message_that_nobody_waits_for_is_left_where_nobody_can_tell() {
    let studio = Studio::with_calls_of(Duration::from_secs(1)).await;
    studio.sandbox.faults().add(Rule::new(Provider::Whatsapp, Fault::Stall).times(1));
    let message = message(&studio, template(), IfUnknown::Leave).await;
    let job = submit(&studio, &message).await;
    for _ in 0..5 {
        studio.world.drain().await;
        studio.world.clock.advance(LONG).await.unwrap();
    }
    studio.world.drain().await;
    assert_eq!(studio.world.standing(job).await, "completed");
    assert_eq!(
        (effects(&studio).await.len(), state(&studio).await.as_str()),
        (1, "withheld false")
    );
    studio.world.close().await;
}

#[tokio::test]
async fn a_sending_that_is_killed_at_any_boundary_sends_once_at_most() {
    let workspace = autopilot_engine::WorkspaceId::now_v7();
    let (id, contact_id) = (Uuid::now_v7(), Uuid::now_v7());
    let job = SendMessage {
        workspace,
        id,
        contact: contact_id,
        content: template(),
        if_unknown: IfUnknown::Leave,
    };
    let providers = tokio::sync::Mutex::new(None);
    let make = async || {
        let Studio { mut world, sandbox, .. } = Studio::paid_as(workspace).await;
        world.config.heartbeat = Duration::from_millis(50);
        let mut tenant = Tenant::begin(world.pool(), workspace).await.unwrap();
        let person = Person { wa_id: Some("491701234567"), user_id: None };
        let made = contacts::ensure(&mut tenant, contact_id, person).await.unwrap();
        assert_eq!(made.id, contact_id);
        tenant.finish().await.unwrap();
        *providers.lock().await = Some(sandbox);
        world
    };
    let check = async |world: &autopilot_tests::World<_>, place: &Place| {
        let providers = providers.lock().await;
        let ledger = providers.as_ref().unwrap().ledger().await.unwrap();
        let sent = ledger.iter().filter(|record| {
            record.entry.operation == "whatsapp.send_message" && record.entry.kind == Kind::Effect
        });
        let sent = sent.count();
        let states = world.texts("SELECT state FROM studio.message").await.concat();
        // What was not sent for certain is sent; of what may have been, it is said so.
        let expected: &[(usize, &str)] = &[(1, "accepted"), (1, "withheld"), (0, "withheld")];
        assert!(
            expected.contains(&(sent, states.as_str())),
            "killed at {place}: sent {sent} times, {states}"
        );
    };
    let crashes = crash_at_every_step(make, &job, check).await;
    assert!(crashes >= 14, "{crashes} crashes");
}

#[tokio::test]
async fn who_wants_nothing_and_who_has_not_written_for_a_day_gets_nothing() {
    let studio = Studio::new().await;
    let text = || Content::Text { body: "Wann sehen wir dich?".to_owned() };
    let now = Utc::now();
    for (content, wrote, opted_out, expected) in [
        (text(), None, None, "withheld"),
        (text(), Some(now - TimeDelta::hours(25)), None, "withheld"),
        (text(), Some(now - TimeDelta::hours(23)), None, "accepted"),
        (template(), None, None, "accepted"),
        (template(), Some(now), Some(now), "withheld"),
    ] {
        let contact = contact(&studio).await;
        let mut tenant = Tenant::begin(studio.world.pool(), studio.workspace).await.unwrap();
        if let Some(at) = wrote {
            contacts::wrote(&mut tenant, contact, at).await.unwrap();
        }
        if let Some(at) = opted_out {
            contacts::opted_out(&mut tenant, contact, at).await.unwrap();
        }
        tenant.finish().await.unwrap();
        let what = format!("{content:?} {wrote:?} {opted_out:?}");
        let message = SendMessage {
            workspace: studio.workspace,
            id: Uuid::now_v7(),
            contact,
            content,
            if_unknown: IfUnknown::Ask,
        };
        submit(&studio, &message).await;
        studio.world.drain_all().await;
        let row = format!("SELECT state FROM studio.message WHERE id = '{}'", message.id);
        assert_eq!(studio.world.texts(&row).await, [expected], "{what}");
        // The next one is another member.
        studio.world.execute("UPDATE studio.contact SET wa_id = wa_id || '0' || extract(epoch FROM clock_timestamp())::text").await;
    }
    studio.finish().await;
}

#[tokio::test]
async fn who_writes_stop_while_a_message_waits_does_not_get_it() {
    let studio = Studio::new().await;
    let (world, whatsapp) = (&studio.world, Guarded::parse("whatsapp").unwrap());
    breakers::trip(world.pool(), &whatsapp, "ada", "they announced maintenance").await.unwrap();
    let message = message(&studio, template(), IfUnknown::Ask).await;
    let job = submit(&studio, &message).await;
    world.drain().await;
    assert_eq!(
        (world.standing(job).await.as_str(), state(&studio).await.as_str()),
        ("ready", "intended false")
    );
    let mut tenant = Tenant::begin(world.pool(), studio.workspace).await.unwrap();
    contacts::opted_out(&mut tenant, message.contact, Utc::now()).await.unwrap();
    tenant.finish().await.unwrap();
    breakers::reset(world.pool(), &whatsapp, "ada", "they are back").await.unwrap();
    world.drain_all().await;
    assert_eq!(world.standing(job).await, "completed");
    assert_eq!(
        (effects(&studio).await.len(), state(&studio).await.as_str()),
        (0, "withheld false")
    );
    studio.finish().await;
}

#[tokio::test]
async fn a_studio_whose_message_was_refused_is_not_the_one_that_is_answered() {
    let studio = Studio::new().await;
    let refused = json!({ "error": { "code": 131_049, "message": "not delivered, to keep the ecosystem healthy" } });
    let fault = Fault::Status { status: 400, retry_after: None, body: Some(refused) };
    let routes = "studio.route WHERE name = 'contact:491701234567'";
    for (fault, known) in [(Some(fault), 0), (None, 1)] {
        if let Some(fault) = fault {
            studio.sandbox.faults().add(Rule::new(Provider::Whatsapp, fault).times(1));
        }
        submit(&studio, &message(&studio, template(), IfUnknown::Ask).await).await;
        studio.world.drain_all().await;
        assert_eq!(studio.world.count(routes).await, known);
    }
    studio.finish().await;
}
