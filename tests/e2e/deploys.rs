//! Two versions side by side: each takes what it knows, and what was begun under another name is not done again.

use autopilot_engine::{Class, Failure, Job, Planned, Registry, Result, Run};
use autopilot_tests::{Lab, World, eventually};
use serde::{Deserialize, Serialize};

/// An order: pays, waits for the gate, ships. The version before called the first step otherwise.
macro_rules! order {
    ($name:ident, $kind:literal, $first:literal, $steps:expr, $retired:expr) => {
        #[derive(Default, Serialize, Deserialize)]
        struct $name {}

        impl Job for $name {
            type App = Lab;
            const KIND: &'static str = $kind;
            const STEPS: &'static [Planned] = $steps;
            const RETIRED: &'static [&'static str] = $retired;

            async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
                run.step($first, async |at| at.app.call(stringify!($name), &at.key)).await?;
                run.step("ship", async |at| {
                    at.app.note("ship");
                    if at.app.count("ship") == 1 {
                        return Err(Failure::new(Class::TransientNetwork, "test", "not yet").into());
                    }
                    Ok(())
                })
                .await
            }
        }
    };
}

const BEFORE: &[Planned] = &[Planned::new("pay", 50), Planned::new("ship", 50)];
const RENAMED: &[Planned] = &[Planned::new("charge", 50), Planned::new("ship", 50)];
const WITH_ONE_MORE: &[Planned] =
    &[Planned::new("pay", 40), Planned::new("charge", 20), Planned::new("ship", 40)];

order!(Old, "test.order", "pay", BEFORE, &[]);
order!(Renamed, "test.order", "charge", RENAMED, &[]);
order!(Retired, "test.order", "charge", RENAMED, &["pay"]);
order!(Longer, "test.order", "pay", WITH_ONE_MORE, &[]);
order!(Newer, "test.newer", "pay", BEFORE, &[]);

/// A run of the old version that has paid and not shipped, taken up by another version; how it ends, and how often was paid.
async fn taken_up_by(registry: Registry<Lab>) -> (String, usize, Option<String>) {
    let world =
        World::new(Lab::new(|_, _| unreachable!()), Registry::new().register::<Old>(), &[]).await;
    let run = world.enqueue(&Old {}).await;
    assert_eq!(world.attempt(run).await, "ready");
    world.advance_to_next().await;
    let process = world.start_as(registry);
    eventually("it has ended", async || world.count("engine.job").await == 0).await;
    process.stop().await;
    let standing = world.standing(run).await;
    let paid = ["Old", "Renamed", "Retired", "Longer"].map(|name| world.app.count(name));
    let told = world.texts("SELECT failure ->> 'message' FROM engine.dead_letter").await.pop();
    world.close().await;
    (standing, paid.iter().sum(), told)
}

#[tokio::test]
async fn a_renamed_step_is_refused_by_name_and_not_done_a_second_time() {
    let (standing, paid, told) = taken_up_by(Registry::new().register::<Renamed>()).await;
    assert_eq!((standing.as_str(), paid), ("failed", 1));
    assert_eq!(
        told.unwrap(),
        "the run has begun step pay, which is not in the plan of this version"
    );
}

#[tokio::test]
async fn a_step_that_was_taken_out_on_purpose_or_put_in_lets_the_run_go_on() {
    let (standing, paid, _) = taken_up_by(Registry::new().register::<Retired>()).await;
    assert_eq!(
        (standing.as_str(), paid),
        ("completed", 2),
        "a step of another name is another step"
    );
    let (standing, paid, _) = taken_up_by(Registry::new().register::<Longer>()).await;
    assert_eq!((standing.as_str(), paid), ("completed", 1));
}

#[tokio::test]
async fn each_version_takes_what_it_knows() {
    let registry = Registry::new().register::<Old>();
    let world = World::new(Lab::new(|_, _| unreachable!()), registry, &[]).await;
    let (mut old, mut newer) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        newer.push(world.enqueue(&Newer {}).await);
        old.push(world.enqueue(&Old {}).await);
    }
    let before = world.start();
    let done = |kind: &str| format!("engine.history WHERE kind = '{kind}'");
    eventually("what it knows has run", async || {
        let _moved = world.advance_to_next().await;
        world.count(&done("test.order")).await == 20
    })
    .await;
    let untouched = "engine.job WHERE kind = 'test.newer' AND token = 0";
    assert_eq!(world.count(untouched).await, 20, "never claimed by who does not know it");
    let after = world.start_as(Registry::new().register::<Old>().register::<Newer>());
    eventually("the rest has run", async || world.count(&done("test.newer")).await == 20).await;
    before.stop().await;
    after.stop().await;
    let version = format!("engine.run WHERE version = '{}'", autopilot_engine::VERSION);
    assert_eq!(world.count(&version).await, 40, "each run says which version enqueued it");
    world.finish().await;
}
