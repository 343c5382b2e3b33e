//! Starts real servers: through the library, and through the program.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
mod program;
mod refusals;
mod scene;
