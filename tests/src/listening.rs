//! When hints are heard.

use crate::{World, eventually};

/// Waits until so many workers listen for hints, which each begins last.
pub async fn listening<A: Send + Sync + 'static>(world: &World<A>, workers: i64) {
    let listen = "pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    eventually("the workers listen", async || world.count(listen).await == workers).await;
}
