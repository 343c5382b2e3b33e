//! Stripe's events: each is kept, acted on once, given to the right studio or to nobody.

use std::sync::Arc;
use std::time::Duration;

use autopilot_engine::WorkspaceId;
use autopilot_sandbox::{Checkout, PaymentStatus};
use autopilot_tests::{Studio, delivery};
use autopilot_workflows::state::provider::Provider;
use autopilot_workflows::state::workspaces;
use autopilot_workflows::webhooks::replay;
use autopilot_workflows::webhooks::{Received, receive};
use serde_json::{Value, json};

/// Where the inbox's one event stands, and why.
async fn inbox(studio: &Studio) -> String {
    let states =
        studio.world.texts("SELECT concat_ws(': ', state, reason) FROM studio.inbox").await;
    let [state] = states.try_into().unwrap();
    state
}

async fn runs(studio: &Studio) -> i64 {
    studio.world.count("engine.run").await
}

async fn handle(studio: &Studio, event: &Value) -> String {
    assert!(matches!(studio.receive(event).await, Received::Enqueued(_)));
    studio.world.drain().await;
    inbox(studio).await
}

async fn replay(studio: &Studio, event: &str) -> String {
    let mut tx = studio.world.pool().begin().await.unwrap();
    let event = (Provider::Stripe, event.to_owned());
    assert_eq!(replay::replay(&mut tx, &[event]).await.unwrap().len(), 1);
    tx.commit().await.unwrap();
    studio.world.drain().await;
    inbox(studio).await
}

/// A checkout's event under the id `evt_1`, naming this workspace at both places, or none.
async fn naming(studio: &Studio, name: Option<&str>) -> Value {
    let mut checkout = Checkout::new(studio.workspace.to_string());
    checkout.event_id = Some("evt_1".to_owned());
    let mut event = studio.event_of(&checkout).await;
    let object = event.pointer_mut("/data/object").and_then(Value::as_object_mut).unwrap();
    object.insert("client_reference_id".to_owned(), json!(name));
    object.insert(
        "metadata".to_owned(),
        name.map_or(json!({}), |name| json!({"workspace_id": name})),
    );
    event
}

fn customer(event: &Value) -> &str {
    event.pointer("/data/object/customer").and_then(Value::as_str).unwrap()
}

async fn bind(studio: &Studio, workspace: WorkspaceId, customer: &str) {
    let mut conn = studio.world.connect().await;
    workspaces::ensure(&mut conn, workspace).await.unwrap();
    workspaces::bind_customer(&mut conn, workspace, customer).await.unwrap();
}

#[tokio::test]
async fn a_checkout_without_money_provisions_only_when_the_money_has_come() {
    let studio = Studio::new().await;
    let mut checkout = Checkout::new(studio.workspace.to_string());
    checkout.payment_status = PaymentStatus::Unpaid;
    let mut event = studio.event_of(&checkout).await;
    assert_eq!(handle(&studio, &event).await, "processed");
    assert_eq!(runs(&studio).await, 0, "nothing is bought on credit");

    *event.pointer_mut("/id").unwrap() = json!("evt_later");
    *event.pointer_mut("/type").unwrap() = json!("checkout.session.async_payment_succeeded");
    *event.pointer_mut("/data/object/payment_status").unwrap() = json!("paid");
    assert!(matches!(studio.receive(&event).await, Received::Enqueued(_)));
    studio.world.drain().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.bought_once("after the money came").await;
    studio.finish().await;
}

#[tokio::test]
async fn a_trial_that_costs_nothing_provisions() {
    let studio = Studio::new().await;
    let mut checkout = Checkout::new(studio.workspace.to_string());
    checkout.payment_status = PaymentStatus::NoPaymentRequired;
    assert_eq!(handle(&studio, &studio.event_of(&checkout).await).await, "processed");
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.finish().await;
}

#[tokio::test]
async fn an_event_that_names_no_workspace_waits_until_its_customer_is_known() {
    let studio = Studio::new().await;
    let event = naming(&studio, None).await;
    let reason = "unroutable: it names no workspace: neither metadata.workspace_id nor client_reference_id \
                  is set, and its customer is unknown";
    assert_eq!(handle(&studio, &event).await, reason);
    assert_eq!(replay(&studio, "evt_1").await, reason, "a replay changes nothing by itself");
    assert_eq!(runs(&studio).await, 0);

    bind(&studio, studio.workspace, customer(&event)).await;
    assert_eq!(replay(&studio, "evt_1").await, "processed");
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.finish().await;
}

#[tokio::test]
async fn an_event_that_names_no_uuid_is_given_to_nobody() {
    let studio = Studio::new().await;
    let event = naming(&studio, Some("studio-7'; --")).await;
    let reason = "unroutable: it names workspace \"studio-7'; --\", which is no UUID";
    assert_eq!(handle(&studio, &event).await, reason);
    assert_eq!(runs(&studio).await, 0);
    studio.finish().await;
}

#[tokio::test]
async fn an_event_of_a_workspace_that_is_not_registered_waits_until_it_is() {
    let studio = Studio::new().await;
    let stranger = WorkspaceId::now_v7();
    let event = naming(&studio, Some(&stranger.to_string())).await;
    let said = handle(&studio, &event).await;
    assert!(
        said.starts_with(&format!(
            "unroutable: it names workspace {stranger}, which is not registered"
        )),
        "{said}"
    );

    let mut conn = studio.world.connect().await;
    workspaces::ensure(&mut conn, stranger).await.unwrap();
    drop(conn);
    assert_eq!(replay(&studio, "evt_1").await, "processed");
    let owner =
        format!("engine.run_status WHERE workspace = '{stranger}' AND status = 'completed'");
    assert_eq!((studio.world.count(&owner).await, runs(&studio).await), (1, 1));
    studio.finish().await;
}

