//! Deliveries share transactions, and never each other's trouble.

use std::sync::Arc;
use std::time::Duration;

use autopilot_workflows::webhooks::stripe;
use axum::http::header::RETRY_AFTER;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinSet;

use super::super::intake::{IDLE, QUEUE};
use super::stripe::{delivery, event, signature};
use super::{Answer, World};

async fn deliver(world: &World, id: &str) -> Answer {
    let body = event(id, "invoice.paid", &json!({}));
    world.ask(delivery(&body, &signature(&body, "whsec_old", 0))).await
}

/// Delivers all of them at once; the answers in no order, each with its id.
fn at_once(world: &Arc<World>, ids: &[&str]) -> JoinSet<(String, Answer)> {
    ids.iter().map(|id| deliver_named(Arc::clone(world), id)).collect()
}

fn deliver_named(
    world: Arc<World>,
    id: &str,
) -> impl Future<Output = (String, Answer)> + Send + use<> {
    let id = id.to_owned();
    async move {
        let answer = deliver(&world, &id).await;
        (id, answer)
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("evt_{number}")).collect()
}

async fn count(world: &World, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement).fetch_one(world.pool()).await.unwrap()
}

/// Events that are acted on, each with its job.
const WHOLE: &str = "SELECT count(*) FROM studio.inbox i JOIN engine.job j ON j.id = i.job_id";
const COMMITS: &str = "SELECT count(DISTINCT xmin::text) FROM studio.inbox";
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// Every insert waits until `opened` has a row.
const GATE: &str = "
CREATE TABLE public.opened (at timestamptz);
CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN WHILE NOT EXISTS (SELECT FROM public.opened) LOOP PERFORM pg_sleep(0.005); END LOOP; RETURN NULL; END $$;
CREATE TRIGGER gate BEFORE INSERT ON studio.inbox FOR EACH STATEMENT EXECUTE FUNCTION gate()";
const OPEN: &str = "INSERT INTO public.opened VALUES (now())";
const AT_THE_GATE: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND state = 'active' AND query LIKE '%INSERT INTO studio.inbox%' AND pid <> pg_backend_pid()";

async fn execute(world: &World, statement: &'static str) {
    sqlx::raw_sql(statement).execute(world.pool()).await.unwrap();
}

