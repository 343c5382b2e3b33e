//! Triggers that join a run: whatever the moment, nothing that was asked for is missed.

use autopilot_engine::ops;
use autopilot_sandbox::{BundleStatus, Checkout, Fault, Provider, Rule};
use autopilot_tests::{Inside, Process, Studio, eventually};
use autopilot_workflows::provisioning;
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

/// Holds back whoever is about to wake a run until the advisory lock 7 is free: he knows which run it is, and has locked nothing of it.
const HOLD_WAKING: &str = "
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_query() LIKE '-- Makes a scheduled%' THEN PERFORM pg_advisory_xact_lock_shared(7); END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER hold BEFORE UPDATE ON engine.job FOR EACH STATEMENT EXECUTE FUNCTION hold();";

/// The studios that are due.
const DUE: &str = "studio.workspace WHERE due_since IS NOT NULL";

/// Who waits for the lock of a job.
const BLOCKED: &str = "pg_stat_activity WHERE datname = current_database()
    AND wait_event_type = 'Lock' AND query LIKE '%engine.job%'";

async fn sql(conn: &mut PgConnection, statement: &'static str) {
    sqlx::raw_sql(statement).execute(conn).await.unwrap();
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
    sql(&mut gate, "BEGIN; SELECT pg_advisory_xact_lock(7)").await;
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
        sql(&mut gate, "COMMIT").await;
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
async fn a_trigger_that_joins_a_run_in_its_last_moment_is_followed_by_another() {
    let studio = Studio::paid().await;
    let run = studio.trigger().await.run;
    studio.world.execute(HOLD_WAKING).await;
    let mut gate = studio.world.connect().await;
    sql(&mut gate, "BEGIN; SELECT pg_advisory_xact_lock(7)").await;
    let triggering = async { studio.trigger().await };
    let ending = async {
        studio.world.waiting_for_locks(1).await;
        // Whoever triggers keeps nothing that a step needs.
        let process = studio.world.start();
        eventually("the run has ended", async || studio.run().await.run.status == "completed")
            .await;
        sql(&mut gate, "COMMIT").await;
        process
    };
    let (triggered, process) = tokio::join!(triggering, ending);
    assert_eq!((triggered.run, triggered.joined), (run, true));
    studio.world.idle().await;
    process.stop().await;
    assert_eq!(studio.world.count("engine.run").await, 2, "it had gone past what changed");
    assert_eq!(studio.world.count(DUE).await, 0);
    studio.bought_once("though it ran twice").await;
    studio.finish().await;
}

#[tokio::test]
async fn a_trigger_that_joins_an_older_run_that_was_put_back_is_followed_by_another() {
    let studio = Studio::paid().await;
    studio.sandbox.faults().add(Rule::new(Provider::Twilio, Fault::Auth).times(100_000));
    studio.provision().await;
    let first = studio.run().await.run;
    assert_eq!(first.status, "failed");
    studio.sandbox.faults().clear();
    let event = async |event| {
        let mut conn = studio.world.connect().await;
        let mut tx = conn.begin().await.unwrap();
        let triggered = provisioning::trigger(&mut tx, studio.workspace, Some(event)).await;
        tx.commit().await.unwrap();
        triggered.unwrap()
    };
    assert!(!event("evt_1").await.joined);
    studio.world.drain_all().await;
    assert_eq!(studio.world.count(DUE).await, 0);

    ops::retry(studio.world.pool(), first.id).await.unwrap();
    assert!(event("evt_1").await.joined, "it was acted on long ago");
    assert_eq!(studio.world.count(DUE).await, 0, "nothing is asked for anew");
    let triggered = event("evt_2").await;
    assert_eq!((triggered.run, triggered.joined), (first.id, true));
    studio.world.drain_all().await;
    assert_eq!(studio.world.count("engine.run").await, 3, "what it had done before is done anew");
    assert_eq!(studio.world.count(DUE).await, 0);
    studio.bought_once("though it ran three times").await;
    studio.finish().await;
}
