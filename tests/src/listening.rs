//! Hints: sending one with a job, and when they are heard.

use autopilot_engine::{NewJob, hint};

use crate::{World, eventually};

/// Waits until so many workers listen for hints, which each begins last.
pub async fn listening<A: Send + Sync + 'static>(world: &World<A>, workers: i64) {
    let listen = "pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    eventually("the workers listen", async || world.count(listen).await == workers).await;
}

/// Enqueues a job and hints at it.
pub async fn add_and_hint<A: Send + Sync + 'static>(world: &World<A>, job: NewJob) {
    world.add(job.clone()).await;
    hint(world.pool(), &job).await;
}
