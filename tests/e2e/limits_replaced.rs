//! Unique jobs with limits of their own: what becomes of them when another one joins them.

use std::time::Duration;

use autopilot_engine::testing::look_after;
use autopilot_engine::{Enqueued, Job, Limit, NewJob, Registry, Result, Run, Unique};
use autopilot_tests::{Inside, Lab, World, eventually};
use serde::{Deserialize, Serialize};

/// The last word on something, with limits of its own.
#[derive(Serialize, Deserialize)]
struct Word {
    unique: bool,
    limits: Vec<Limit>,
}

impl Job for Word {
    type App = Lab;
    const KIND: &'static str = "test.word";

    fn unique(&self) -> Option<Unique> {
        self.unique.then(|| Unique::key("the last").replace())
    }

    fn limits(&self) -> Vec<Limit> {
        self.limits.clone()
    }

    async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
        run.app.note(if self.limits.is_empty() { "free" } else { "limited" });
        if !self.limits.is_empty() {
            run.app.gate("here").pass().await;
        }
        Ok(())
    }
}

fn key() -> [Limit; 1] {
    [Limit::concurrency("key", 1)]
}

async fn words() -> World<Lab> {
    World::new(Lab::new(|_, _| unreachable!()), Registry::new().register::<Word>(), &[]).await
}

#[tokio::test]
async fn whoever_is_given_other_limits_while_he_stands_aside_is_judged_by_those() {
    let world = words().await;
    let word =
        |unique, limits: &[Limit]| NewJob::of(&Word { unique, limits: limits.to_vec() }).unwrap();
    world.add(word(false, &key())).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    world.add(word(true, &key())).await;
    eventually("it stands aside", async || world.aside().await == 1).await;
    assert!(matches!(world.submit(word(true, &[])).await, Enqueued::Existing(_)));
    eventually("it needs no place any more", async || world.app.count("free") == 1).await;
    world.app.gate("here").open();
    world.idle().await;
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn a_job_that_runs_is_not_taken_back_by_one_that_joins_it_by_its_idempotency_key() {
    let world = words().await;
    let word = |unique| NewJob::of(&Word { unique, limits: key().to_vec() }).unwrap().key("k");
    let first = world.add(word(false)).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    assert_eq!(world.submit(word(true)).await, Enqueued::Existing(first));
    assert_eq!(world.standing(first).await, "running");
    world.app.gate("here").open();
    world.idle().await;
    process.stop().await;
    assert_eq!(world.app.count("limited"), 1);
    world.finish().await;
}

#[tokio::test]
async fn whoever_is_given_other_limits_leaves_the_sequence_that_he_stood_in() {
    let world = words().await;
    let word =
        |unique, limits: &[Limit]| NewJob::of(&Word { unique, limits: limits.to_vec() }).unwrap();
    let order = [Limit::in_order("key")];
    world.add(word(true, &order).after(Duration::from_secs(3_600))).await;
    world.app.gate("here").open();
    world.add(word(false, &order)).await;
    world.drain().await;
    assert_eq!(world.app.count("limited"), 0, "the first is not due, and the second is behind it");
    let replaced = world.submit(word(true, &[]).after(Duration::from_secs(3_600))).await;
    assert!(matches!(replaced, Enqueued::Existing(_)));
    look_after(world.pool()).await.unwrap();
    world.drain().await;
    assert_eq!(world.app.count("limited"), 1);
    world.drain_all().await;
    world.finish().await;
}
