//! Runs one work of the benchmark with one of the systems that Autopilot is measured against.
//!
//! `DATABASE_URL=postgres://… autopilot-peers <system> <work> [--name value …]`, or `autopilot-peers list`.
//! The last line on stdout is the answer as JSON. Exit code 3: the system does not offer the work.

mod answer;
mod args;
mod clock;
mod database;
mod handler;
mod load;
mod queue;
mod systems;
// The same relay as before our own worker, so that all are counted alike.
#[path = "../../../engine/benches/load/src/wire.rs"]
mod wire;
mod workflow;

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::answer::Answer;
use crate::args::Args;

/// An answer, or none for the hidden work of the worker's process.
type Outcome = Result<Option<Answer>>;

/// The system cannot do the work.
#[derive(Debug)]
struct NotOffered {
    system: &'static str,
    work: String,
}

impl std::fmt::Display for NotOffered {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} does not offer the work `{}`", self.system, self.work)
    }
}

impl std::error::Error for NotOffered {}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.is::<NotOffered>() { ExitCode::from(3) } else { ExitCode::FAILURE }
        }
    }
}

async fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let system = arguments.next().context("usage: autopilot-peers list | <system> <work> …")?;
    if system == "list" {
        println!("{}", serde_json::to_string(&systems::list()?)?);
        return Ok(());
    }
    let work = arguments.next().context("usage: autopilot-peers <system> <work> …")?;
    let args = Args::parse(arguments)?;
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
    if let Some(answer) = systems::run(&system, &work, &url, &args).await? {
        println!("{}", serde_json::to_string(&answer)?);
    }
    Ok(())
}
