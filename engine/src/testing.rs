//! What tests share, here and in the crates above (feature `testing`).

mod clock;
mod crash;
mod database;

pub use crate::run::boundary::Boundary;
pub use clock::Clock;
pub use crash::{CrashPoints, Place};
pub use database::TestDatabase;
