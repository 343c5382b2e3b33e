//! What the end of a worker leaves behind while its process is still there.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::*;
use crate::failure::Result;
use crate::job::Job;
use crate::registry::Registry;
use crate::run::Run;
use crate::testing::World;
use crate::worker::Worker;

/// Rings when it is under way, and may have no end.
#[derive(Serialize, Deserialize)]
struct Ring {
    ends: bool,
}

impl Job for Ring {
    type App = Notify;
    const KIND: &'static str = "test.ring";

    async fn run(&self, run: &mut Run<'_, Notify>) -> Result {
        run.app.notify_one();
        if !self.ends {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

/// The process goes on here, as it does for a moment where its end is slow.
#[tokio::test]
async fn what_is_dropped_along_with_its_worker_is_left_to_whoever_finds_the_process_dead() {
    let registry = || Registry::new().register::<Ring>();
    let world = World::new(Notify::new(), registry(), &[]).await;
    let (pool, app) = (world.pool().clone(), Arc::clone(&world.app));
    let worker = Worker::new(pool, app, Arc::new(registry()), world.config.clone());
    let mut backend = worker.into_backend();
    backend.begin(&WorkerContext::new("test"));
    world.enqueue(&Ring { ends: false }).await;
    let attempt = backend.attempts.recv().await.unwrap();
    let running = tokio::spawn(attempt.run());
    world.app.notified().await;
    backend.abandoned.cancel();
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    world.enqueue(&Ring { ends: true }).await;
    let next = backend.attempts.recv().await.unwrap();
    next.run().await.unwrap();
    // Whatever was to be written of the first one is written before the end of the next.
    assert_eq!(world.count("engine.job WHERE state = 1 AND attempt = 1").await, 1);
    assert_eq!(world.count("engine.failure").await, 0);
    drop(backend);
    world.close().await;
}
