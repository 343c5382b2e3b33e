//! What was never delivered is asked for, and comes in once.

use autopilot_engine::NewJob;
use autopilot_tests::Studio;
use autopilot_workflows::state::provider::Provider;
use autopilot_workflows::state::routes::{self, Name};
use autopilot_workflows::webhooks::account_gaps::RepairAccountGaps;
use autopilot_workflows::webhooks::stripe_gaps::RepairStripeGaps;
use chrono::{Duration, Utc};
use serde_json::{Value, json};

/// How many are missed, while the endpoint is down for an hour.
const MISSED: i64 = 500;

fn invoice(number: i64, age: Duration) -> Value {
    let at = (Utc::now() - age).timestamp();
    json!({
        "id": format!("evt_{number}"), "object": "event", "type": "invoice.paid", "created": at,
        "data": { "object": { "id": format!("in_{number}"), "amount_paid": 9900, "currency": "eur" } },
    })
}

const fn accounts(provider: Provider) -> RepairAccountGaps {
    RepairAccountGaps { provider, after: None }
}

async fn repair(studio: &Studio) -> String {
    let job = studio.world.add(NewJob::of(&RepairStripeGaps {}).unwrap()).await;
    studio.world.drain().await;
    let output = format!("SELECT value::text FROM engine.output WHERE job = '{job}'");
    studio.world.texts(&output).await.concat()
}

