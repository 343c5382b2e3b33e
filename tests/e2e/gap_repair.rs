//! What was never delivered is asked for, and comes in once.

use autopilot_engine::NewJob;
use autopilot_tests::Studio;
use autopilot_workflows::webhooks::gap_repair::RepairStripeGaps;
use autopilot_workflows::webhooks::twilio_gaps::RepairTwilioGaps;
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
    assert_eq!(studio.world.count("studio.inbox").await, 101);
    studio.sandbox.faults().clear();
    assert_eq!(repair(&studio).await, r#"{"found": 50}"#);
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
    for _ in 0..2 {
        studio.world.add(NewJob::of(&RepairTwilioGaps::default()).unwrap()).await;
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
