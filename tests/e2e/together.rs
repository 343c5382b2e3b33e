//! Writes of many attempts share a statement: each takes effect on its own job, and on no other's.

use autopilot_engine::{Outcome, Run, Stop};
use autopilot_tests::{Lab, Process, Script, World, eventually};
use sqlx::Connection;

const MANY: usize = 24;

/// Writes that wait for a job's row. What they are is not to be seen: of a long statement the server shows the beginning.
const HELD: &str =
    "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// A job of this number says it in a step, of one name or another, and in the next; half of them end then, the others say it
/// once more. What a step gives is written with what comes next.
async fn say(label: &str, run: &mut Run<'_, Lab>) -> autopilot_engine::Result {
    let say = async || Ok(label.to_owned());
    let first = if number(label).is_multiple_of(2) { "even" } else { "odd" };
    assert_eq!(run.step(first, async |_| say().await).await?, label);
    run.app.gate("first").pass().await;
    run.app.note("first");
    assert_eq!(run.step("second", async |_| say().await).await?, label);
    run.app.gate("second").pass().await;
    run.app.note("second");
    if number(label) < MANY / 2 {
        return Ok(());
    }
    run.step("third", async |_| say().await).await.map(drop)
}

/// Each third goes on without a step; then they end.
async fn end(label: &str, run: &mut Run<'_, Lab>) -> autopilot_engine::Result {
    if number(label).is_multiple_of(3) {
        let gift = run.step_or_skip("gift", async |_| {
            Err::<(), _>(Stop::Skipped { reason: label.to_owned() })
        });
        assert_eq!(gift.await?, Outcome::Skipped);
    }
    run.app.gate("end").pass().await;
    run.app.note("end");
    Ok(())
}

fn number(label: &str) -> usize {
    label.parse().unwrap_or(usize::MAX)
}

async fn started(mut world: World<Lab>) -> (World<Lab>, Process) {
    world.config.queues = vec![("default".to_owned(), MANY)];
    for number in 0..MANY {
        world.enqueue(&Script::new(&number.to_string())).await;
    }
    let process = world.start();
    (world, process)
}

/// So many go through a gate, and nothing of what they write is written until all of them have.
async fn at_once(world: &World<Lab>, gate: &'static str, many: usize) {
    world.app.gate(gate).reached(many).await;
    let mut holder = world.connect().await;
    let mut tx = holder.begin().await.unwrap();
    sqlx::query("SELECT FROM engine.job FOR UPDATE").execute(&mut *tx).await.unwrap();
    world.app.gate(gate).open();
    eventually("all have gone on", async || world.app.count(gate) == many).await;
    eventually("a write waits", async || world.count(HELD).await > 0).await;
    tx.rollback().await.unwrap();
}

/// Waits until all have ended; each with its number.
async fn ended(world: &World<Lab>, process: Process) -> &'static str {
    eventually("all have ended", async || world.count("engine.job").await == 0).await;
    process.stop().await;
    "(SELECT id, outcome, payload ->> 'label' AS label, (payload ->> 'label')::int AS number FROM engine.history) jobs"
}

#[tokio::test]
async fn what_steps_give_is_kept_with_the_job_that_it_is_of() {
    let world = Lab::world(|label, run| Box::pin(say(label, run))).await;
    let (world, process) = started(world).await;
    at_once(&world, "first", MANY).await;
    at_once(&world, "second", MANY).await;
    let jobs = ended(&world, process).await;
    let said =
        format!("{jobs} JOIN engine.step s ON s.job = jobs.id AND s.output #>> '{{}}' = label");
    let first = "s.name = CASE number % 2 WHEN 0 THEN 'even' ELSE 'odd' END";
    for (which, times) in
        [(first, 24), ("s.name = 'second'", 24), ("s.name = 'third' AND number >= 12", 12)]
    {
        assert_eq!(world.count(&format!("{said} WHERE {which}")).await, times, "{which}");
    }
    assert_eq!(world.count("engine.step").await, 24 + 24 + 12);
    world.finish().await;
}

#[tokio::test]
async fn each_job_ends_as_it_ended_itself() {
    let world = Lab::world(|label, run| Box::pin(end(label, run))).await;
    let (world, process) = started(world).await;
    at_once(&world, "end", MANY).await;
    let jobs = ended(&world, process).await;
    let right = "outcome = CASE number % 3 WHEN 0 THEN 'degraded' ELSE 'completed' END";
    assert_eq!(world.count(&format!("{jobs} WHERE {right}")).await, 24);
    world.finish().await;
}