#[tokio::test]
async fn what_an_endpoint_missed_in_an_hour_comes_in_once_when_stripe_is_asked() {
    let studio = Studio::new().await;
    // Before the outage everything came, and it was asked once.
    let before = invoice(0, Duration::minutes(70));
    studio.sandbox.happen(before.clone());
    let _enqueued = studio.receive(&before).await;
    studio.world.drain().await;
    assert_eq!(repair(&studio).await, r#"{"found": 0}"#);
    // Then nobody answered. Some came at a later try of Stripe's own; of other types nobody here wants to know.
    for number in 1..=MISSED {
        studio.sandbox.happen(invoice(number, Duration::seconds(3600 - 7 * number)));
        let mut other = invoice(10_000 + number, Duration::seconds(3600 - 7 * number));
        other["type"] = "plan.created".into();
        studio.sandbox.happen(other);
    }
    let late = 20;
    for number in 1..=late {
        let _enqueued =
            studio.receive(&invoice(number, Duration::seconds(3600 - 7 * number))).await;
    }
    assert_eq!(repair(&studio).await, format!(r#"{{"found": {}}}"#, MISSED - late));
    assert_eq!(repair(&studio).await, r#"{"found": 0}"#, "nothing twice");
    let everything =
        "studio.inbox i JOIN engine.history h ON h.id = i.job_id WHERE i.state = 'unroutable'";
    assert_eq!(studio.world.count(everything).await, MISSED + 1, "each has had its job");
    assert_eq!(studio.world.count("studio.inbox").await, MISSED + 1);
    let gap = "SELECT concat_ws(' ', provider, found, found_last) FROM studio.inbox_gap";
    assert_eq!(studio.world.texts(gap).await, [format!("stripe {} 0", MISSED - late)]);
    studio.finish().await;
}

#[tokio::test]
async fn events_as_large_as_invoices_with_hundreds_of_lines_come_in() {
    let studio = Studio::new().await;
    for number in 1..=60 {
        let mut large = invoice(number, Duration::seconds(3600 - 7 * number));
        large["data"]["object"]["lines"] = "a line of it; ".repeat(5_000).into();
        studio.sandbox.happen(large);
    }
    assert_eq!(repair(&studio).await, r#"{"found": 60}"#);
    assert_eq!(studio.world.count("engine.breaker").await, 0);
    studio.finish().await;
}

#[tokio::test]
async fn what_is_cut_off_is_asked_again() {
    let studio = Studio::new().await;
    let before = invoice(0, Duration::minutes(70));
    let _enqueued = studio.receive(&before).await;
    studio.world.drain().await;
    for number in 1..=150 {
        studio.sandbox.happen(invoice(number, Duration::seconds(3600 - 7 * number)));
    }
    // The second page is not answered, for long enough that the job is given up.
    let broken = autopilot_sandbox::Fault::Status { status: 401, retry_after: None, body: None };
    let rule = autopilot_sandbox::Rule::new(autopilot_sandbox::Provider::Stripe, broken).skip(1);
    studio.sandbox.faults().add(rule);
    assert_eq!(repair(&studio).await, "");
    assert_eq!(studio.world.count("studio.inbox_gap").await, 0, "the point has not moved");
    assert_eq!(studio.world.count("studio.inbox").await, 21);
    studio.sandbox.faults().clear();
    assert_eq!(repair(&studio).await, r#"{"found": 130}"#);
    assert_eq!(studio.world.count("studio.inbox").await, 151);
    studio.world.close().await;
}

#[tokio::test]
async fn a_message_that_twilio_could_not_post_comes_in_once_for_its_studio() {
    let studio = Studio::paid().await;
    studio.provision().await;
    let [account] = studio
        .world
        .texts("SELECT account_sid FROM studio.twilio_account")
        .await
        .try_into()
        .unwrap();
    let sid = |digit: char| format!("SM{}", digit.to_string().repeat(32));
    studio.sandbox.come_in(&sid('a'), &account, "+491701234567", "Hallo, 1+1 & 💪");
    studio.sandbox.come_in(&sid('b'), &account, "+491701234567", "Noch da?");
    studio.sandbox.go_out(&sid('c'), &account, "+15005550006", "Von uns");
    for _ in 0..2 {
        studio.world.add(NewJob::of(&accounts(Provider::Twilio)).unwrap()).await;
        studio.world.drain().await;
    }
    let events = "SELECT concat_ws(' ', event_id, event_type, state, workspace_id) FROM studio.inbox WHERE provider = 'twilio' ORDER BY 1";
    let expected = ['a', 'b']
        .map(|digit| format!("{} message.received processed {}", sid(digit), studio.workspace));
    assert_eq!(studio.world.texts(events).await, expected);
    let gap = format!(
        "studio.inbox_gap WHERE provider = 'twilio' AND account = '{account}' AND found = 2 AND found_last = 0"
    );
    assert_eq!(studio.world.count(&gap).await, 1);
    studio.finish().await;
}

#[tokio::test]
async fn what_happened_on_a_connected_account_comes_in_for_its_studio_and_is_none_of_ours() {
    let studio = Studio::new().await;
    let mut conn = studio.world.connect().await;
    let name = Name::Account(Provider::Stripe, "acct_1");
    assert_eq!(routes::claim(&mut conn, name, studio.workspace).await.unwrap(), studio.workspace);
    let of_account = |mut event: Value| {
        event["account"] = "acct_1".into();
        event
    };
    let checkout = json!({
        "id": "evt_member", "object": "event", "type": "checkout.session.completed", "created": Utc::now().timestamp(),
        "data": { "object": {
            "id": "cs_1", "customer": "cus_member", "payment_status": "paid", "client_reference_id": "member 42",
        } },
    });
    studio.sandbox.happen(of_account(checkout));
    studio.sandbox.happen(of_account(invoice(7, Duration::minutes(5))));
    assert_eq!(repair(&studio).await, r#"{"found": 0}"#, "our own record does not have them");
    for _ in 0..2 {
        studio.world.add(NewJob::of(&accounts(Provider::Stripe)).unwrap()).await;
        studio.world.drain().await;
    }
    let events =
        "SELECT concat_ws(' ', event_type, state, workspace_id) FROM studio.inbox ORDER BY 1";
    let expected = ["checkout.session.completed", "invoice.paid"]
        .map(|kind| format!("{kind} processed {}", studio.workspace));
    assert_eq!(studio.world.texts(events).await, expected);
    assert_eq!(studio.world.count("studio.payment WHERE object_id = 'in_7'").await, 1);
    // A member has paid the studio, not the studio us.
    assert_eq!(studio.world.count("engine.run WHERE kind = 'studio.provision'").await, 0);
    assert_eq!(
        studio.world.count("studio.workspace WHERE stripe_customer_id IS NOT NULL").await,
        0
    );
    assert_eq!(
        studio.world.count("studio.inbox_gap WHERE account = 'acct_1' AND found = 2").await,
        1
    );
    studio.finish().await;
}
