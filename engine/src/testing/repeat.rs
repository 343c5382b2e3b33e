//! Crashes at every boundary of every step, and repeats of every step, for any workflow: two closures will do.

use std::collections::BTreeSet;

use super::process::Process;
use super::wait::eventually;
use super::world::World;
use super::{CrashPoints, Place};
use crate::ids::JobId;
use crate::job::Job;

/// Kills the worker at every boundary that the job's attempts pass, one world each; lets its lease lapse; has
/// another worker take over; and checks the end. Says how many crashes there were.
///
/// `make` builds the same world every time; `check` asserts the end state, which must be that of an undisturbed run.
///
/// # Panics
/// When a check fails, a job is left behind, or a crash point is not reached.
pub async fn crash_at_every_step<J: Job>(
    make: impl AsyncFn() -> World<J::App>,
    job: &J,
    check: impl AsyncFn(&World<J::App>, &Place),
) -> usize {
    let places = dry_run(&make, job).await;
    for (index, place) in places.iter().enumerate() {
        let world = make().await;
        world.enqueue(job).await;
        let process = run_to(&world, index, place).await;
        process.kill().await;
        world.let_leases_lapse().await;
        world.drain_all().await;
        check(&world, place).await;
        world.finish().await;
    }
    places.len()
}

/// Runs every step once more after it had finished, by losing its checkpoint while the worker dies before the ack;
/// one world each. A workflow whose steps are idempotent ends as if nothing had happened.
///
/// # Panics
/// When a check fails, a job is left behind, or a crash point is not reached.
pub async fn repeat_every_step<J: Job>(
    make: impl AsyncFn() -> World<J::App>,
    job: &J,
    check: impl AsyncFn(&World<J::App>, &str),
) -> usize {
    let places = dry_run(&make, job).await;
    // A job that enqueues another passes that one's boundaries too; its plan tells its own steps.
    let own = |step: &&str| J::STEPS.is_empty() || J::STEPS.iter().any(|plan| plan.name == *step);
    let steps: BTreeSet<&str> = places.iter().filter_map(|place| place.step).filter(own).collect();
    // The end of its last attempt, where every step has run.
    let last = places.iter().rposition(|place| place.step.as_ref().is_some_and(own));
    let ends = last.map_or(0, |last| last + 1);
    let end = places.get(ends).expect("an attempt ends after its last step");
    for step in &steps {
        let world = make().await;
        let id = world.enqueue(job).await;
        let process = run_to(&world, ends, end).await;
        process.kill().await;
        forget(&world, id, step).await;
        world.let_leases_lapse().await;
        world.drain_all().await;
        check(&world, step).await;
        world.finish().await;
    }
    steps.len()
}

/// The boundaries of an undisturbed run, in order.
async fn dry_run<J: Job>(make: &impl AsyncFn() -> World<J::App>, job: &J) -> Vec<Place> {
    let world = make().await;
    world.enqueue(job).await;
    let points = CrashPoints::none().in_turn();
    let process = world.start_with(world.pool().clone(), points.clone());
    loop {
        world.idle().await;
        if !world.advance_to_next().await {
            break;
        }
    }
    process.stop().await;
    world.finish().await;
    let places = points.passed();
    assert!(!places.is_empty(), "the job {} passes no boundary", J::KIND);
    places
}

/// Runs until an attempt stands still at the boundary number `index`.
async fn run_to<A: Send + Sync + 'static>(
    world: &World<A>,
    index: usize,
    place: &Place,
) -> Process {
    let points = CrashPoints::at(index).in_turn();
    let process = world.start_with(world.pool().clone(), points.clone());
    eventually(&format!("the attempt reaches {place}"), async || {
        if points.stopped().is_none() && world.is_asleep().await {
            world.advance_to_next().await;
        }
        points.stopped().is_some()
    })
    .await;
    assert_eq!(points.stopped().as_ref(), Some(place), "the run takes the same way every time");
    process
}

async fn forget<A: Send + Sync + 'static>(world: &World<A>, job: JobId, step: &str) {
    let mut forgotten = 0;
    for sql in [
        "DELETE FROM engine.step WHERE job = $1 AND name = $2",
        "UPDATE engine.job SET step = NULL, starts = 0, begun_at = NULL WHERE id = $1 AND step = $2",
    ] {
        let done = sqlx::query(sql).bind(job.uuid()).bind(step).execute(world.pool()).await;
        forgotten += done.unwrap().rows_affected();
    }
    assert_eq!(forgotten, 1, "{step} is to run again");
}
