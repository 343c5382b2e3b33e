//! Jobs that this version cannot run: set aside with the reason, and the worker goes on.

use autopilot_engine::{Job, Registry, Result, Run};
use autopilot_tests::{Lab, Script, World, eventually};
use serde::{Deserialize, Deserializer, Serialize};

async fn put(world: &World<impl Send + Sync + 'static>, kind: &str, payload: &str) {
    world
        .execute(&format!(
            "INSERT INTO engine.job (id, workspace, kind, kind_hash, queue_hash, queue, priority, lane, run_at, payload)
             VALUES (gen_random_uuid(), gen_random_uuid(), '{kind}', hashtext('{kind}'), hashtext('default'), 'default', 2, 2, engine.clock(), '{payload}')"
        ))
        .await;
}

const LETTER: &str =
    "SELECT concat_ws('/', kind, reason, failure->>'class', failure->>'message', payload::text)
                      FROM engine.dead_letter";

#[tokio::test]
async fn a_kind_that_nobody_knows_waits_untouched_and_the_worker_goes_on() {
    let world = Lab::world(|_, _| Box::pin(async { Ok(()) })).await;
    put(&world, "test.gone", r#"{"a": 1}"#).await;
    let fine = world.enqueue(&Script::default()).await;
    let process = world.start();
    eventually("the other runs", async || world.count("engine.history").await == 1).await;
    process.stop().await;
    assert_eq!(world.standing(fine).await, "completed");
    let untouched =
        "engine.job WHERE kind = 'test.gone' AND state = 0 AND token = 0 AND crashes = 0";
    assert_eq!(world.count(untouched).await, 1, "a newer version may know it");
    assert_eq!(world.count("engine.dead_letter").await, 0);
    world.close().await;
}

#[tokio::test]
async fn a_payload_that_does_not_fit_is_set_aside_and_the_worker_goes_on() {
    let world = Lab::world(|_, _| Box::pin(async { Ok(()) })).await;
    put(&world, "test.script", r#"{"label": 7}"#).await;
    let fine = world.enqueue(&Script::default()).await;
    world.drain().await;
    let letters = world.texts(LETTER).await;
    assert!(letters[0].starts_with("test.script/undecodable/CONFIGURATION_ERROR/"), "{letters:?}");
    assert!(letters[0].contains("invalid type") && letters[0].ends_with(r#"{"label": 7}"#));
    assert_eq!(world.standing(fine).await, "completed");
    world.close().await;
}

/// A job that cannot even be decoded without a panic.
#[derive(Serialize)]
struct Bomb;

impl<'de> Deserialize<'de> for Bomb {
    fn deserialize<D: Deserializer<'de>>(_: D) -> std::result::Result<Self, D::Error> {
        panic!("the decoder panics on purpose")
    }
}

impl Job for Bomb {
    type App = ();
    const KIND: &'static str = "test.bomb";

    async fn run(&self, _: &mut Run<'_, ()>) -> Result {
        Ok(())
    }
}

#[tokio::test]
async fn a_payload_whose_decoding_panics_is_quarantined_and_not_left_running() {
    let world = World::new((), Registry::new().register::<Bomb>(), &[]).await;
    let job = world.enqueue(&Bomb).await;
    world.drain_all().await;
    assert_eq!(world.standing(job).await, "quarantined");
    world.close().await;
}
