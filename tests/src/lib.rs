//! The harness of the end-to-end tests: a world of its own for each test, workers that can be killed at any
//! boundary, a clock that can be moved, and a network that can be cut.
//!
//! A test that waits names a condition ([`eventually`]); no test sleeps and hopes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a harness reports by failing the test"
)]

pub mod chaos;
mod delivery;
mod desk;
mod explain;
pub mod flood;
mod gate;
mod inside;
mod lab;
mod listening;
pub mod mutants;
pub mod outage;
mod proxy;
mod ready;
pub mod redis;
mod server;
pub mod storm;
mod studio;
mod tally;
mod twilio_console;
mod vault;

pub use autopilot_engine::testing::{
    PATIENCE, Process, World, crash_at_every_step, eventually, repeat_every_step,
};
pub use delivery::delivery;
pub use desk::{AtDesk, Desk};
pub use explain::Explained;
pub use gate::Gate;
pub use inside::Inside;
pub use lab::{Body, Lab, LimitedScript, PlannedScript, Running, Script, TurnsScript};
pub use listening::{add_and_hint, listening};
pub use proxy::{Cut, Proxy, Way};
pub use ready::Ready;
pub use studio::{LOOK_AGAIN, Providers, SETTLE, Studio, bought_once};
pub use tally::{Said, Tally};
pub use vault::vault;
