//! Worlds whose jobs are scripts.

use autopilot_engine::Run;
use autopilot_engine::testing::World;

use super::{Lab, Running};

impl Lab {
    /// A world whose jobs run `body`. Write it `|label, run| Box::pin(async move { .. })`.
    ///
    /// # Panics
    /// When the database cannot be made.
    pub async fn world<F>(body: F) -> World<Self>
    where
        F: for<'a, 'r> Fn(&'a str, &'a mut Run<'r, Self>) -> Running<'a> + Send + Sync + 'static,
    {
        World::new(Self::new(body), Self::registry(), &[]).await
    }

    /// A world whose jobs note their label and do nothing else.
    ///
    /// # Panics
    /// When the database cannot be made.
    pub async fn noting() -> World<Self> {
        Self::world(|label, run| {
            Box::pin(async move {
                run.app.note(label);
                Ok(())
            })
        })
        .await
    }

    /// A world whose jobs note their label and wait at the gate `here`.
    ///
    /// # Panics
    /// When the database cannot be made.
    pub async fn gated() -> World<Self> {
        Self::world(|label, run| {
            Box::pin(async move {
                run.app.note(label);
                run.app.gate("here").pass().await;
                Ok(())
            })
        })
        .await
    }
}
