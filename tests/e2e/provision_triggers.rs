//! What starts a provisioning, joins it, wakes it, stops it.

use std::sync::Arc;

use autopilot_engine::ops;
use autopilot_sandbox::{Checkout, Fault, Provider, Rule};
use autopilot_tests::{Studio, eventually};
use autopilot_workflows::provisioning::{self, Triggered};
use sqlx::Connection;

/// The studios that are due.
const DUE: &str = "studio.workspace WHERE due_since IS NOT NULL";

#[tokio::test]
async fn eight_triggers_at_once_yield_one_run() {
    let studio = Arc::new(Studio::paid().await);
    let triggers = (0..8).map(|_| {
        let studio = Arc::clone(&studio);
        tokio::spawn(async move { studio.trigger().await })
    });
    let mut answers: Vec<Triggered> = Vec::new();
    for trigger in triggers.collect::<Vec<_>>() {
        answers.push(trigger.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|answer| !answer.joined).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| Some(answer.run) == answers.first().map(|one| one.run)));
    studio.world.drain().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    assert_eq!(studio.world.count("engine.run").await, 1);
    studio.bought_once("after eight triggers").await;
    Arc::into_inner(studio).unwrap().finish().await;
}

#[tokio::test]
async fn a_trigger_after_the_end_starts_another_run_and_the_same_event_does_not() {
    let studio = Studio::paid().await;
    for event in [Some("evt_1"), Some("evt_1"), None, Some("evt_1")] {
        let mut conn = studio.world.connect().await;
        let mut tx = conn.begin().await.unwrap();
        provisioning::trigger(&mut tx, studio.workspace, event).await.unwrap();
        tx.commit().await.unwrap();
        studio.world.drain().await;
    }
    assert_eq!(studio.world.count("engine.run").await, 2);
    assert_eq!(studio.world.count(DUE).await, 0, "nothing follows an event that was acted on");
    studio.bought_once("after two runs").await;
    studio.finish().await;
}

#[tokio::test]
async fn a_trigger_joins_a_run_that_waits_and_wakes_it() {
    let studio = Studio::new().await;
    let first = studio.trigger().await;
    studio.world.drain().await;
    studio.bind(&Checkout::new(studio.workspace.to_string())).await;
    let second = studio.trigger().await;
    assert_eq!((second.run, second.joined, first.joined), (first.run, true, false));
    studio.world.drain().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.finish().await;
}

#[tokio::test]
async fn a_provisioning_that_is_cancelled_buys_nothing_more_and_a_retry_takes_it_up() {
    let studio = Studio::paid().await;
    let at_the_purchase = Rule::new(Provider::Twilio, Fault::Hang)
        .method("POST")
        .path_contains("/IncomingPhoneNumbers.json");
    studio.sandbox.faults().add(at_the_purchase);
    let run = studio.trigger().await.run;
    let process = studio.world.start();
    eventually("the run is at the purchase", async || {
        studio.summary().await.calls_of("twilio.buy_number") == 1
    })
    .await;
    ops::cancel(studio.world.pool(), run).await.unwrap();
    studio.world.idle().await;
    process.stop().await;
    let run = studio.run().await.run;
    assert_eq!((run.status.as_str(), run.percent), ("cancelled", 25));
    let summary = studio.summary().await;
    assert_eq!(
        (summary.effects_of("twilio.buy_number"), summary.calls_of("whatsapp.get_phone_number")),
        (0, 0)
    );

    ops::retry(studio.world.pool(), run.id).await.unwrap();
    studio.world.drain().await;
    let orders = studio.summary().await.calls_of("twilio.buy_number");
    assert_eq!(orders, 1, "the one that was dropped may still be under way");
    studio.world.drain_all().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    assert_eq!(studio.summary().await.calls_of("stripe.list_subscriptions"), 1);
    studio.bought_once("after the retry").await;
    studio.finish().await;
}
