//! Puts load on the engine and measures it: `autopilot-load <work> [--name value …]`, on the empty database of
//! `DATABASE_URL`. The last line on stdout is one JSON object; progress goes to stderr. `soak` is for people: it prints
//! Markdown, and works in a database of its own beside that one.

mod arguments;
mod ballast;
mod behind;
mod drain;
mod enqueue;
mod fairness;
mod feed;
mod fleet;
mod footprint;
mod idle;
mod laden;
mod latency;
mod other;
mod pickup;
mod report;
mod search;
mod sides;
mod snapshot;
mod soak;
mod soak_report;
mod watch;
mod wire;
mod workflow;

use std::error::Error;
use std::process::ExitCode;

use arguments::Arguments;

/// What can be measured.
const WORKS: [&str; 15] = [
    "drain",
    "enqueue-single",
    "enqueue-batch",
    "pickup",
    "loaded-pickup",
    "fairness",
    "snapshot",
    "planetscale",
    "idle",
    "scheduled",
    "history",
    "search",
    "behind-a-snapshot",
    "workflow",
    "workflow-alone",
];

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::progress(&format!("autopilot-load: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    match arguments.work() {
        "list" => report::list(&WORKS),
        "drain" => drain::measure(&arguments).await?,
        "enqueue-single" => enqueue::single(&arguments).await?,
        "enqueue-batch" => enqueue::batches(&arguments).await?,
        "pickup" => pickup::idle(&arguments).await?,
        "loaded-pickup" => pickup::loaded(&arguments).await?,
        "fairness" => fairness::measure(&arguments).await?,
        "snapshot" => snapshot::one(&arguments).await?,
        "planetscale" => snapshot::overlapping(&arguments).await?,
        "idle" => idle::measure(&arguments).await?,
        "scheduled" => laden::scheduled(&arguments).await?,
        "history" => laden::history(&arguments).await?,
        "search" => search::measure(&arguments).await?,
        "behind-a-snapshot" => behind::measure(&arguments).await?,
        "soak" => soak::run(&arguments).await?,
        "pickup-worker" => other::run(&arguments).await?,
        "workflow" => workflow::together(&arguments).await?,
        "workflow-alone" => workflow::alone(&arguments).await?,
        other => {
            return Err(format!("no work {other:?}; there are {}", WORKS.join(", ")).into());
        }
    }
    Ok(())
}
