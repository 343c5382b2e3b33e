//! What makes no sense is refused by name, where it is said, and nothing is lost or half written.

use std::time::Duration;

use autopilot_engine::ops::events::emit;
use autopilot_engine::{Job, Limit, NewJob, Result, Run, Stop, Unique, Wait};
use autopilot_tests::{Lab, Script, World};
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;

/// A job that says of itself whatever a test wants.
#[derive(Default, Clone, Serialize, Deserialize)]
struct Odd {
    text: String,
    #[serde(skip)]
    key: Option<String>,
    #[serde(skip)]
    limits: Vec<Limit>,
    #[serde(skip)]
    tags: Vec<String>,
}

impl Job for Odd {
    type App = Lab;
    const KIND: &'static str = "test.odd";

    fn unique(&self) -> Option<Unique> {
        self.key.clone().map(Unique::key)
    }

    fn limits(&self) -> Vec<Limit> {
        self.limits.clone()
    }

    fn tags(&self) -> Vec<String> {
        self.tags.clone()
    }

    async fn run(&self, _: &mut Run<'_, Lab>) -> Result {
        Ok(())
    }
}

fn refused(odd: &Odd) -> String {
    NewJob::of(odd).unwrap_err().to_string()
}

#[test]
fn a_job_that_says_nonsense_of_itself_is_refused_where_it_is_made() {
    let long = "k".repeat(10_000);
    let minute = Duration::from_secs(60);
    let with = |limit: Limit| Odd { limits: vec![limit], ..Odd::default() };
    let tagged = |tag: &str| Odd { tags: vec![tag.to_owned()], ..Odd::default() };
    let keyed = |key: &str| Odd { key: Some(key.to_owned()), ..Odd::default() };
    for (odd, says) in [
        (Odd { text: "x".repeat(10_000_000), ..Odd::default() }, "its payload has 100000"),
        (keyed(&long), "10000 bytes"),
        (keyed(""), "0 bytes"),
        (keyed("a\0b"), "NUL"),
        (with(Limit::concurrency("k", 0)), "lets none run"),
        (with(Limit::concurrency(long.as_str(), 1)), "10000 bytes"),
        (with(Limit::rate("k", 0, minute)), "no turns"),
        (with(Limit::rate("k", 1, Duration::ZERO)), "no turns"),
        (with(Limit::concurrency("a\0b", 1)), "NUL"),
        (tagged(""), "0 bytes"),
        (tagged(&long), "10000 bytes"),
        (tagged("a\0b"), "NUL"),
    ] {
        let told = refused(&odd);
        assert!(told.starts_with("a job of kind test.odd cannot be enqueued: "), "{told}");
        assert!(told.contains(says) && told.len() < 300 + long.len(), "{says}: {told}");
    }
}

#[tokio::test]
async fn any_text_is_a_key_a_tag_and_a_payload_as_long_as_it_is_short_enough() {
    let text = "\u{1f980} ÄÖÜ ß \u{202e}\r\n\t'\";--\u{7f}\\ %s {} \u{fffd}".to_owned();
    let registry = autopilot_engine::Registry::new().register::<Odd>();
    let world = World::new(Lab::new(|_, _| unreachable!()), registry, &[]).await;
    let odd = Odd {
        text: text.repeat(20_000),
        key: Some(text.clone()),
        limits: vec![Limit::concurrency(text.as_str(), 1)],
        tags: vec![text.clone()],
    };
    assert_eq!(world.complete(&odd).await, "completed");
    let search = autopilot_engine::ops::Search { tags: vec![text], ..Default::default() };
    assert_eq!(autopilot_engine::ops::search(world.pool(), &search).await.unwrap().len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn an_event_with_a_key_that_makes_no_sense_is_refused_on_both_sides() {
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            match label {
                "waits for" => {
                    run.wait_for::<()>("wait", "", Duration::from_secs(1)).await.map(drop)
                }
                _ => {
                    let event = "e".repeat(10_000);
                    let wait =
                        Wait { event, look_again: Duration::from_secs(1), reason: "x".to_owned() };
                    run.step("wait", async |_| -> Result { Err(Stop::Waiting(wait)) }).await
                }
            }
        })
    })
    .await;
    for label in ["waits for", "a step waits"] {
        let job = world.enqueue(&Script::new(label)).await;
        world.drain().await;
        assert_eq!(world.standing(job).await, "failed", "{label}");
        let told =
            format!("SELECT failure ->> 'message' FROM engine.dead_letter WHERE id = '{job}'");
        let told: String = world.value(&told).await;
        assert!(told.contains("the key of an event has 1 to 512 bytes"), "{told}");
    }
    let mut conn = world.connect().await;
    for key in ["", "a\0b", &"e".repeat(513)] {
        let told = emit(&mut conn, key, &()).await.unwrap_err().to_string();
        assert!(told.contains("1 to 512 bytes"), "{told}");
    }
    assert_eq!(world.count("engine.event").await, 0);
    drop(conn);
    world.close().await;
}

#[tokio::test]
async fn what_is_too_long_for_an_index_hurts_nobody_else_and_is_not_tried_for_ever() {
    // Past every check of ours: what Postgres refuses for good is told as a failure of the job.
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            let label = label.to_owned();
            run.step("one", async |_| Ok(label)).await.map(drop)
        })
    })
    .await;
    world.execute("CREATE INDEX narrow ON engine.step (md5(output::text), (output::text))").await;
    let random: String = (0..400).map(|_| autopilot_engine::JobId::now_v7().to_string()).collect();
    let long = world.enqueue(&Script::new(&random)).await;
    let short = world.enqueue(&Script::new("short")).await;
    world.drain().await;
    assert_eq!(world.standing(short).await, "completed");
    assert_eq!(world.standing(long).await, "failed");
    let told: String = world.value("SELECT failure ->> 'message' FROM engine.dead_letter").await;
    assert!(told.contains("index row"), "{told}");
    world.close().await;
}

#[tokio::test]
async fn an_edit_by_hand_that_would_lose_a_job_is_refused_by_the_database() {
    let world = Lab::noting().await;
    world.enqueue(&Script::default()).await;
    for edit in [
        "lane = 5",
        "lane = 9",
        "blocked_on = 'key:a'",
        "priority = 4, lane = 4",
        "state = 1",
        "worker = id",
        "share = 7",
    ] {
        let refused = sqlx::query(AssertSqlSafe(format!("UPDATE engine.job SET {edit}")))
            .execute(world.pool())
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("job_is_consistent"), "{edit}: {refused}");
    }
    for (row, says) in [
        ("step (job, born, name, state, token) VALUES (gen_random_uuid(), now(), 'a', 'waiting', 1)", "step_is_consistent"),
        (
            "history (id, workspace, kind, queue, priority, outcome, token, attempt, crashes, payload, created_at, goes)
             SELECT id, workspace, kind, queue, priority, 'lost', 1, 1, 0, payload, created_at,
                    (SELECT goes FROM engine.retention WHERE outcome = 'lost') FROM engine.job",
            "goes",
        ),
    ] {
        let refused = sqlx::query(AssertSqlSafe(format!("INSERT INTO engine.{row}")))
            .execute(world.pool())
            .await
            .unwrap_err();
        assert!(refused.to_string().contains(says), "{row}: {refused}");
    }
    world.drain().await;
    assert_eq!(world.app.calls().len(), 1);
    world.finish().await;
}
