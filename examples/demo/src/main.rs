//! The main job, end to end: a signed checkout arrives, a worker provisions the studio, is killed right after it
//! has bought the number, another finishes, and the providers' ledger shows that nothing was bought twice.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what it shows is its purpose")]

mod api;
mod processes;
mod story;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let keep = std::env::var("KEEP").is_ok_and(|value| value == "1");
    match story::tell(keep).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the demo failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Anything that keeps the demo from going on; its text is shown.
type Trouble = Box<dyn std::error::Error + Send + Sync>;