async fn eventually(world: &World, statement: &'static str, least: i64) {
    let reached = async {
        while count(world, statement).await < least {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reached).await.unwrap();
}

/// Waits until so many deliveries wait for a lane.
async fn handed_over(world: &World, least: usize) {
    let reached = async {
        while world.intake.waiting() < least {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reached).await.unwrap();
}

#[tokio::test]
async fn sixty_four_deliveries_at_once_share_at_most_two_commits() {
    let world = Arc::new(World::new().await);
    let ids = names(64);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for (_, answer) in at_once(&world, &ids).join_all().await {
        assert_eq!((answer.status.as_u16(), &answer.body["outcome"]), (200, &"enqueued".into()));
    }
    assert_eq!(count(&world, WHOLE).await, 64);
    assert!(count(&world, COMMITS).await <= 2, "{}", count(&world, COMMITS).await);
    Arc::into_inner(world).unwrap().close().await;
}

#[tokio::test]
async fn the_same_event_many_times_at_once_is_enqueued_once() {
    let world = Arc::new(World::new().await);
    let ids: Vec<&str> = ["evt_a", "evt_b"].into_iter().cycle().take(32).collect();
    let answers = at_once(&world, &ids).join_all().await;
    for id in ["evt_a", "evt_b"] {
        let of = |outcome: &str| {
            let of = |(other, answer): &&(String, Answer)| {
                other == id && answer.body["outcome"] == outcome
            };
            answers.iter().filter(of).count()
        };
        assert_eq!((of("enqueued"), of("duplicate")), (1, 15));
    }
    assert_eq!(count(&world, WHOLE).await, 2);
    Arc::into_inner(world).unwrap().close().await;
}

#[tokio::test]
async fn a_delivery_that_the_database_refuses_harms_none_beside_it() {
    for when in ["BEFORE INSERT ON", "AFTER INSERT ON"] {
        let world = Arc::new(World::new().await);
        let constraint = if when.starts_with("AFTER") { "CONSTRAINT" } else { "" };
        // The second kind is refused at the commit.
        let deferred = if constraint.is_empty() { "" } else { "DEFERRABLE INITIALLY DEFERRED" };
        let trigger = format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'no, thank you'; END $$;
             CREATE {constraint} TRIGGER refuse {when} studio.inbox {deferred} FOR EACH ROW
                 WHEN (NEW.event_id = 'evt_bad') EXECUTE FUNCTION refuse()"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(trigger)).execute(world.pool()).await.unwrap();
        let answers = at_once(&world, &["evt_1", "evt_2", "evt_bad", "evt_3", "evt_4"]);
        for (id, answer) in answers.join_all().await {
            if id == "evt_bad" {
                answer.is_problem(503);
                assert!(answer.headers.contains_key(RETRY_AFTER));
            } else {
                assert_eq!(answer.body["outcome"], "enqueued", "{id}, {when}");
            }
        }
        assert_eq!((count(&world, WHOLE).await, world.inbox().await.len()), (4, 4), "{when}");
        execute(&world, "DROP TRIGGER refuse ON studio.inbox").await;
        assert_eq!(deliver(&world, "evt_bad").await.body["outcome"], "enqueued", "{when}");
        Arc::into_inner(world).unwrap().close().await;
    }
}

#[tokio::test]
async fn deliveries_that_wait_for_somebody_elses_lock_hold_up_none_beside_them() {
    let world = Arc::new(World::new().await);
    let mut other = PgConnection::connect(&world.database.url()).await.unwrap();
    let mut tx = other.begin().await.unwrap();
    let held = "INSERT INTO studio.inbox (provider, event_id, event_type, payload, headers)
                VALUES ('stripe', 'evt_held_1', 't', '', '{}'), ('stripe', 'evt_held_2', 't', '', '{}')";
    sqlx::raw_sql(held).execute(&mut *tx).await.unwrap();
    // One for each lane.
    let mut waits = JoinSet::new();
    waits.spawn(deliver_named(Arc::clone(&world), "evt_held_1"));
    eventually(&world, WAITING, 1).await;
    waits.spawn(deliver_named(Arc::clone(&world), "evt_held_2"));
    eventually(&world, WAITING, 2).await;
    let others = at_once(&world, &["evt_1", "evt_2", "evt_3"]).join_all();
    // Half of the time that a request may take: they are not answered because the others gave up.
    let others = tokio::time::timeout(Duration::from_secs(30), others).await.unwrap();
    for (id, answer) in others {
        assert_eq!(answer.body["outcome"], "enqueued", "{id}");
    }
    tx.rollback().await.unwrap();
    for (id, answer) in waits.join_all().await {
        // On a machine that stood still for seconds its patience may have run out: then it is delivered again.
        let answer = if answer.status == 503 { deliver(&world, &id).await } else { answer };
        assert_eq!(answer.body["outcome"], "enqueued", "{id}");
    }
    assert_eq!(count(&world, WHOLE).await, 5);
    Arc::into_inner(world).unwrap().close().await;
}

/// Four deliveries: one at the gate in each lane, and two that wait for a lane.
async fn two_at_the_gate_and_two_behind(world: &Arc<World>) -> JoinSet<(String, Answer)> {
    execute(world, GATE).await;
    let mut requests = JoinSet::new();
    for (number, id) in (1..).zip(["evt_1", "evt_2"]) {
        requests.spawn(deliver_named(Arc::clone(world), id));
        eventually(world, AT_THE_GATE, number).await;
    }
    for id in ["evt_3", "evt_4"] {
        requests.spawn(deliver_named(Arc::clone(world), id));
    }
    handed_over(world, 2).await;
    requests
}

#[tokio::test]
async fn a_request_that_is_dropped_after_it_was_handed_over_is_recorded() {
    let world = Arc::new(World::new().await);
    let mut requests = two_at_the_gate_and_two_behind(&world).await;
    requests.shutdown().await;
    execute(&world, OPEN).await;
    eventually(&world, WHOLE, 4).await;
    Arc::into_inner(world).unwrap().close().await;
}

#[tokio::test]
async fn more_than_fit_into_the_queue_wait_and_none_is_lost() {
    let world = Arc::new(World::new().await);
    let requests = two_at_the_gate_and_two_behind(&world).await;
    let handing_over: JoinSet<_> = (0..300)
        .map(|number| {
            let (id, intake) = (format!("evt_more_{number}"), world.intake.clone());
            let body = event(&id, "invoice.paid", &json!({}));
            let delivery = stripe::read(body.into(), json!({}), |_| String::new()).unwrap();
            async move { intake.record(delivery).await.is_ok() }
        })
        .collect();
    handed_over(&world, QUEUE).await;
    execute(&world, OPEN).await;
    assert_eq!(handing_over.join_all().await, [true; 300]);
    requests.join_all().await;
    assert_eq!(count(&world, WHOLE).await, 304);
    Arc::into_inner(world).unwrap().close().await;
}

#[tokio::test]
async fn a_batch_is_closed_when_its_bodies_are_large() {
    let settings = [("AUTOPILOT__HTTP__BODY_LIMIT", "2MiB")];
    let world = Arc::new(World::with(&settings).await);
    let mut requests = two_at_the_gate_and_two_behind(&world).await;
    for number in 0..12 {
        let (id, world) = (format!("evt_large_{number}"), Arc::clone(&world));
        requests.spawn(async move {
            let text = "x".repeat(1 << 20);
            let body = event(&id, "invoice.paid", &json!({ "text": text }));
            let answer = world.ask(delivery(&body, &signature(&body, "whsec_old", 0))).await;
            (id, answer)
        });
    }
    handed_over(&world, 14).await;
    execute(&world, OPEN).await;
    for (id, answer) in requests.join_all().await {
        assert_eq!(answer.status, 200, "{id}");
    }
    // It is closed by the body that crosses the bound, which has a little more than a mebibyte.
    let largest = count(
        &world,
        "SELECT max(sum) FROM (SELECT sum(length(payload)) FROM studio.inbox GROUP BY xmin::text) batch",
    )
    .await;
    assert!((4 << 20..6 << 20).contains(&largest), "{largest}");
    Arc::into_inner(world).unwrap().close().await;
}

#[tokio::test]
async fn a_batch_that_takes_as_long_as_a_request_may_leaves_its_lane_and_can_be_delivered_again() {
    let settings = [
        ("AUTOPILOT__HTTP__REQUEST_TIMEOUT", "1s"),
        ("AUTOPILOT__DATABASE__ACQUIRE_TIMEOUT", "500ms"),
    ];
    let world = Arc::new(World::with(&settings).await);
    execute(&world, GATE).await;
    for id in ["evt_1", "evt_2"] {
        let given_up = deliver(&world, id).await;
        given_up.is_problem(503);
        assert!(given_up.headers.contains_key(RETRY_AFTER));
    }
    // There are two lanes: one has turned to the third.
    let third = tokio::spawn(deliver_named(Arc::clone(&world), "evt_3"));
    eventually(&world, AT_THE_GATE, 3).await;
    execute(&world, OPEN).await;
    third.await.unwrap();
    // The transaction that it was in ended with its connection, before the commit.
    let (mut again, mut refused) = (deliver(&world, "evt_1").await, false);
    // On a machine that stood still for a second, this one was given up as well; whether it was recorded is open then.
    for _ in 0..60 {
        if again.status == 503 {
            (again, refused) = (deliver(&world, "evt_1").await, true);
        }
    }
    let outcome = again.body["outcome"].as_str().unwrap();
    assert!(outcome == "enqueued" || (refused && outcome == "duplicate"), "{}", again.body);
    let once = "SELECT count(*) FROM studio.inbox i JOIN engine.job j ON j.id = i.job_id WHERE i.event_id = 'evt_1'";
    assert_eq!(count(&world, once).await, 1);
    Arc::into_inner(world).unwrap().close().await;
}

#[tokio::test]
async fn connections_that_were_lost_while_nobody_used_them_cost_nobody_an_answer() {
    let world = World::new().await;
    // The lanes take turns.
    for id in ["evt_1", "evt_2"] {
        assert_eq!(deliver(&world, id).await.status, 200);
    }
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert!(count(&world, end).await >= 2);
    tokio::time::sleep(IDLE).await;
    for id in ["evt_3", "evt_4"] {
        assert_eq!(deliver(&world, id).await.status, 200, "{id}");
    }
    world.close().await;
}

#[tokio::test]
async fn once_it_is_closed_nothing_more_is_taken_and_what_was_taken_is_answered() {
    let world = Arc::new(World::new().await);
    let requests = two_at_the_gate_and_two_behind(&world).await;
    let closing = tokio::spawn(world.intake.clone().close());
    tokio::task::yield_now().await;
    let late = deliver(&world, "evt_late").await;
    late.is_problem(503);
    assert!(late.body["detail"].as_str().unwrap().contains("did not confirm"), "{}", late.body);
    execute(&world, OPEN).await;
    for (id, answer) in requests.join_all().await {
        assert_eq!(answer.status, 200, "{id}");
    }
    closing.await.unwrap();
    assert_eq!(count(&world, WHOLE).await, 4);
    Arc::into_inner(world).unwrap().close().await;
}
