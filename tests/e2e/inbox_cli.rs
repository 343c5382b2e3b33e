//! What operators say to the real program about received webhooks, and what they are told.

use autopilot_tests::Studio;
use autopilot_workflows::webhooks::stripe;
use serde_json::{Value, json};

use crate::operators::say;

async fn answer(studio: &Studio, line: &str) -> Value {
    let (code, said, complaint) = say(&studio.world.url(), &format!("--json|inbox|{line}")).await;
    assert_eq!(code, 0, "{line}: {complaint}");
    serde_json::from_str(&said).unwrap()
}

/// The ids that a list shows.
async fn listed(studio: &Studio, line: &str) -> Vec<String> {
    let events = answer(studio, line).await;
    events.as_array().unwrap().iter().map(|one| one["event"].as_str().unwrap().to_owned()).collect()
}

fn event(id: &str, kind: &str, customer: &str) -> Value {
    let object = json!({ "id": "in_1", "customer": customer, "amount_paid": 1, "currency": "eur" });
    json!({ "id": id, "object": "event", "type": kind, "created": 1_800_000_000, "data": { "object": object } })
}

/// A studio with an event in each state, but for one that is handled.
async fn studio() -> Studio {
    let studio = Studio::new().await;
    for event in [
        event("evt_stuck", "invoice.paid", "cus_unknown"),
        event("evt_other", "charge.refunded", "cus_unknown"),
        event("evt_ignored", "plan.created", "cus_unknown"),
    ] {
        let _recorded = studio.receive(&event).await;
    }
    let unread = stripe::read("no JSON".into(), json!({}), |_| "sha256:unread".to_owned()).unwrap();
    let _recorded = studio.receive_all(&[unread]).await;
    studio.world.drain().await;
    studio
}

#[tokio::test]
async fn events_are_found_by_what_is_said_of_them_and_shown_with_how_their_job_stands() {
    let studio = studio().await;
    for (line, expected) in [
        ("list|--state|unroutable", &["evt_other", "evt_stuck"][..]),
        ("list|--type|charge.*", &["evt_other"]),
        ("list|--type|invoice.paid|--provider|stripe", &["evt_stuck"]),
        ("list|--state|failed", &["sha256:unread"]),
        ("list|--provider|twilio", &[]),
        ("list|--until|1h", &[]),
        ("list|--since|1h|--state|ignored", &["evt_ignored"]),
        ("list|--workspace|0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b", &[]),
    ] {
        let mut found = listed(&studio, line).await;
        found.sort();
        assert_eq!(found, expected, "{line}");
    }
    assert_eq!(listed(&studio, "list|--limit|2").await.len(), 2);
    let shown = answer(&studio, "show|evt_stuck").await;
    assert_eq!(
        (&shown["state"], &shown["job_status"]),
        (&"unroutable".into(), &"completed".into())
    );
    assert!(shown["body"].as_str().is_some_and(|body| body.contains("cus_unknown")), "{shown}");
    let shown = answer(&studio, "show|sha256:unread").await;
    assert_eq!((&shown["body"], &shown["job_status"]), (&"no JSON".into(), &Value::Null));
    assert_eq!(answer(&studio, "gaps").await, json!([]));
    studio.finish().await;
}

#[tokio::test]
async fn events_are_handled_again_by_id_or_by_what_is_said_of_them_and_unreadable_ones_are_not() {
    let studio = studio().await;
    let jobs = "engine.job WHERE kind = 'stripe.event'";
    assert_eq!(answer(&studio, "replay|evt_stuck|--provider|stripe").await["events"], 1);
    assert_eq!(studio.world.count(jobs).await, 1);
    assert_eq!(answer(&studio, "replay|--state|unroutable").await["events"], 2);
    assert_eq!(
        answer(&studio, "replay|--since|1h").await["events"],
        3,
        "all but what cannot be read"
    );
    studio.world.drain().await;
    assert_eq!(listed(&studio, "list|--state|failed").await, ["sha256:unread"]);
    for (line, exit, says) in [
        ("replay|sha256:unread", 1, "the body is no event"),
        ("replay|evt_none", 3, "inbox list"),
        ("replay", 2, "required"),
        ("replay|evt_stuck|--state|failed", 2, "only --provider"),
        ("list|--provider|paypal", 2, "it is stripe, twilio or whatsapp"),
        ("list|--state|lost", 2, "unroutable"),
        ("list|--since|yesterday", 2, "how long ago"),
        ("show|evt_none", 3, "no event evt_none was received"),
    ] {
        let (code, _, complaint) = say(&studio.world.url(), &format!("inbox|{line}")).await;
        assert!(code == exit && complaint.contains(says), "{line}: {code} {complaint}");
    }
    studio.finish().await;
}
