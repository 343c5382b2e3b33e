//! What all cases run on.

use std::sync::Arc;

use autopilot_engine::testing::{Clock, TestDatabase};
use autopilot_engine::{MIGRATOR, Registry};

use super::jobs::{Desk, Errand, Task};
use super::system::System;

/// The tables that a case leaves something in.
const EMPTY: &str = "TRUNCATE engine.job, engine.history, engine.dead_letter, engine.worker, engine.dead_worker, engine.step, engine.failure,
    engine.slot, engine.limiter, engine.pause, engine.lane, engine.enqueue_key, engine.output, engine.tag, engine.run";

/// What was wrong.
pub(super) type Wrong = Box<dyn std::error::Error>;

/// A database for all cases, one after the other.
pub(super) struct Stand {
    pub(super) database: TestDatabase,
    pub(super) clock: Clock,
    pub(super) desk: Arc<Desk>,
    pub(super) registry: Arc<Registry<Desk>>,
}

impl Stand {
    pub(super) async fn new() -> Result<Self, Wrong> {
        let database = TestDatabase::create(&[&MIGRATOR]).await;
        let clock = Clock::install(database.pool()).await?;
        clock.freeze().await?;
        let registry = Registry::new().register::<Task>().register::<Errand>();
        Ok(Self { database, clock, desk: Arc::default(), registry: Arc::new(registry) })
    }

    pub(super) async fn close(self) {
        self.database.close().await;
    }

    /// An empty database.
    pub(super) async fn begin(&self) -> Result<System<'_>, Wrong> {
        sqlx::raw_sql(EMPTY).execute(self.database.pool()).await?;
        Ok(System::new(self, self.clock.now().await?))
    }
}
