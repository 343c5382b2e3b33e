//! Studios' own programs are told what happens: signed, in the same words each time, and for days.

mod listener;

use std::time::Duration;

use autopilot_tests::{Studio, eventually};
use autopilot_workflows::integrations::courier::{Secret, sign};
use autopilot_workflows::outbound;
use autopilot_workflows::outbound::EventType::{self, StudioProvisioned, SubscriptionChanged};
use autopilot_workflows::state::{deliveries, endpoints};
use autopilot_workflows::tenancy::Tenant;
use serde_json::{Value, json};
use uuid::Uuid;

use listener::Listener;

const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";
const OTHER: &str = "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4";

async fn endpoint(studio: &Studio, url: &str, events: &[&str]) -> Uuid {
    let (id, vault) = (Uuid::now_v7(), studio.world.vault.as_ref().unwrap());
    let events: Vec<String> = events.iter().map(|event| (*event).to_owned()).collect();
    let mut tenant = Tenant::begin(studio.world.pool(), studio.workspace).await.unwrap();
    endpoints::create(&mut tenant, vault, id, url, &events, &SECRET.into()).await.unwrap();
    tenant.finish().await.unwrap();
    id
}

async fn tell(studio: &Studio, kind: EventType) -> usize {
    let mut tx = studio.world.pool().begin().await.unwrap();
    let told =
        outbound::tell(&mut tx, studio.workspace, kind, &json!({ "number": 7 })).await.unwrap();
    tx.commit().await.unwrap();
    told
}

#[tokio::test]
async fn an_event_is_told_once_it_is_committed_to_whoever_wants_it_and_signed() {
    let studio = Studio::new().await;
    let (all, some) = (Listener::default(), Listener::default());
    endpoint(&studio, &all.start().await, &[]).await;
    let id = endpoint(&studio, &some.start().await, &["subscription.changed"]).await;
    let mut tx = studio.world.pool().begin().await.unwrap();
    assert_eq!(
        outbound::tell(&mut tx, studio.workspace, SubscriptionChanged, &json!({})).await.unwrap(),
        2
    );
    tx.rollback().await.unwrap();
    studio.world.drain().await;
    assert_eq!((all.heard().len(), some.heard().len()), (0, 0), "it has not happened");

    assert_eq!(tell(&studio, SubscriptionChanged).await, 2);
    assert_eq!(tell(&studio, StudioProvisioned).await, 1);
    studio.world.drain().await;
    assert_eq!((all.heard().len(), some.heard().len()), (2, 1));
    let (headers, body) = some.heard().remove(0);
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let secrets = [Secret::parse(SECRET).unwrap()];
    let timestamp: i64 = text("webhook-timestamp").parse().unwrap();
    assert_eq!(text("webhook-signature"), sign(&text("webhook-id"), timestamp, &body, &secrets));
    let said: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&said["type"], &said["data"]["number"]),
        (&json!("subscription.changed"), &json!(7))
    );

    // While the secret is changed both sign, for as long as was said.
    let mut tenant = Tenant::begin(studio.world.pool(), studio.workspace).await.unwrap();
    let until = chrono::Utc::now() + chrono::TimeDelta::hours(24);
    let vault = studio.world.vault.as_ref().unwrap();
    assert!(endpoints::rotate(&mut tenant, vault, id, &OTHER.into(), until).await.unwrap());
    tenant.finish().await.unwrap();
    for signatures in [2, 1] {
        tell(&studio, SubscriptionChanged).await;
        studio.world.drain().await;
        let (headers, _) = some.heard().pop().unwrap();
        assert_eq!(headers["webhook-signature"].to_str().unwrap().split(' ').count(), signatures);
        studio.world.clock.advance(Duration::from_secs(25 * 3600)).await.unwrap();
    }
    studio.finish().await;
}

