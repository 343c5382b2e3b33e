//! Webhooks from the wire to the commit: what is acknowledged is there, whatever happens on the way, and many share one
//! transaction.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use autopilot_sandbox::sign;
use autopilot_tests::{Cut, Proxy, Ready, Studio, delivery, eventually};
use autopilot_workflows::webhooks::{Delivery, Received, receive};
use chrono::Utc;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use sqlx::Connection;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::storm::program;

const SECRET: &str = "whsec_test";

/// Those that are acted on, each with its job.
const WHOLE: &str =
    "studio.inbox i JOIN engine.job j ON j.id = i.job_id WHERE i.state = 'received'";

/// Every insert waits until `opened` has a row.
const GATE: &str = "
CREATE TABLE public.opened (at timestamptz);
CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN WHILE NOT EXISTS (SELECT FROM public.opened) LOOP PERFORM pg_sleep(0.005); END LOOP; RETURN NULL; END $$;
CREATE TRIGGER gate BEFORE INSERT ON studio.inbox FOR EACH STATEMENT EXECUTE FUNCTION gate()";

const AT_THE_GATE: &str = "pg_stat_activity WHERE datname = current_database() AND state = 'active'
    AND query LIKE '%INSERT INTO studio.inbox%' AND pid <> pg_backend_pid()";

fn body(id: &str) -> String {
    json!({"id": id, "type": "invoice.paid", "data": {"object": {}}}).to_string()
}

fn paid(id: &str) -> Delivery {
    delivery(body(id))
}

/// The real program, serving HTTP only; killed when it is dropped.
struct Server {
    child: Child,
    address: String,
    ready: Ready,
    http: reqwest::Client,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Who is killed leaves it.
        drop(std::fs::remove_file(self.ready.path()));
    }
}

impl Server {
    async fn start(database: &str) -> Self {
        let path = format!("autopilot-webhooks-{}", uuid::Uuid::now_v7());
        let ready = Ready::at(std::env::temp_dir().join(path));
        let child = Command::new(program())
            .args(["serve", "--http", "--ready-file"])
            .arg(ready.path())
            .env_clear()
            .env("DATABASE_URL", database)
            .env("STRIPE_WEBHOOK_SECRET", SECRET)
            .env("AUTOPILOT__HTTP__BIND", "127.0.0.1:0")
            .env("AUTOPILOT__HTTP__REQUEST_TIMEOUT", "60s")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let address = format!("http://{}", ready.address().await);
        Self { child, address, ready, http: reqwest::Client::new() }
    }

    /// The status of the answer, if there was one.
    async fn deliver(&self, id: &str) -> Option<u16> {
        let body = body(id);
        let signature = sign::stripe(SECRET, Utc::now().timestamp(), body.as_bytes());
        let request = self.http.post(format!("{}/webhooks/stripe", self.address));
        let sent = request.header("stripe-signature", signature).body(body).send().await;
        sent.ok().map(|answer| answer.status().as_u16())
    }

    fn stop(&self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(pid.unwrap(), Signal::TERM).unwrap();
    }
}

#[tokio::test]
async fn sixty_four_deliveries_at_once_are_four_statements_and_one_commit() {
    let studio = Studio::new().await;
    let proxy = Proxy::start(&studio.world.url()).await;
    let pool = proxy.pool(&studio.world.url()).await;
    let mut conn = pool.acquire().await.unwrap();
    for round in 1..=2 {
        let deliveries: Vec<_> = (0..64).map(|n| paid(&format!("evt_{round}_{n}"))).collect();
        let before = proxy.said();
        let mut tx = conn.begin().await.unwrap();
        let all: Vec<&Delivery> = deliveries.iter().collect();
        let received = receive(&mut tx, &all, Duration::ZERO).await.unwrap();
        tx.commit().await.unwrap();
        assert!(received.iter().all(|received| matches!(received, Received::Enqueued(_))));
        let said = proxy.said().since(before);
        // BEGIN, the inbox, the jobs, COMMIT.
        assert_eq!(said.statements, 4);
        // A statement costs a second round trip the first time that a connection uses it.
        assert!(round == 1 || said.round_trips == 4, "{said:?}");
        let commits = format!(
            "(SELECT DISTINCT xmin::text FROM studio.inbox WHERE event_id LIKE 'evt_{round}%') t"
        );
        assert_eq!(studio.world.count(&commits).await, 1);
    }
    assert_eq!(studio.world.count(WHOLE).await, 128);
    drop(conn);
    studio.close().await;
}

#[tokio::test]
async fn answers_are_in_the_order_of_the_deliveries_and_an_event_twice_is_once_new() {
    let studio = Studio::new().await;
    let ignored = delivery(json!({"id": "evt_a", "type": "charge.updated"}).to_string());
    let batch = [paid("evt_z"), ignored, delivery("no event"), paid("evt_b"), paid("evt_z")];
    let received = studio.receive_all(&batch).await;
    let [
        Received::Enqueued(z),
        Received::Ignored,
        Received::Unreadable,
        Received::Enqueued(b),
        last,
    ] = received[..]
    else {
        panic!("{received:?}");
    };
    assert_eq!(last, Received::Duplicate);
    let rows = "SELECT concat_ws(' ', event_id, state, job_id, processed_at IS NULL) FROM studio.inbox ORDER BY event_id";
    assert_eq!(
        studio.world.texts(rows).await,
        [
            "digest failed f".to_owned(),
            "evt_a ignored f".to_owned(),
            format!("evt_b received {b} t"),
            format!("evt_z received {z} t"),
        ]
    );
    let again = studio.receive_all(&[paid("evt_b"), paid("evt_c")]).await;
    assert!(matches!(again[..], [Received::Duplicate, Received::Enqueued(_)]), "{again:?}");
    assert_eq!(studio.world.count(WHOLE).await, 3);
    studio.close().await;
}

