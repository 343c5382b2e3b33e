//! Children: spawned once, joined, run for each of a list, and cancelled with their parent.

use autopilot_engine::{Class, Failure, Job, JobId, Registry, Result, Run, ops};
use autopilot_tests::{Lab, World, eventually};
use serde::{Deserialize, Serialize};

/// A parent: its label says what it does.
#[derive(Debug, Serialize, Deserialize)]
struct Parent {
    label: String,
}

/// A child: gives its number times ten, fails the first time at 13, and waits at the gate at 99.
#[derive(Debug, Serialize, Deserialize)]
struct Tenfold {
    number: u32,
}

impl Job for Tenfold {
    type App = Lab;
    const KIND: &'static str = "test.tenfold";

    async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
        run.app.note(&self.number.to_string());
        match self.number {
            13 if run.app.count("13") == 1 => {
                Err(Failure::new(Class::ProvisioningError, "unlucky", "13 brings no luck").into())
            }
            99 => {
                run.app.gate("here").pass().await;
                run.output(&990)
            }
            number => run.output(&(number * 10)),
        }
    }
}

impl Job for Parent {
    type App = Lab;
    const KIND: &'static str = "test.parent";

    async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
        match self.label.as_str() {
            "each" => {
                let jobs: Vec<Tenfold> = [1, 2, 13, 4].map(|number| Tenfold { number }).into();
                let all: Vec<std::result::Result<u32, String>> = run.each("all", &jobs, 2).await?;
                run.app.note(&format!(
                    "{:?}",
                    all.iter().filter_map(|one| one.as_ref().ok()).collect::<Vec<_>>()
                ));
                run.output(
                    &all.iter().filter_map(|one| one.as_ref().err()).cloned().collect::<Vec<_>>(),
                )
            }
            number => {
                let number = number.parse().unwrap();
                run.spawn("spawn", &Tenfold { number }).await?;
                run.step("beside", async |at| at.app.call("beside", &at.key)).await?;
                let tenfold: u32 = run.join("join", "spawn").await?;
                run.app.note(&format!("got {tenfold}"));
                Ok(())
            }
        }
    }
}

async fn family() -> World<Lab> {
    let registry: Registry<Lab> = Registry::new().register::<Parent>().register::<Tenfold>();
    World::new(Lab::new(|_, _| unreachable!()), registry, &[]).await
}

async fn parent(world: &World<Lab>, label: &str) -> JobId {
    world.enqueue(&Parent { label: label.to_owned() }).await
}

#[tokio::test]
async fn a_child_is_spawned_once_and_its_output_joined() {
    let world = family().await;
    parent(&world, "7").await;
    world.drain().await;
    let calls = world.app.calls();
    assert_eq!((world.app.count("7"), world.app.count("got 70")), (1, 1), "{calls:?}");
    assert_eq!(world.count("engine.history").await, 2);
    world.finish().await;
}

#[tokio::test]
async fn a_parent_whose_child_failed_fails_by_name_and_goes_on_when_both_are_retried() {
    let world = family().await;
    let parent = parent(&world, "13").await;
    world.drain().await;
    assert_eq!(world.standing(parent).await, "failed");
    let failure: String = world
        .value(&format!(
            "SELECT failure ->> 'message' FROM engine.dead_letter WHERE id = '{parent}'"
        ))
        .await;
    assert!(failure.contains("is failed: 13 brings no luck"), "{failure}");
    let child: sqlx::types::Uuid =
        world.value("SELECT id FROM engine.dead_letter WHERE kind = 'test.tenfold'").await;
    ops::retry(world.pool(), child.into()).await.unwrap();
    world.drain().await;
    ops::retry(world.pool(), parent).await.unwrap();
    world.drain().await;
    assert_eq!(world.standing(parent).await, "completed");
    assert_eq!((world.app.count("got 130"), world.app.count("13")), (1, 2));
    world.finish().await;
}

#[tokio::test]
async fn a_child_for_each_of_a_list_and_all_that_they_gave_in_order() {
    let world = family().await;
    let parent = parent(&world, "each").await;
    world.drain().await;
    assert_eq!(world.app.count("[10, 20, 40]"), 1);
    let found = ops::search(
        world.pool(),
        &ops::Search { output: Some(serde_json::json!([])), ..ops::Search::default() },
    )
    .await
    .unwrap();
    let own = found.iter().find(|found| found.id == parent).unwrap();
    assert!(own.output.as_ref().unwrap()[0].as_str().unwrap().contains("13 brings no luck"));
    world.close().await;
}

#[tokio::test]
async fn a_child_is_cancelled_with_its_parent_and_a_cancelled_child_fails_its_parent() {
    let world = family().await;
    let process = world.start();
    let doomed = parent(&world, "99").await;
    world.app.gate("here").reached(1).await;
    ops::cancel(world.pool(), doomed).await.unwrap();
    assert_eq!(world.count("engine.history WHERE outcome = 'cancelled'").await, 2);
    let other = parent(&world, "99").await;
    world.app.gate("here").reached(2).await;
    let child: JobId = {
        let id: sqlx::types::Uuid = world
            .value(&format!("SELECT id FROM engine.job WHERE wakes LIKE 'child:{other}/%'"))
            .await;
        id.into()
    };
    ops::cancel(world.pool(), child).await.unwrap();
    eventually("it fails", async || world.count("engine.dead_letter").await == 1).await;
    assert_eq!(world.standing(other).await, "failed");
    process.stop().await;
    world.close().await;
}

#[tokio::test]
async fn a_crash_at_every_boundary_spawns_no_child_twice() {
    for index in 0..40 {
        let world = family().await;
        let points = autopilot_engine::testing::CrashPoints::at(index);
        parent(&world, "7").await;
        let process = world.start_with(world.pool().clone(), points.clone());
        eventually("it stopped or ended", async || {
            points.stopped().is_some() || world.count("engine.history").await == 2
        })
        .await;
        let over = points.stopped().is_none();
        process.kill().await;
        world.let_leases_lapse().await;
        world.drain().await;
        assert_eq!(world.count("engine.history").await, 2, "boundary {index}");
        let children = "engine.history WHERE kind = 'test.tenfold' AND outcome = 'completed'";
        assert_eq!(world.count(children).await, 1, "boundary {index}");
        let given = "SELECT output::text FROM engine.step WHERE name = 'join'";
        assert_eq!(world.texts(given).await, ["70"], "boundary {index}");
        world.finish().await;
        if over {
            return;
        }
    }
    panic!("more boundaries than that?");
}