#[tokio::test]
async fn an_event_whose_customer_pays_for_another_studio_is_given_to_neither() {
    let studio = Studio::new().await;
    let event = naming(&studio, Some(&studio.workspace.to_string())).await;
    let other = WorkspaceId::now_v7();
    bind(&studio, other, customer(&event)).await;
    let said = handle(&studio, &event).await;
    assert!(said.starts_with("unroutable: ") && said.contains("a customer never moves"), "{said}");
    assert_eq!(runs(&studio).await, 0);

    // An operator finds that the customer had been bound to the wrong studio.
    studio
        .world
        .execute(&format!(
            "UPDATE studio.workspace SET stripe_customer_id = NULL WHERE id = '{other}'"
        ))
        .await;
    assert_eq!(replay(&studio, "evt_1").await, "processed");
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.finish().await;
}

#[tokio::test]
async fn a_studio_that_is_paid_for_keeps_its_customer() {
    let studio = Studio::new().await;
    bind(&studio, studio.workspace, "cus_first").await;
    let event = naming(&studio, Some(&studio.workspace.to_string())).await;
    let said = handle(&studio, &event).await;
    assert!(said.contains("is paid for by Stripe customer cus_first"), "{said}");
    assert_eq!(runs(&studio).await, 0);
    studio.finish().await;
}

#[tokio::test]
async fn an_event_that_is_delivered_again_is_acted_on_once() {
    let studio = Studio::new().await;
    let event = studio.event_of(&Checkout::new(studio.workspace.to_string())).await;
    assert!(matches!(studio.receive(&event).await, Received::Enqueued(_)));
    assert_eq!(studio.receive(&event).await, Received::Duplicate);
    studio.world.drain().await;
    assert_eq!(studio.receive(&event).await, Received::Duplicate);
    studio.world.drain().await;
    assert_eq!(studio.world.count("engine.history WHERE kind = 'stripe.event'").await, 1);
    assert_eq!((runs(&studio).await, inbox(&studio).await.as_str()), (1, "processed"));
    studio.bought_once("after three deliveries").await;
    studio.finish().await;
}

#[tokio::test]
async fn the_same_event_eight_times_at_once_is_one_row_and_one_job() {
    let studio = Arc::new(Studio::new().await);
    let event = studio.event_of(&Checkout::new(studio.workspace.to_string())).await;
    let deliveries: Vec<_> = (0..8)
        .map(|_| {
            let (studio, event) = (Arc::clone(&studio), event.clone());
            tokio::spawn(async move { studio.receive(&event).await })
        })
        .collect();
    let mut enqueued = 0;
    for delivery in deliveries {
        match delivery.await.unwrap() {
            Received::Enqueued(_) => enqueued += 1,
            Received::Duplicate => {}
            Received::Ignored | Received::Unreadable => panic!("a checkout is acted on"),
        }
    }
    assert_eq!(enqueued, 1);
    let jobs = studio.world.count("engine.job").await;
    assert_eq!((jobs, studio.world.count("studio.inbox").await), (1, 1));
    studio.world.drain().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    Arc::into_inner(studio).unwrap().finish().await;
}

#[tokio::test]
async fn an_event_that_means_nothing_here_is_kept_and_ignored() {
    let studio = Studio::new().await;
    let event =
        json!({"id": "evt_1", "type": "radar.early_fraud_warning.created", "data": {"object": {}}});
    assert_eq!(studio.receive(&event).await, Received::Ignored);
    assert_eq!(studio.world.count("engine.job").await, 0);
    assert_eq!(inbox(&studio).await, "ignored: nothing here acts on this type");
    studio.finish().await;
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_kept_byte_by_byte() {
    for body in
        [&b"not json \xff\x00"[..], br#"{"id": 7}"#, b"", br#"{"id": "evt\u0000", "type": "x"}"#]
    {
        let studio = Studio::new().await;
        for expected in [Received::Unreadable, Received::Duplicate] {
            assert_eq!(studio.receive_all(&[delivery(body)]).await, [expected], "{body:?}");
        }
        let said = inbox(&studio).await;
        assert!(said.starts_with("failed: the signature is right"), "{said}");
        let kept: Vec<u8> = studio.world.value("SELECT payload FROM studio.inbox").await;
        assert_eq!(kept, body);
        studio.finish().await;
    }
}

#[tokio::test]
async fn a_delivery_that_the_database_refuses_at_its_commit_leaves_nothing_and_works_again() {
    let studio = Studio::new().await;
    studio
        .world
        .execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'no space left'; END $$;
             CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON studio.inbox
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();",
        )
        .await;
    let event = studio.event_of(&Checkout::new(studio.workspace.to_string())).await;
    let mut tx = studio.world.pool().begin().await.unwrap();
    let checkout = delivery(event.to_string());
    let received = receive(&mut tx, &[&checkout], Duration::ZERO).await.unwrap();
    assert!(matches!(received[..], [Received::Enqueued(_)]));
    let refused = tx.commit().await.unwrap_err();
    assert!(refused.to_string().contains("no space left"), "{refused}");
    let left = ["studio.inbox", "engine.job", "engine.enqueue_key"];
    for table in left {
        assert_eq!(studio.world.count(table).await, 0, "{table}");
    }
    studio.world.execute("DROP TRIGGER refuse ON studio.inbox").await;
    assert_eq!(handle(&studio, &event).await, "processed");
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.finish().await;
}
