//! The queue's statements, broken one at a time: does a test see it?
//!
//! A statement stands in the compiled tests as it stands in its file. A mutant is a change of the same length, written into a copy of that
//! program: a comparison that is off by one, a condition that is gone, rows that are not locked. Nothing is compiled again, so one costs as
//! long as it takes the first test to fail. Those that Postgres would not even prepare are not counted.

mod change;
mod coverage;
mod program;
mod statements;
mod survey;
mod tokens;

pub use change::{Mutant, mutants};
pub use statements::{Statement, born, statements};
pub use survey::{Found, Survey};
