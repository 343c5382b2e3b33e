//! The commands: each reads what it was asked, does it or fails with a sentence, and says how it ended.

mod breakers;
mod doctor;
mod endpoints;
mod health;
mod inbox;
mod jobs;
mod jobs_many;
mod keys;
mod migrate;
mod pauses;
mod provision;
mod repairs;
mod retention;
mod runs;
mod schedules;
mod serve;
mod weights;
mod workspaces;

use crate::app;
use crate::cli::{Cli, Command, ConfigCommand};
use crate::config::{Config, File, Loaded, environment};
use crate::console::Console;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::telemetry;

/// Runs one command.
///
/// # Errors
/// Why it was not done.
pub(crate) async fn run(cli: Cli, console: Console) -> Result<Exit, Fail> {
    let named = cli.config.filter(|path| !path.as_os_str().is_empty());
    let file = named.map(|path| File::read(&path)).transpose();
    let file = file.map_err(|error| Fail::usage(error.to_string()))?;
    let loaded = Config::load(file.as_ref(), environment(std::env::vars_os()), &app::known());
    match cli.command {
        Command::Config(ConfigCommand::Check) => check(&loaded, console),
        Command::Repairs(command) => {
            repairs::run(command, &start(loaded, Odd::Kept)?.database, console).await
        }
        Command::Health(args) => {
            health::run(args, &start(loaded, Odd::Kept)?.database, console).await
        }
        Command::Doctor => Box::pin(doctor::run(&loaded, console)).await,
        Command::Serve(args) => serve::run(args, &start(loaded, Odd::Told)?).await,
        Command::Migrate(args) => {
            migrate::run(&args, &start(loaded, Odd::Kept)?.database, console).await
        }
        Command::Workspaces(command) => {
            workspaces::run(command, &start(loaded, Odd::Kept)?, console).await
        }
        Command::Provision(args) => {
            provision::run(&args, &start(loaded, Odd::Kept)?.database, console).await
        }
        Command::Runs(command) => runs::run(command, &start(loaded, Odd::Kept)?, console).await,
        Command::Jobs(command) => {
            jobs::run(command, &start(loaded, Odd::Kept)?.database, console).await
        }
        Command::Pauses(command) => {
            pauses::run(command, &start(loaded, Odd::Kept)?.database, console).await
        }
        Command::Breakers(command) => {
            breakers::run(command, &start(loaded, Odd::Kept)?.database, console).await
        }
        Command::Keys(command) => keys::run(command, &start(loaded, Odd::Kept)?, console).await,
        Command::Schedules(command) => {
            schedules::run(command, &start(loaded, Odd::Kept)?.database, console).await
        }
        Command::Endpoints(command) => {
            Box::pin(endpoints::run(command, &start(loaded, Odd::Kept)?, console)).await
        }
        Command::Weights(command) => {
            weights::run(command, &start(loaded, Odd::Kept)?.database, console).await
        }
        Command::Retention(command) => {
            retention::run(command, &start(loaded, Odd::Kept)?.database, console).await
        }
        Command::Inbox(command) => {
            inbox::run(command, &start(loaded, Odd::Kept)?.database, console).await
        }
    }
}

/// What happens to settings that are odd but not wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Odd {
    Told,
    Kept,
}

/// Accepts the configuration and starts the log.
fn start(loaded: Loaded, odd: Odd) -> Result<Config, Fail> {
    let warnings: Vec<String> = loaded.problems().iter().map(ToString::to_string).collect();
    let config = loaded.accept().map_err(|rejected| Fail::usage(rejected.to_string()))?;
    telemetry::start(&config.log).map_err(|error| Fail::usage(error.to_string()))?;
    if odd == Odd::Told {
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    }
    Ok(config)
}

fn check(loaded: &Loaded, console: Console) -> Result<Exit, Fail> {
    let report = loaded.report();
    console.show(&report, || report.to_string().lines().map(str::to_owned).collect())?;
    Ok(if report.is_accepted() { Exit::Ok } else { Exit::Usage })
}
