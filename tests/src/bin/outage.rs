//! The outage on the command line: `outage --studios 1000 --processes 3 --only stripe`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the figures are the program's output"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use autopilot_tests::outage::{self, OUTAGES, Plan, Report};

struct Asked {
    studios: usize,
    processes: usize,
    only: Option<String>,
    breakers: bool,
    program: PathBuf,
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let asked = match asked() {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!(
                "{error}\nusage: outage [--studios 1000] [--processes 3] [--only stripe] [--breakers on|off] [--folder F]"
            );
            return ExitCode::from(2);
        }
    };
    let (mut is_clean, mut told) = (true, Vec::new());
    println!(
        "{:<9} {:>7} {:>6} {:>7} {:>14} {:>6} {:>11} {:>6} {:>7} {:>9}",
        "down",
        "studios",
        "calls",
        "opened",
        "probes/minute",
        "spent",
        "recovery s",
        "done",
        "doubled",
        "over rate"
    );
    for (provider, fault) in OUTAGES {
        if asked.only.as_ref().is_some_and(|only| *only != provider.to_string()) {
            continue;
        }
        let plan = Plan {
            provider,
            fault,
            studios: asked.studios,
            processes: asked.processes,
            breakers: asked.breakers,
            program: asked.program.clone(),
            folder: asked.folder.join(provider.to_string()),
        };
        let report = outage::run(plan).await;
        print(&report);
        is_clean &= report.violations().is_empty();
        told.push((provider, report.told.lines()));
    }
    println!("\nWhat a person is told who looks in the middle of it.");
    for (provider, lines) in told {
        println!("\n{provider}:\n    {}", lines.join("\n    "));
    }
    if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(report: &Report) {
    println!(
        "{:<9} {:>7} {:>6} {:>7} {:>14} {:>6} {:>11.1} {:>6} {:>7} {:>9}",
        report.plan.provider.to_string(),
        report.plan.studios,
        report.calls,
        report.opened,
        report.probes_a_minute,
        report.spent,
        report.recovery.as_secs_f64(),
        report.done,
        report.doubled,
        report.over_rate
    );
    for violation in report.violations() {
        println!("VIOLATED {violation}");
    }
}

fn asked() -> Result<Asked, String> {
    let here = std::env::current_exe().map_err(|error| format!("no path of its own: {error}"))?;
    let mut asked = Asked {
        studios: 1000,
        processes: 3,
        only: None,
        breakers: true,
        program: here.with_file_name("autopilot"),
        folder: std::env::temp_dir().join(format!("autopilot-outage-{}", std::process::id())),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || {
            let parsed: Result<usize, _> = value.parse();
            parsed.map_err(|error| format!("{name} needs a number, not {value:?}: {error}"))
        };
        match name.as_str() {
            "--studios" => asked.studios = number()?,
            "--processes" => asked.processes = number()?.max(1),
            "--folder" => asked.folder = PathBuf::from(&value),
            "--only" if OUTAGES.iter().any(|(provider, _)| provider.to_string() == value) => {
                asked.only = Some(value);
            }
            "--only" => {
                return Err(format!("--only is stripe, twilio, whatsapp or openai, not {value:?}"));
            }
            "--breakers" => {
                asked.breakers = match value.as_str() {
                    "on" => true,
                    "off" => false,
                    other => return Err(format!("--breakers is on or off, not {other:?}")),
                }
            }
            other => return Err(format!("{other} is not an option")),
        }
    }
    Ok(asked)
}
