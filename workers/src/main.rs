//! The autopilot process.
fn main() {}
