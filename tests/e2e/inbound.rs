//! What providers tell us, twice and in any order, ends the same; and what nobody could be given is given later.

use autopilot_engine::{NewJob, WorkspaceId};
use autopilot_tests::Studio;
use autopilot_workflows::state::workspaces;
use autopilot_workflows::webhooks::forget::ForgetEvents;
use autopilot_workflows::webhooks::route_again::RouteAgain;
use serde_json::{Value, json};

const AT: i64 = 1_800_000_000;

fn event(id: &str, kind: &str, at: i64, object: Value) -> Value {
    json!({ "id": id, "object": "event", "type": kind, "created": AT + at, "data": { "object": object } })
}

/// All that happens to a studio's money, some of it in one second.
fn story(customer: &str) -> Vec<Value> {
    let of = |mut object: Value| {
        object.as_object_mut().unwrap().insert("customer".to_owned(), customer.into());
        object
    };
    let invoice = |id: &str| {
        of(json!({ "id": id, "amount_due": 9900, "amount_paid": 9900, "currency": "eur" }))
    };
    let charge = |refunded: i64| {
        of(
            json!({ "id": "ch_1", "amount_refunded": refunded, "refunded": refunded == 9900, "currency": "eur" }),
        )
    };
    let dispute = |status: &str| {
        of(
            json!({ "id": "dp_1", "status": status, "amount": 9900, "currency": "eur", "charge": "ch_1" }),
        )
    };
    let intent = |id: &str, purpose: &str| {
        of(
            json!({ "id": id, "amount_received": 500, "currency": "eur", "metadata": { "purpose": purpose } }),
        )
    };
    vec![
        event("evt_1", "invoice.payment_failed", 0, invoice("in_1")),
        event("evt_2", "invoice.payment_action_required", 0, invoice("in_1")),
        event("evt_3", "invoice.paid", 0, invoice("in_1")),
        event("evt_4", "invoice.payment_failed", 60, invoice("in_2")),
        event("evt_5", "charge.refunded", 70, charge(1000)),
        event("evt_6", "charge.refunded", 80, charge(9900)),
        event("evt_7", "charge.dispute.created", 90, dispute("needs_response")),
        event("evt_8", "charge.dispute.closed", 90, dispute("lost")),
        event("evt_9", "payment_intent.succeeded", 95, intent("pi_1", "top_up")),
        event("evt_10", "payment_intent.succeeded", 96, intent("pi_2", "subscription")),
        event("evt_11", "customer.subscription.updated", 97, of(json!({ "id": "sub_1" }))),
    ]
}

async fn payments(studio: &Studio, workspace: WorkspaceId) -> Vec<String> {
    let all = format!(
        "SELECT concat_ws(' ', object_id, kind, status, amount) FROM studio.payment WHERE workspace_id = '{workspace}' ORDER BY object_id"
    );
    studio.world.texts(&all).await
}

#[tokio::test]
async fn events_that_come_twice_and_in_any_order_leave_the_same() {
    let studio = Studio::new().await;
    let expected = [
        "ch_1 refund refunded 9900",
        "dp_1 dispute lost 9900",
        "in_1 invoice paid 9900",
        "in_2 invoice failed 9900",
        "pi_1 top_up paid 500",
    ];
    for order in 0..20_usize {
        let workspace = WorkspaceId::now_v7();
        let checkout = autopilot_sandbox::Checkout::new(workspace.to_string());
        let session = studio.event_of(&checkout).await;
        let customer = session.pointer("/data/object/customer").and_then(Value::as_str).unwrap();
        let mut conn = studio.world.connect().await;
        workspaces::ensure(&mut conn, workspace).await.unwrap();
        workspaces::bind_customer(&mut conn, workspace, customer).await.unwrap();
        let mut events = story(customer);
        for event in &mut events {
            event["id"] = format!("{}_{order}", event["id"].as_str().unwrap()).into();
        }
        let again: Vec<Value> = events.iter().step_by(2).cloned().collect();
        events.extend(again);
        // A different order each time, the first as it happened. Every step is coprime with a prime.
        let count = events.len();
        assert_eq!(count, 17);
        events =
            (0..count).map(|at| events[(at * (order % 16 + 1) + order) % count].clone()).collect();
        for (at, event) in events.iter().enumerate() {
            let _enqueued_or_duplicate = studio.receive(event).await;
            if at % 3 == order % 3 {
                studio.world.drain().await;
            }
        }
        studio.world.drain().await;
        assert_eq!(payments(&studio, workspace).await, expected, "in order {order}");
    }
    assert_eq!(studio.world.count("studio.inbox WHERE state <> 'processed'").await, 0);
    studio.finish().await;
}

