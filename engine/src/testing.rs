//! The test kit (feature `testing`): what a workflow promises, shown by its tests.
//!
//! | to show | use |
//! |---|---|
//! | what a run does and how it ends | [`World::complete`], or attempt by attempt, [`World::attempt`] |
//! | what happens in days, months, over a change of the clocks | [`World::clock`], [`World::drain_all`] |
//! | that a crash anywhere does no harm | [`crash_at_every_step`] |
//! | that a step may run twice | [`repeat_every_step`] |
//! | that today's code understands what real runs have stored | [`World::replay`], of files that `autopilot runs export` wrote |
//! | what was enqueued | [`World::enqueued`] |
//! | that nothing is left over | [`World::finish`] |
//! | what each move of a process does, in any order | [`Protocol`] |
//!
//! A world is a database of its own on the server of `AUTOPILOT_TEST_DATABASE_URL`, else `DATABASE_URL`; the login may create
//! databases. Where `AUTOPILOT_TEST_POOLER_URL` names a PgBouncer before that server, worlds reach it through that. Workers
//! run in the test's process. `examples/jobs/test_your_workflow.rs` shows it.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test kit reports by failing the test"
)]

mod clock;
mod crash;
mod database;
mod mangle;
mod pooler;
mod process;
mod protocol;
mod repeat;
mod replay;
mod wait;
mod world;

pub use crate::run::boundary::Boundary;
pub use clock::Clock;
pub(crate) use crash::Turn;
pub use crash::{CrashPoints, Place};
pub use database::{TestDatabase, whose};
pub use mangle::{Edit, mangled};
pub use process::Process;
pub use protocol::{Beat, HandedOut, Protocol, look_after, rescue};
pub use repeat::{crash_at_every_step, repeat_every_step};
pub use replay::{ReplayEnd, Replayed};
pub use wait::{PATIENCE, eventually};
pub use world::World;
