//! Runs the engine, its peers and bare Postgres side by side, and reports the ratios.

mod adapter;
mod arguments;
mod builds;
mod chart;
mod comparison;
mod document;
mod error;
mod machine;
mod plan;
mod postgres;
mod process;
mod raw;
mod report;
mod results;
mod rows;
mod run;
mod statistics;
mod systems;
mod table;
mod told;

#[cfg(test)]
mod testing;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use arguments::{Options, Request};
use error::Error;
use results::Record;
use told::Scope;

/// What the program itself answers when its arguments make no sense.
const EXIT_USAGE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let request = match Request::parse(env::args_os().skip(1)) {
        Ok(request) => request,
        Err(error) => {
            say(&format!("bench: {error}\n\n{}", arguments::USAGE));
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let outcome: Result<(), Box<dyn std::error::Error>> = match request {
        Request::Help => print(arguments::USAGE).map_err(Into::into),
        Request::Run(options) => run(&options).await.map_err(Into::into),
        Request::Report(options) => report_last(&options).map_err(Into::into),
        Request::RawPickupWorker { jobs } => match env::var("DATABASE_URL") {
            Ok(url) => raw::pickup_worker(&url, jobs).await,
            Err(_not_set) => Err(Error::NoDatabase.into()),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bench: {}", with_causes(error.as_ref())));
            ExitCode::FAILURE
        }
    }
}

/// Measures until the end or a signal, and reports.
async fn run(options: &Options) -> Result<(), Error> {
    let [_, file] = options.results();
    let listen = |kind| signal(kind).map_err(Error::io("listen for", "signals".as_ref()));
    let (mut terminate, mut interrupt) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    // What is dropped here stops what it runs. The next run drops the database that is left.
    let id = tokio::select! {
        id = run::measure(options, &file) => id?,
        _ = terminate.recv() => return Err(Error::Interrupted),
        _ = interrupt.recv() => return Err(Error::Interrupted),
    };
    let scope = if options.is_trial() { Scope::Run(&id) } else { Scope::Published };
    report(options, &results::read_all(&options.results())?, scope)?;
    say(&format!("every result is in {}", file.display()));
    Ok(())
}

/// Reports what was published; where nothing was, the last trial.
fn report_last(options: &Options) -> Result<(), Error> {
    let records = results::read_all(&options.results())?;
    let runs = records.iter().filter_map(|record| match record {
        Record::Run(run) => Some(run),
        Record::Result(_) => None,
    });
    let runs: Vec<_> = runs.collect();
    let scope = match runs.last() {
        Some(last) if runs.iter().all(|run| run.trial) => Scope::Run(&last.id),
        Some(_) | None => Scope::Published,
    };
    report(options, &records, scope)
}

/// Writes the report, and prints the ratios.
fn report(options: &Options, records: &[Record], scope: Scope<'_>) -> Result<(), Error> {
    let trial = options.folder().join("trial");
    let [published, file] = options.results();
    let (folder, link, results) = match scope {
        Scope::Published => (&options.root, "tests/bench/charts", published),
        Scope::Run(_) => (&trial, "charts", trial.join("results.jsonl")),
    };
    let report = report::make(&rows::load(&[])?, records, scope, link)
        .ok_or(Error::NoResults { path: file })?;
    let page = folder.join("BENCHMARKS.md");
    report.write(&page, &folder.join(link), &results)?;
    say(&format!("the report is {}", page.display()));
    print(&report.ratios).map_err(Error::io("write to", "standard output".as_ref()))
}

/// To standard output, where it may be read by a program.
fn print(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{}", text.trim_end())
}

/// To standard error, for people; that they cannot read it is no reason to stop.
fn say(text: &str) {
    writeln!(io::stderr(), "{text}").ok();
}

/// The error and what caused it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
