//! The autopilot process: HTTP, workers and the operator's command line.
#![expect(
    dead_code,
    unused_imports,
    reason = "the command line that puts these parts together is not there yet"
)]

mod config;
mod exit;
mod http;
mod render;
mod shutdown;
mod telemetry;

fn main() {}
