//! Attempts that take longer than their kind allows.

use std::time::Duration;

use autopilot_engine::{Job, Registry, Result, Run};
use autopilot_tests::{Lab, World};
use serde::{Deserialize, Serialize};

/// Never ends where it is told to.
#[derive(Serialize, Deserialize)]
struct Endless {
    place: String,
}

impl Job for Endless {
    type App = Lab;
    const KIND: &'static str = "test.endless";
    const TIMEOUT: Option<Duration> = Some(Duration::from_millis(50));

    async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
        run.app.note("begins");
        let first = run.app.count("begins") == 1;
        match self.place.as_str() {
            "between steps" if first => std::future::pending().await,
            "a step" if first => run.step("endless", async |_| std::future::pending().await).await,
            "a step that may run once" => {
                run.step_once("endless", async |_| std::future::pending().await).await
            }
            _ => Ok(()),
        }
    }
}

async fn endless(place: &str) -> World<Lab> {
    let registry = Registry::new().register::<Endless>();
    let world = World::new(Lab::new(|_, _| unreachable!()), registry, &[]).await;
    world.enqueue(&Endless { place: place.to_owned() }).await;
    world.drain_all().await;
    world
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_dropped_and_tried_again() {
    for (place, told) in
        [("between steps", "it was dropped"), ("a step", "dropped in step endless")]
    {
        let world = endless(place).await;
        assert_eq!(world.app.count("begins"), 2);
        assert_eq!(world.count("engine.history WHERE outcome = 'completed'").await, 1);
        let failures = world.texts("SELECT code || ': ' || message FROM engine.failure").await;
        let [failure] = failures.as_slice() else { panic!("{failures:?}") };
        assert!(
            failure.starts_with("attempt_timeout: the attempt did not end within 50ms")
                && failure.contains(told),
            "{failure}"
        );
        world.finish().await;
    }
}

#[tokio::test]
async fn what_may_run_once_is_reviewed_after_a_timeout() {
    let world = endless("a step that may run once").await;
    assert_eq!(world.app.count("begins"), 1);
    assert_eq!(world.count("engine.dead_letter WHERE reason = 'review'").await, 1);
    world.close().await;
}