#[tokio::test]
async fn what_is_not_taken_is_told_again_in_the_same_words_and_every_post_is_noted() {
    let studio = Studio::new().await;
    let listener = Listener::default();
    endpoint(&studio, &listener.start().await, &[]).await;
    listener.answer(&[(500, None), (429, Some(90)), (404, None)]);
    tell(&studio, StudioProvisioned).await;
    studio.world.drain_all().await;
    let heard = listener.heard();
    assert_eq!(heard.len(), 4);
    let ids: Vec<_> =
        heard.iter().map(|(headers, body)| (headers["webhook-id"].clone(), body.clone())).collect();
    assert!(ids.iter().all(|one| *one == ids[0]), "{ids:?}");
    let mut tenant = Tenant::begin(studio.world.pool(), studio.workspace).await.unwrap();
    let [delivery] = deliveries::list(&mut tenant, deliveries::Filter::default(), 10)
        .await
        .unwrap()
        .try_into()
        .unwrap();
    assert!(delivery.delivered_at.is_some());
    let attempts = deliveries::attempts(&mut tenant, delivery.id).await.unwrap();
    assert_eq!(
        attempts.iter().map(|attempt| attempt.status).collect::<Vec<_>>(),
        [Some(500), Some(429), Some(404), Some(200)]
    );
    let waited = attempts[2].at - attempts[1].at;
    assert!(waited >= chrono::TimeDelta::seconds(90), "{waited}");
    let all = endpoints::list(&mut tenant).await.unwrap();
    assert_eq!((all[0].failures, all[0].failing_since), (0, None), "all is well again");
    tenant.finish().await.unwrap();
    studio.finish().await;
}

#[tokio::test]
async fn an_endpoint_that_fails_in_a_row_is_left_alone_for_a_while_and_after_days_for_good() {
    let studio = Studio::new().await;
    let listener = Listener::default();
    endpoint(&studio, &listener.start().await, &[]).await;
    listener.answer(&[(500, None); 200]);
    for _ in 0..20 {
        tell(&studio, StudioProvisioned).await;
    }
    studio.world.drain().await;
    let first = listener.heard().len();
    assert!((5..=8).contains(&first), "five in a row, and those that were under way: {first}");
    // It is left alone for an hour at most.
    let looks = 5 * 24 / 3 + 1;
    for _ in 0..looks {
        studio.world.clock.advance(Duration::from_secs(3 * 3600)).await.unwrap();
        studio.world.drain().await;
    }
    let tried = listener.heard().len() - first;
    assert!((20..=looks).contains(&tried), "one at a time: {tried} of {looks}");
    let mut tenant = Tenant::begin(studio.world.pool(), studio.workspace).await.unwrap();
    let all = endpoints::list(&mut tenant).await.unwrap();
    let why = all[0].disabled_why.clone().unwrap_or_default();
    assert!(why.contains("5 days"), "{why:?}");
    tenant.finish().await.unwrap();
    let before = listener.heard().len();
    assert_eq!(tell(&studio, StudioProvisioned).await, 0, "nobody is told");
    studio.world.drain_all().await;
    assert_eq!(listener.heard().len(), before);
    studio.world.close().await;
}

#[tokio::test]
async fn what_waits_for_an_endpoint_is_told_as_soon_as_one_trial_has_gone_well() {
    let studio = Studio::new().await;
    let (world, listener) = (&studio.world, Listener::default());
    endpoint(&studio, &listener.start().await, &[]).await;
    listener.answer(&[(500, None); 5]);
    world.clock.freeze().await.unwrap(); // So that nothing is tried again before it is to be.
    for _ in 0..5 {
        tell(&studio, StudioProvisioned).await;
        world.drain().await;
    }
    world.clock.advance(Duration::from_secs(3600)).await.unwrap();
    let held = listener.gate.lock().await;
    let let_go = async {
        let waiting = "engine.job WHERE run_at > engine.now()";
        eventually("one tries, four wait", async || world.count(waiting).await == 4).await;
        drop(held);
    };
    tokio::join!(world.drain(), let_go);
    assert_eq!(world.count("studio.delivery WHERE delivered_at IS NULL").await, 0);
    assert_eq!(listener.heard().len(), 5 + 5);
    studio.finish().await;
}

