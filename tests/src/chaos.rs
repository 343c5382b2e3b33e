//! The fault suite: each trial breaks one thing while work goes on, and a checker that reads only the sandbox's ledger and the
//! database says what was lost, done twice or left standing.
//!
//! Where it is possible a trial has a control: the same with what protects taken away, in which the checker must see what the
//! trial did not. A trial is one entry in [`TRIALS`] and a function from an [`Order`] to an [`Outcome`].

mod bounds;
mod canaries;
mod caught;
mod clocks;
mod connections;
mod crashes;
mod disk;
mod drains;
mod history;
mod keyring;
mod letters;
mod list;
mod memory;
mod network;
mod outages;
mod outcome;
mod programs;
mod scene;
mod statements;
mod storms;
mod table;
mod trial;

pub use history::History;
pub use list::TRIALS;
pub use outcome::Outcome;
pub use table::{table, write_between};
pub use trial::{Control, Order, Row, Run, Trial, run};
