//! What starts a provisioning, joins it, wakes it, stops it.

use std::sync::Arc;

use autopilot_engine::ops;
use autopilot_sandbox::{BundleStatus, Checkout, Fault, Provider, Rule};
use autopilot_tests::{Inside, Process, Studio, eventually};
use autopilot_workflows::provisioning::{self, Triggered};
use serde_json::json;
use sqlx::{Connection, PgConnection};

const ADDRESS: &str = "AD5a0db0c5a0db0c5a0db0c5a0db0c5a0d";

/// Holds every write of a waiting step back until the advisory lock 7 is free.
const HOLD_WAITING: &str = "
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7);
    RETURN NEW;
END $$;
CREATE TRIGGER hold BEFORE INSERT OR UPDATE OF detail ON engine.step FOR EACH ROW
    WHEN (NEW.state = 'waiting') EXECUTE FUNCTION hold();";

/// The studios that are due.
const DUE: &str = "studio.workspace WHERE due_since IS NOT NULL";

/// Who waits for the lock of a job.
const BLOCKED: &str = "pg_stat_activity WHERE datname = current_database()
    AND wait_event_type = 'Lock' AND query LIKE '%engine.job%'";

async fn sql(conn: &mut PgConnection, statement: &'static str) {
    sqlx::raw_sql(statement).execute(conn).await.unwrap();
}

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

/// A run that has asked for the customer, found none, and is about to write that it waits: its job is locked by the
/// connection that is given back, in a transaction.
async fn about_to_wait(studio: &Studio) -> (Process, PgConnection) {
    let mut books = studio.world.connect().await;
    sql(&mut books, "BEGIN; LOCK TABLE studio.workspace IN ACCESS EXCLUSIVE MODE").await;
    let process = studio.world.start();
    studio.world.waiting_for_locks(1).await;
    // It stands still in the middle of the step. Its job is locked before it goes on and reads its books.
    let mut other = studio.world.connect().await;
    sql(&mut other, "BEGIN; SELECT FROM engine.job WHERE state = 1 FOR UPDATE").await;
    sql(&mut books, "COMMIT").await;
    eventually("it is about to wait", async || studio.world.count(BLOCKED).await == 1).await;
    (process, other)
}

#[tokio::test]
async fn a_trigger_in_the_moment_in_which_the_run_decides_to_wait_is_not_missed() {
    let studio = Studio::new().await;
    studio.trigger().await;
    let (process, mut other) = about_to_wait(&studio).await;
    studio.bind(&Checkout::new(studio.workspace.to_string())).await;
    let triggered = provisioning::trigger(&mut other, studio.workspace, None).await.unwrap();
    assert!(triggered.joined);
    sql(&mut other, "COMMIT").await;
    studio.world.idle().await;
    process.stop().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.finish().await;
}

#[tokio::test]
async fn a_payment_in_the_moment_in_which_the_run_decides_to_wait_is_not_missed() {
    let mut studio = Studio::new().await;
    let both = std::mem::take(&mut studio.world.config.queues);
    let of = |name: &str| both.iter().filter(|queue| queue.0 == name).cloned().collect();
    studio.trigger().await;
    studio.world.config.queues = of("provisioning");
    let (process, mut other) = about_to_wait(&studio).await;
    studio.bind(&Checkout::new(studio.workspace.to_string())).await;
    let event = json!({"id": "evt_paid", "type": "invoice.paid",
        "data": {"object": {"metadata": {"workspace_id": studio.workspace.to_string()}}}});
    let _received = studio.receive(&event).await;
    studio.world.config.queues = of("webhooks");
    let webhooks = studio.world.start();
    let handled = "studio.inbox WHERE state = 'processed'";
    eventually("the event is handled, or waits for the run", async || {
        studio.world.count(handled).await == 1 || studio.world.count(BLOCKED).await == 2
    })
    .await;
    sql(&mut other, "COMMIT").await;
    eventually("the event is handled", async || studio.world.count(handled).await == 1).await;
    studio.world.idle().await;
    process.stop().await;
    webhooks.stop().await;
    studio.world.config.queues = both;
    studio.world.drain().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.finish().await;
}

#[tokio::test]
async fn a_trigger_that_waits_for_the_run_to_write_that_it_waits_is_not_missed() {
    let studio = Studio::paid().await;
    let bundle = studio.bundle(None, BundleStatus::InReview).await;
    studio.settle_in("DE", Some(ADDRESS), Some(&bundle)).await;
    studio.provision().await;
    studio.world.execute(HOLD_WAITING).await;
    let mut gate = studio.world.connect().await;
    sql(&mut gate, "SELECT pg_advisory_lock(7)").await;
    // It looks again, still in review, and its one last write is held back while it has locked its job.
    studio.trigger().await;
    let process = studio.world.start();
    studio.world.waiting_for_locks(1).await;
    studio.bundle(Some(&bundle), BundleStatus::TwilioApproved).await;
    let triggering = async {
        studio.trigger().await;
    };
    let opening = async {
        studio.world.waiting_for_locks(2).await;
        sql(&mut gate, "SELECT pg_advisory_unlock(7)").await;
    };
    tokio::join!(triggering, opening);
    studio.world.idle().await;
    process.stop().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.bought_once("after the approval").await;
    studio.finish().await;
}

#[tokio::test]
async fn a_studio_that_changes_during_its_run_is_provisioned_once_more() {
    let studio = Studio::paid().await;
    studio.sandbox.faults().add(Rule::new(Provider::Twilio, Fault::Hang));
    studio.trigger().await;
    let process = studio.world.start();
    eventually("the run has read its mark and is at Twilio", async || {
        studio.summary().await.calls_of("twilio.list_accounts") == 1
    })
    .await;
    assert!(studio.trigger().await.joined);
    process.kill().await;
    studio.world.let_leases_lapse().await;
    studio.world.drain_all().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    assert_eq!(studio.world.count("engine.run").await, 2, "the first had gone past what changed");
    assert_eq!(studio.world.count(DUE).await, 0);
    studio.bought_once("though it ran twice").await;
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
