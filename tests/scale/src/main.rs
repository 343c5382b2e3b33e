//! What grows with processes, queues, workspaces, waiting runs and due studios: `scale [--name value …]`, on the
//! server of `DATABASE_URL`. Prints Markdown tables and ends non-zero when a check fails.
//!
//! `scale worker …` is a worker process of it, which it starts itself.

mod arguments;
mod breadth;
mod checks;
mod cost;
mod jobs;
mod latency;
mod load;
mod proc;
mod processes;
mod report;
mod server;
mod studios;
mod waiting;
mod worker;
mod workers;

use std::error::Error;
use std::process::ExitCode;

use arguments::Arguments;
use checks::Checks;
use server::Server;

/// Why something could not be measured.
type Failure = Box<dyn Error + Send + Sync>;

/// What can be measured, in this order.
const PARTS: [&str; 5] = ["processes", "queues", "workspaces", "waiting", "studios"];

#[tokio::main]
async fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    let outcome = if words.next_if(|word| word == "worker").is_some() {
        worker::run(words).await.map(|()| true)
    } else {
        measure(words).await
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            report::progress(&format!("scale: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Measures what is asked for; whether every check held.
async fn measure(words: impl Iterator<Item = String>) -> Result<bool, Failure> {
    let arguments = Arguments::parse(words)?;
    let asked: String = arguments.get("only", PARTS.join(" "))?;
    if let Some(unknown) = asked.split_whitespace().find(|part| !PARTS.contains(part)) {
        return Err(format!("--only {unknown}: there are {}", PARTS.join(", ")).into());
    }
    let mut server = Server::connect().await?;
    report::head(&server.state().await?);
    let mut checks = Checks::default();
    for part in PARTS.iter().filter(|part| asked.split_whitespace().any(|word| word == **part)) {
        report::progress(part);
        match *part {
            "processes" => processes::measure(&mut server, &arguments, &mut checks).await?,
            "queues" => breadth::queues(&mut server, &arguments, &mut checks).await?,
            "workspaces" => breadth::workspaces(&mut server, &arguments, &mut checks).await?,
            "waiting" => waiting::measure(&mut server, &arguments, &mut checks).await?,
            _ => studios::measure(&mut server, &arguments, &mut checks).await?,
        }
    }
    report::verdict(&checks);
    Ok(checks.all_held())
}
