//! Unique jobs: with a window, with the last word, and once more after the one that runs.

use std::time::Duration;

use autopilot_engine::{Enqueued, Job, NewJob, Registry, Result, Run, Unique};
use autopilot_tests::{Inside, Lab, World, eventually};
use serde::{Deserialize, Serialize};

const HOUR: Duration = Duration::from_secs(3_600);

/// A report of an account; `policy` says how it is unique.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Report {
    policy: String,
    text: String,
}

impl Job for Report {
    type App = Lab;
    const KIND: &'static str = "test.report";

    fn unique(&self) -> Option<Unique> {
        let unique = Unique::key("account 7");
        Some(match self.policy.as_str() {
            "hourly" => unique.within(HOUR),
            "hourly, last word" => unique.within(HOUR).replace(),
            "last word" => unique.replace(),
            "again" => unique.run_again(),
            "again, last word" => unique.run_again().replace(),
            _ => unique,
        })
    }

    async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
        run.app.note(&self.text);
        if self.text == "waits" {
            run.app.gate("here").pass().await;
        }
        if self.text == "sleeps" {
            run.sleep("a while", HOUR).await?;
        }
        Ok(())
    }
}

async fn office() -> World<Lab> {
    World::new(Lab::new(|_, _| unreachable!()), Registry::new().register::<Report>(), &[]).await
}

fn report(policy: &str, text: &str) -> NewJob {
    NewJob::of(&Report { policy: policy.to_owned(), text: text.to_owned() }).unwrap()
}

async fn is_new(world: &World<Lab>, policy: &str, text: &str) -> bool {
    matches!(world.submit(report(policy, text)).await, Enqueued::New(_))
}

#[tokio::test]
async fn one_in_an_hour_also_when_it_has_ended_before() {
    let world = office().await;
    world.clock.freeze().await.unwrap();
    assert!(is_new(&world, "hourly", "first").await);
    assert!(!is_new(&world, "hourly", "while it waits").await);
    world.drain().await;
    world.clock.advance_alive(HOUR - Duration::from_secs(1)).await.unwrap();
    assert!(!is_new(&world, "hourly", "when it has ended").await);
    world.clock.advance_alive(Duration::from_secs(1)).await.unwrap();
    assert!(is_new(&world, "hourly", "an hour later").await);
    assert!(!is_new(&world, "hourly", "the hour begins anew").await);
    world.drain().await;
    assert_eq!(world.app.calls(), ["first", "an hour later"]);
    world.finish().await;
}

#[tokio::test]
async fn eight_at_once_within_a_window_make_one() {
    let world = office().await;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut conn = world.connect().await;
        racers.spawn(async move {
            let mut tx = sqlx::Connection::begin(&mut conn).await.unwrap();
            let both = [report("hourly", "one"), report("hourly", "other")];
            let answers = autopilot_engine::enqueue(&mut tx, &both).await.unwrap();
            tx.commit().await.unwrap();
            answers
        });
    }
    let answers: Vec<Enqueued> = racers.join_all().await.into_iter().flatten().collect();
    assert_eq!(answers.iter().filter(|one| matches!(one, Enqueued::New(_))).count(), 1);
    assert!(answers.iter().all(|answer| answer.id() == answers[0].id()));
    assert_eq!(world.count("engine.job").await, 1);
    world.close().await;
}

#[tokio::test]
async fn the_last_word_counts_until_the_first_attempt_begins() {
    for policy in ["last word", "hourly, last word"] {
        let world = office().await;
        assert!(is_new(&world, policy, "first").await);
        assert!(!is_new(&world, policy, "second").await);
        let third = report(policy, "waits").priority(autopilot_engine::Priority::Critical);
        assert!(matches!(world.submit(third).await, Enqueued::Existing(_)));
        assert_eq!(
            world.texts("SELECT concat_ws('/', priority, lane) FROM engine.job").await,
            ["0/0"]
        );
        let process = world.start();
        world.app.gate("here").reached(1).await;
        assert!(!is_new(&world, policy, "too late").await);
        world.app.gate("here").open();
        world.idle().await;
        process.stop().await;
        assert_eq!(world.app.calls(), ["waits"]);
        world.finish().await;
    }
}

#[tokio::test]
async fn a_run_that_sleeps_has_begun_and_keeps_what_it_began_with() {
    let world = office().await;
    world.clock.freeze().await.unwrap();
    assert!(is_new(&world, "last word", "sleeps").await);
    world.drain().await;
    assert!(!is_new(&world, "last word", "too late").await);
    world.clock.advance_alive(HOUR).await.unwrap();
    world.drain().await;
    assert_eq!(world.app.calls(), ["sleeps", "sleeps"], "it is woken, and nothing else");
    world.finish().await;
}

#[tokio::test]
async fn what_comes_while_one_runs_runs_once_more_after_it() {
    for (policy, last) in [("again", "one"), ("again, last word", "two")] {
        let world = office().await;
        assert!(is_new(&world, policy, "waits").await);
        let processes = [world.start(), world.start()];
        world.app.gate("here").reached(1).await;
        assert!(is_new(&world, policy, "one").await, "a job of its own");
        assert!(!is_new(&world, policy, "two").await, "but one only");
        eventually("it stands aside", async || world.aside().await == 1).await;
        assert_eq!(world.app.calls(), ["waits"]);
        world.app.gate("here").open();
        eventually("it has run", async || world.count("engine.history").await == 2).await;
        assert_eq!(world.app.calls(), ["waits", last]);
        for process in processes {
            process.stop().await;
        }
        world.finish().await;
    }
}
