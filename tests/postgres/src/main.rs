//! Runs a command, or nothing but itself, beside a private Postgres.

mod arguments;
mod restarts;
mod run;

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use arguments::Request;
use autopilot_postgres::Cluster;

/// What the program itself answers when its arguments make no sense.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let request = match Request::parse(env::args_os().skip(1)) {
        Ok(request) => request,
        Err(error) => {
            say(&format!("autopilot-postgres: {error}\n\n{}", arguments::USAGE));
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let outcome = match request {
        Request::Help => print(arguments::USAGE).map(|()| ExitCode::SUCCESS),
        Request::Url { options, database } => Cluster::url_of_running(&options, &database)
            .map_err(Into::into)
            .and_then(|url| print(&url))
            .map(|()| ExitCode::SUCCESS),
        Request::Start { options, database } => run::foreground(&options, &database),
        Request::Run { options, database, command } => run::command(&options, &database, &command),
    };
    outcome.unwrap_or_else(|error| {
        say(&format!("autopilot-postgres: {}", with_causes(&error)));
        ExitCode::FAILURE
    })
}

/// To standard output, where a script may read it.
fn print(text: &str) -> Result<(), run::Failure> {
    writeln!(io::stdout(), "{text}").map_err(run::Failure::Output)
}

/// The error and what caused it, in one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// To standard error, for people; that they cannot read it is no reason to stop.
fn say(text: &str) {
    writeln!(io::stderr(), "{text}").ok();
}
