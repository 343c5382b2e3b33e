//! What a workflow promises is shown by its tests: over months, with a crash at every boundary, every step done twice. This is a
//! program so that it can be run like the others; the same lines stand in a `#[tokio::test]`.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use autopilot_engine::testing::{World, crash_at_every_step, repeat_every_step};
use autopilot_engine::{Job, NewJob, Planned, Registry, Result, Run};
use serde::{Deserialize, Serialize};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The carrier honours keys: the same one again changes nothing.
#[derive(Default)]
struct App {
    carrier: Mutex<BTreeSet<String>>,
}

impl App {
    fn letters(&self) -> usize {
        self.carrier.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[derive(Serialize, Deserialize)]
struct Trial {
    member: String,
}

impl Job for Trial {
    type App = App;
    const KIND: &'static str = "example.trial";
    const STEPS: &'static [Planned] = &[
        Planned::new("welcome", 40),
        Planned::new("trial", 10),
        Planned::new("offer", 40),
        Planned::new("thinking", 10),
    ];

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        for step in ["welcome", "offer"] {
            run.step(step, async |at| {
                let key = at.key.to_string();
                at.app.carrier.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
                Ok(())
            })
            .await?;
            run.sleep(if step == "welcome" { "trial" } else { "thinking" }, 30 * DAY).await?;
        }
        run.enqueue(NewJob::of(&Survey { member: self.member.clone() })?.after(DAY));
        Ok(())
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Survey {
    member: String,
}

impl Job for Survey {
    type App = App;
    const KIND: &'static str = "example.survey";

    async fn run(&self, _: &mut Run<'_, App>) -> Result {
        Ok(())
    }
}

async fn world() -> World<App> {
    let registry = Registry::new().register::<Trial>().register::<Survey>();
    World::new(App::default(), registry, &[]).await
}

#[tokio::main]
async fn main() -> std::result::Result<(), sqlx::Error> {
    let trial = Trial { member: "Ada".to_owned() };
    let months = world().await;
    let run = months.enqueue(&trial).await;
    for month in 0..3 {
        let standing = months.attempt(run).await;
        println!("month {month}: {standing}, {} letters", months.app.letters());
        months.clock.advance_alive(30 * DAY).await?;
    }
    println!("then: {:?}", months.enqueued::<Survey>().await);
    months.drain_all().await;
    months.finish().await;

    let crashes = crash_at_every_step(world, &trial, async |world, place| {
        assert_eq!(world.app.letters(), 2, "after a crash at {place}");
    });
    println!("{} crashes, and two letters each time", crashes.await);
    let repeats = repeat_every_step(world, &trial, async |world, step| {
        assert_eq!(world.app.letters(), 2, "after {step} was done twice");
    });
    println!("{} steps done twice, and two letters each time", repeats.await);
    Ok(())
}