#[tokio::test]
async fn batches_at_once_with_the_same_events_never_lock_each_other_out() {
    let studio = Arc::new(Studio::new().await);
    // Slow enough that all of them are in the middle of their rows together.
    studio
        .world
        .execute(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END $$;
             CREATE TRIGGER dawdle BEFORE INSERT ON studio.inbox FOR EACH ROW EXECUTE FUNCTION dawdle()",
        )
        .await;
    for round in 0..3 {
        let mut batches = JoinSet::new();
        for forward in [true, false, true, false] {
            let studio = Arc::clone(&studio);
            let mut batch: Vec<_> = (0..8).map(|n| paid(&format!("evt_{round}_{n}"))).collect();
            if !forward {
                batch.reverse();
            }
            batches.spawn(async move { studio.receive_all(&batch).await });
        }
        let received: Vec<_> = batches.join_all().await.concat();
        let is_new = |received: &&Received| matches!(received, Received::Enqueued(_));
        assert_eq!(received.iter().filter(is_new).count(), 8);
    }
    assert_eq!(studio.world.count(WHOLE).await, 24);
    Arc::into_inner(studio).unwrap().close().await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_or_that_never_arrives_is_not_acknowledged_and_nothing_is_lost()
 {
    for cut in [Cut::answer_of_commit(), Cut::commit(), Cut::Request(b"INSERT INTO".to_vec())] {
        let studio = Studio::new().await;
        let proxy = Proxy::start(&studio.world.url()).await;
        let server = Arc::new(Server::start(&proxy.url(&studio.world.url())).await);
        proxy.arm(cut.clone());
        let mut requests = JoinSet::new();
        for n in 0..16 {
            let server = Arc::clone(&server);
            requests.spawn(async move {
                let id = format!("evt_{n}");
                (server.deliver(&id).await, id)
            });
        }
        let mut refused = Vec::new();
        for (status, id) in requests.join_all().await {
            match status {
                Some(200) => {
                    let there = format!("{WHOLE} AND i.event_id = '{id}'");
                    assert_eq!(
                        studio.world.count(&there).await,
                        1,
                        "{id} was acknowledged, {cut:?}"
                    );
                }
                Some(503) => refused.push(id),
                other => panic!("{id}: {other:?}"),
            }
        }
        assert_eq!(proxy.cuts(), 1, "{cut:?}");
        assert!(!refused.is_empty(), "nobody was refused: {cut:?}");
        for id in refused {
            assert_eq!(server.deliver(&id).await, Some(200), "{id} is delivered again, {cut:?}");
        }
        assert_eq!(
            (studio.world.count("engine.job").await, studio.world.count(WHOLE).await),
            (16, 16)
        );
        drop(server);
        studio.close().await;
    }
}

#[tokio::test]
async fn what_was_taken_is_committed_and_answered_before_the_process_ends() {
    let studio = Studio::new().await;
    studio.world.execute(GATE).await;
    let server = Arc::new(Server::start(&studio.world.url()).await);
    let mut requests = JoinSet::new();
    for n in 0..20 {
        let server = Arc::clone(&server);
        requests.spawn(async move { server.deliver(&format!("evt_{n}")).await });
    }
    let at_the_gate = async || studio.world.count(AT_THE_GATE).await >= 1;
    eventually("deliveries are at the gate", at_the_gate).await;
    server.stop();
    // It takes nobody any more, and waits for those that it has taken.
    eventually("it has stopped listening", async || {
        reqwest::get(format!("{}/livez", server.address)).await.is_err()
    })
    .await;
    assert!(!server.ready.path().exists(), "a supervisor would send it requests");
    studio.world.execute("INSERT INTO public.opened VALUES (now())").await;
    let answers = requests.join_all().await;
    let acknowledged = answers.iter().flatten().filter(|status| **status == 200).count();
    // A connection that had not said anything yet is closed without an answer.
    assert!(
        acknowledged > 0 && answers.iter().flatten().all(|status| *status == 200),
        "{answers:?}"
    );
    let there = studio.world.count(WHOLE).await;
    assert!(there >= i64::try_from(acknowledged).unwrap(), "{there} of {acknowledged}");
    let mut server = Arc::into_inner(server).unwrap();
    assert!(server.child.wait().await.unwrap().success());
    studio.close().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_is_recorded_and_also_when_the_process_ends_meanwhile() {
    let studio = Studio::new().await;
    studio.world.execute(GATE).await;
    let server = Arc::new(Server::start(&studio.world.url()).await);
    let hasty = tokio::spawn({
        let server = Arc::clone(&server);
        async move { server.deliver("evt_1").await }
    });
    eventually("it is at the gate", async || studio.world.count(AT_THE_GATE).await == 1).await;
    hasty.abort();
    assert!(hasty.await.unwrap_err().is_cancelled());
    server.stop();
    studio.world.execute("INSERT INTO public.opened VALUES (now())").await;
    let mut server = Arc::into_inner(server).unwrap();
    assert!(server.child.wait().await.unwrap().success());
    assert_eq!(studio.world.count(WHOLE).await, 1);
    studio.close().await;
}
