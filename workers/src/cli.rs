//! The command line: what can be asked, and how it is explained.

mod breakers;
mod endpoints;
mod health;
mod inbox;
mod jobs;
mod keys;
mod queue;
mod repairs;
mod retention;

use std::path::PathBuf;

use autopilot_engine::WorkspaceId;
use autopilot_workflows::integrations::phone::Country;
use autopilot_workflows::integrations::twilio::{AddressSid, BundleSid};
use clap::{Args, Parser, Subcommand};

pub(crate) use breakers::Breakers;
pub(crate) use endpoints::{Add as AddEndpoint, Endpoints, OneEndpoint, WhichDeliveries};
pub(crate) use health::Health;
pub(crate) use inbox::{EventArg, Inbox, Replay};
pub(crate) use jobs::{Fork, Jobs, List, Resolve, Runs};
pub(crate) use keys::Keys;
pub(crate) use queue::{CancelAll, Pauses, RetryAll, Schedules, Search, Weights, Which};
pub(crate) use repairs::Repairs;
pub(crate) use retention::Retention;

use crate::input;

const EXIT_CODES: &str = "\
Exit codes:
  0    what was asked for was done
  1    the thing itself failed: the run failed, the doctor found problems
  2    the command line or the configuration is wrong; nothing was done
  3    the job, run, workspace or event does not exist
  4    the database cannot be reached
  5    the database's schema does not fit this version: see `autopilot migrate`
  130  a second SIGINT or SIGTERM ended the process at once";

/// The autopilot of fitness studios: from a paid checkout to a studio that answers calls, without anybody.
///
/// Settings come from worker.toml (compiled in, and the documentation of every knob), then from the file of
/// --config, then from the environment. `autopilot config check` shows what is in effect.
#[derive(Debug, Parser)]
#[command(name = "autopilot", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// A file with settings that differ from worker.toml.
    #[arg(long, global = true, env = "AUTOPILOT_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Answer in JSON, on standard output; also failures, on standard error.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve HTTP, run workers, or both.
    Serve(Serve),
    /// Bring the database's schemas up to this version.
    Migrate(Migrate),
    /// Studios: register one.
    #[command(subcommand)]
    Workspaces(Workspaces),
    /// Start a studio's provisioning, or join the one under way.
    Provision(Provision),
    /// Durable runs: see, follow, retry, resolve, cancel, fork, export.
    #[command(subcommand)]
    Runs(Runs),
    /// Jobs of every kind: see, retry, cancel.
    #[command(subcommand)]
    Jobs(Jobs),
    /// Queues, kinds and workspaces that stand still: see, pause, let go on.
    #[command(subcommand)]
    Pauses(Pauses),
    /// Providers that are out of order and not called: see, stop the calls, let them go on.
    #[command(subcommand)]
    Breakers(Breakers),
    /// Schedules: see, pause, run now.
    #[command(subcommand)]
    Schedules(Schedules),
    /// Where studios' own programs are told what happens: see, add, rotate, replay.
    #[command(subcommand)]
    Endpoints(Endpoints),
    /// What workspaces weigh where they take turns: see, set.
    #[command(subcommand)]
    Weights(Weights),
    /// For how long what has ended is kept: see, set, tend.
    #[command(subcommand)]
    Retention(Retention),
    /// Received webhooks: see those that nobody could be given, handle them again.
    #[command(subcommand)]
    Inbox(Inbox),
    /// The keys that seal credentials: see which are needed, wrap everything with the first.
    #[command(subcommand)]
    Keys(Keys),
    /// Settings.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// What checks of the studios found, and what came of it: see.
    #[command(subcommand)]
    Repairs(Repairs),
    /// How a studio stands, or all of them: what does not work and why, what happens next, what to do. Asks no provider.
    Health(Health),
    /// Look for what is wrong: settings, database, keys, queue, providers. Writes nothing.
    Doctor,
}

/// The first SIGTERM or SIGINT drains: nothing new is taken, running work ends within worker.drain_grace, the rest
/// is given back. The second ends the process at once; its jobs run elsewhere when their lease ends.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Serve HTTP. Without --http and --workers: both.
    #[arg(long)]
    pub(crate) http: bool,
    /// Run workers. Without --http and --workers: both.
    #[arg(long)]
    pub(crate) workers: bool,
    /// Write the address of the HTTP server here once it listens. The file is removed at the start, if an earlier process left it, and when a
    /// stop is asked for.
    #[arg(long, value_name = "PATH")]
    pub(crate) ready_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// Only look: exit code 5 if migrations are missing.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Workspaces {
    /// Register a studio, any number of times, and write down what it says of itself.
    Add(AddWorkspace),
}

#[derive(Debug, Args)]
pub(crate) struct AddWorkspace {
    /// The studio's workspace, a UUID.
    #[arg(value_parser = input::workspace)]
    pub(crate) workspace: WorkspaceId,
    /// Its connected account at Stripe, acct_…: events of that account are the studio's.
    #[arg(long, value_parser = input::stripe_account)]
    pub(crate) stripe_account: Option<String>,
    /// The studio's name, as its members know it.
    #[arg(long, value_parser = input::name)]
    pub(crate) name: Option<String>,
    /// Where it is, for example DE.
    #[arg(long, value_parser = input::country, requires = "name")]
    pub(crate) country: Option<Country>,
    /// Its language, for example de-DE.
    #[arg(long, value_parser = input::locale, requires = "name")]
    pub(crate) locale: Option<String>,
    /// Where it is written to.
    #[arg(long, value_parser = input::email, requires = "name")]
    pub(crate) contact_email: Option<String>,
    /// Its address as registered with Twilio, AD….
    #[arg(long, value_parser = input::twilio_address, requires = "name")]
    pub(crate) twilio_address_sid: Option<AddressSid>,
    /// Its regulatory bundle at Twilio, BU….
    #[arg(long, value_parser = input::twilio_bundle, requires = "name")]
    pub(crate) twilio_bundle_sid: Option<BundleSid>,
}

#[derive(Debug, Args)]
pub(crate) struct Provision {
    /// The studio's workspace, a UUID.
    #[arg(value_parser = input::workspace)]
    pub(crate) workspace: WorkspaceId,
    /// Follow the run to its end, as `runs watch` does.
    #[arg(long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show every setting, where it comes from, and what is wrong with it. Secrets are shown as `set`.
    Check,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn json_and_config_stand_anywhere() {
        for line in ["autopilot --json --config a doctor", "autopilot doctor --config a --json"] {
            let cli = parse(line).unwrap();
            assert!(cli.json && cli.config.is_some(), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_before_anything_is_done() {
        for line in [
            "autopilot",
            "autopilot provision studio-7",
            "autopilot provision 00000000-0000-0000-0000-000000000000",
            "autopilot runs list --limit 0",
            "autopilot runs list --limit 1001",
            "autopilot jobs show 7",
            "autopilot runs fork 0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b",
            "autopilot runs fork 0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b --from pay --input {a",
            "autopilot inbox list --state lost",
            "autopilot workspaces add 0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b --country DE",
            "autopilot workspaces add 0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b --name S --country de",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn every_command_explains_itself() {
        fn explained(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{path}");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{path} {}", argument.get_id());
            }
            command.get_subcommands().for_each(|sub| explained(sub, &path));
        }
        explained(&Cli::command(), "");
    }
}