#[tokio::test]
async fn what_is_paid_in_the_other_mode_is_not_paid() {
    let studio = Studio::new().await;
    let checkout = autopilot_sandbox::Checkout::new(studio.workspace.to_string());
    let mut session = studio.event_of(&checkout).await;
    session["livemode"] = true.into();
    let _enqueued = studio.receive(&session).await;
    studio.world.drain().await;
    let why = "SELECT reason FROM studio.inbox WHERE state = 'unroutable'";
    let [why] = studio.world.texts(why).await.try_into().unwrap();
    assert!(why.contains("live mode") && why.contains("test key"), "{why}");
    assert_eq!(studio.world.count("engine.run").await, 0, "nothing is provisioned");
    studio.finish().await;
}

#[tokio::test]
async fn a_dispute_that_names_its_charge_only_finds_who_paid_it() {
    let studio = Studio::paid().await;
    let customers =
        "SELECT stripe_customer_id FROM studio.workspace WHERE stripe_customer_id IS NOT NULL";
    let [customer] = studio.world.texts(customers).await.try_into().unwrap();
    studio.sandbox.put_charge("ch_1", &customer);
    let dispute = json!({ "id": "dp_1", "charge": "ch_1", "status": "needs_response", "amount": 9900, "currency": "eur" });
    let _enqueued = studio.receive(&event("evt_1", "charge.dispute.created", 0, dispute)).await;
    studio.world.drain().await;
    assert_eq!(payments(&studio, studio.workspace).await, ["dp_1 dispute needs_response 9900"]);
    studio.finish().await;
}

#[tokio::test]
async fn what_became_nobodys_while_its_owner_became_known_is_found_by_a_later_look() {
    let studio = Studio::new().await;
    let checkout = autopilot_sandbox::Checkout::new(studio.workspace.to_string());
    let session = studio.event_of(&checkout).await;
    let customer = session.pointer("/data/object/customer").and_then(Value::as_str).unwrap();
    let invoice =
        json!({ "id": "in_1", "customer": customer, "amount_paid": 9900, "currency": "eur" });
    let _enqueued = studio.receive(&event("evt_early", "invoice.paid", 0, invoice)).await;
    studio.world.drain().await;
    // Whoever made the customer known had asked for a look before the event was nobody's.
    let known = format!("UPDATE studio.workspace SET stripe_customer_id = '{customer}'");
    studio.world.execute(&known).await;
    for (age, left) in [("2 hours", 1), ("20 minutes", 0)] {
        studio
            .world
            .execute(&format!(
                "UPDATE studio.inbox SET received_at = engine.now() - interval '{age}'"
            ))
            .await;
        let now = studio.world.clock.now().await.unwrap();
        studio.world.enqueue(&RouteAgain::of_late(now)).await;
        studio.world.drain().await;
        let unroutable = studio.world.count("studio.inbox WHERE state = 'unroutable'").await;
        assert_eq!(unroutable, left, "{age} old");
    }
    assert_eq!(payments(&studio, studio.workspace).await, ["in_1 invoice paid 9900"]);
    studio.finish().await;
}

#[tokio::test]
async fn what_nobody_could_be_given_is_given_as_soon_as_its_customer_is_known() {
    let studio = Studio::new().await;
    let checkout = autopilot_sandbox::Checkout::new(studio.workspace.to_string());
    let session = studio.event_of(&checkout).await;
    let customer = session.pointer("/data/object/customer").and_then(Value::as_str).unwrap();
    let invoice =
        json!({ "id": "in_1", "customer": customer, "amount_paid": 9900, "currency": "eur" });
    let _enqueued = studio.receive(&event("evt_early", "invoice.paid", 0, invoice)).await;
    studio.world.drain().await;
    assert_eq!(studio.world.count("studio.inbox WHERE state = 'unroutable'").await, 1);
    let _enqueued = studio.receive(&session).await;
    studio.world.drain().await;
    assert_eq!(studio.world.count("studio.inbox WHERE state <> 'processed'").await, 0);
    assert_eq!(payments(&studio, studio.workspace).await, ["in_1 invoice paid 9900"]);
    studio.finish().await;
}

#[tokio::test]
async fn what_was_handled_long_ago_is_forgotten_and_what_waits_for_a_person_is_not() {
    let studio = Studio::new().await;
    let checkout = autopilot_sandbox::Checkout::new(studio.workspace.to_string());
    let handled = studio.event_of(&checkout).await;
    let ignored = event("evt_ignored", "plan.created", 0, json!({ "id": "plan_1" }));
    let stuck =
        event("evt_stuck", "invoice.paid", 0, json!({ "id": "in_1", "customer": "cus_unknown" }));
    for event in [&handled, &ignored, &stuck] {
        let _recorded = studio.receive(event).await;
    }
    studio.world.drain().await;
    let forget = async |days: u64| {
        studio.world.clock.advance(std::time::Duration::from_secs(days * 24 * 3600)).await.unwrap();
        studio.world.add(NewJob::of(&ForgetEvents {}).unwrap()).await;
        studio.world.drain().await;
        studio.world.texts("SELECT event_id FROM studio.inbox ORDER BY event_id").await
    };
    assert_eq!(forget(29).await.len(), 3);
    assert_eq!(forget(2).await, ["evt_stuck"]);
    studio.world.close().await;
}
