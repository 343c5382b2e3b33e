//! The benchmark as a whole, with adapters that only pretend.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scene;
mod whole;
