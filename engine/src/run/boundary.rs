//! The boundaries of a step, where a crash makes a difference. Tests stop attempts at them; production code does
//! not notice them.

use super::World;

/// Where an attempt is within a step, or at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    not(any(test, feature = "testing")),
    expect(unreachable_pub, reason = "only tests outside the crate see it")
)]
pub enum Boundary {
    /// Nothing of the step is written yet.
    BeforeStarted,
    /// The started record is committed (in `transact`: the job is locked), the effect has not begun.
    AfterStarted,
    /// The effect took place, its checkpoint is not written.
    AfterEffect,
    /// The checkpoint is on its way with the attempt's next write (in `transact`: it is committed).
    AfterCheckpoint,
    /// The attempt has ended and its end is not written.
    BeforeAck,
    /// The attempt's end is committed.
    AfterAck,
}

impl World {
    /// A place where a test may stop the attempt for ever.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) async fn reach(&self, boundary: Boundary, step: Option<&'static str>) {
        if let Some(points) = &self.crash_points {
            points.reach(crate::testing::Place { boundary, step }).await;
        }
    }

    /// An attempt's turn, where a test lets one after the other run.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) async fn turn(&self) -> Option<crate::testing::Turn> {
        match &self.crash_points {
            Some(points) => points.turn().await,
            None => None,
        }
    }

    /// Nothing, outside tests.
    #[cfg(not(any(test, feature = "testing")))]
    pub(crate) async fn turn(&self) {}

    /// Nothing, outside tests.
    #[cfg(not(any(test, feature = "testing")))]
    pub(crate) async fn reach(&self, _: Boundary, _: Option<&'static str>) {}
}
