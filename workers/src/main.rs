//! The autopilot process: HTTP, workers and the operator's command line.

mod app;
mod cli;
mod commands;
mod config;
mod console;
mod database;
mod exit;
mod fail;
#[cfg(test)]
mod fuzz;
mod health;
mod http;
mod input;
mod render;
mod shutdown;
mod studio;
mod telemetry;

use std::process::ExitCode;
use std::time::Duration;

use autopilot_workflows::integrations::http::install_crypto;
use clap::Parser as _;

use crate::cli::Cli;
use crate::console::Console;
use crate::fail::Fail;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = Console::new(cli.json);
    install_crypto();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let fail = Fail::from(error);
            console.fail(&fail);
            return fail.exit().into();
        }
    };
    let ended = runtime.block_on(Box::pin(commands::run(cli, console)));
    // Nothing that matters is left: a name that is still being looked up must not hold the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match ended {
        Ok(exit) => exit.into(),
        Err(fail) => {
            console.fail(&fail);
            fail.exit().into()
        }
    }
}