#[tokio::test]
async fn who_is_gone_is_told_nothing_more_and_what_was_told_can_be_told_again_by_its_id() {
    let studio = Studio::new().await;
    let (gone, there) = (Listener::default(), Listener::default());
    gone.answer(&[(410, None)]);
    endpoint(&studio, &gone.start().await, &[]).await;
    endpoint(&studio, &there.start().await, &[]).await;
    tell(&studio, StudioProvisioned).await;
    studio.world.drain_all().await;
    assert_eq!(tell(&studio, StudioProvisioned).await, 1);
    studio.world.drain_all().await;
    assert_eq!((gone.heard().len(), there.heard().len()), (1, 2));
    let mut tx = studio.world.pool().begin().await.unwrap();
    let mut tenant = Tenant::enter(&mut tx, studio.workspace).await.unwrap();
    let all = deliveries::list(&mut tenant, deliveries::Filter::default(), 10).await.unwrap();
    tenant.finish().await.unwrap();
    let taken: Vec<Uuid> =
        all.iter().filter(|one| one.delivered_at.is_some()).map(|one| one.id).collect();
    assert_eq!(taken.len(), 2);
    outbound::deliver(&mut tx, studio.workspace, &taken[..1]).await.unwrap();
    tx.commit().await.unwrap();
    studio.world.drain_all().await;
    let heard = there.heard();
    let id = format!("msg_{}", taken[0].simple());
    assert_eq!(heard.iter().filter(|(headers, _)| headers["webhook-id"] == id.as_str()).count(), 2);
    studio.finish().await;
}

#[tokio::test]
async fn what_was_told_is_forgotten_after_thirty_days() {
    let studio = Studio::new().await;
    let listener = Listener::default();
    endpoint(&studio, &listener.start().await, &[]).await;
    for expected in [1, 2, 1] {
        tell(&studio, StudioProvisioned).await;
        studio.world.drain().await;
        assert_eq!(studio.world.count("studio.delivery").await, expected);
        assert_eq!(studio.world.count("studio.delivery_attempt").await, expected);
        let days = if expected == 1 { 29 } else { 31 };
        studio.world.clock.advance(Duration::from_secs(days * 24 * 3600)).await.unwrap();
    }
    studio.finish().await;
}

#[tokio::test]
async fn what_stripe_says_of_money_and_of_a_trials_end_is_told_once_and_only_if_it_is_news() {
    let studio = Studio::paid().await;
    let listener = Listener::default();
    endpoint(&studio, &listener.start().await, &["trial.ending", "payment.changed"]).await;
    let customer: String =
        studio.world.value("SELECT stripe_customer_id FROM studio.workspace").await;
    let event = |id: &str, kind: &str, at: i64, object: &Value| {
        let mut object = object.clone();
        object["customer"] = customer.as_str().into();
        json!({ "id": id, "object": "event", "type": kind, "created": 1_800_000_000 + at, "data": { "object": object } })
    };
    let trial = |status| json!({ "id": "sub_1", "status": status, "trial_end": 1_800_100_000 });
    let invoice =
        json!({ "id": "in_1", "amount_due": 9900, "amount_paid": 9900, "currency": "eur" });
    let ends = "customer.subscription.trial_will_end";
    for event in [
        event("evt_1", ends, 0, &trial("trialing")),
        event("evt_1", ends, 0, &trial("trialing")),
        event("evt_2", ends, 0, &trial("active")),
        event("evt_3", "invoice.paid", 20, &invoice),
        event("evt_4", "invoice.payment_failed", 10, &invoice),
    ] {
        let _enqueued_or_duplicate = studio.receive(&event).await;
        studio.world.drain().await;
    }
    let told: Vec<Value> =
        listener.heard().iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect();
    let told: Vec<_> = told.iter().map(|told| (&told["type"], &told["data"]["status"])).collect();
    assert_eq!(
        told,
        [(&json!("trial.ending"), &Value::Null), (&json!("payment.changed"), &json!("paid"))]
    );
    studio.finish().await;
}
