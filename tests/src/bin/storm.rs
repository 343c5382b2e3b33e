//! The storm on the command line: `storm --workflows 1000 --workers 4 --fence on|off --seed N`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the figures are the program's output"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use autopilot_tests::storm::{self, Pace, Plan, Report};
use tokio::signal::unix::{SignalKind, signal};

/// To what a shell adds the number of the signal that ended a process.
const ENDED: u8 = 128;

#[tokio::main]
async fn main() -> ExitCode {
    match plan() {
        Ok(plan) => until_ended(plan).await,
        Err(error) => {
            eprintln!(
                "{error}\nusage: storm [--workflows 1000] [--workers 4] [--fence on|off] [--seed N]"
            );
            ExitCode::from(2)
        }
    }
}

/// The storm, unless it is ended: its processes are ended with it, also those that it has paused.
async fn until_ended(plan: Plan) -> ExitCode {
    tokio::select! {
        report = storm::run(plan) => {
            print(&report);
            if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        signal = ended() => match signal {
            Ok(number) => ExitCode::from(ENDED + number),
            Err(error) => {
                eprintln!("cannot wait for signals: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

/// Waits for SIGTERM or SIGINT; its number.
async fn ended() -> std::io::Result<u8> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminated.recv() => 15,
        _ = interrupted.recv() => 2,
    })
}

fn plan() -> Result<Plan, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut plan = Plan {
        workflows: 1000,
        workers: 4,
        fence: true,
        keys: true,
        pace: Pace::Short,
        seed: u64::from(std::process::id()),
        program: here.with_file_name("autopilot"),
        folder: std::env::temp_dir().join(format!("autopilot-storm-{}", std::process::id())),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || {
            let parsed: Result<u64, _> = value.parse();
            parsed.map_err(|error| format!("{name} needs a number, not {value:?}: {error}"))
        };
        match name.as_str() {
            "--workflows" => plan.workflows = size(number()?)?,
            "--workers" => plan.workers = size(number()?)?,
            "--seed" => plan.seed = number()?,
            "--folder" => plan.folder = PathBuf::from(&value),
            "--fence" => {
                plan.fence = match value.as_str() {
                    "on" => true,
                    "off" => false,
                    other => return Err(format!("--fence is on or off, not {other:?}")),
                }
            }
            other => return Err(format!("{other} is not an option")),
        }
    }
    Ok(plan)
}

fn size(number: u64) -> Result<usize, String> {
    usize::try_from(number).map_err(|error| format!("{number} is too many: {error}"))
}

fn print(report: &Report) {
    let (plan, verdict) = (&report.plan, &report.verdict);
    println!(
        "storm: {} workflows, {} workers, fence {}, seed {}, {:.1} s",
        plan.workflows,
        plan.workers,
        if plan.fence { "on" } else { "off" },
        plan.seed,
        report.took.as_secs_f64()
    );
    println!("kills {}, pauses past the lease {}", report.kills, report.pauses);
    println!("acknowledged {}, done {}, lost {}", verdict.studios, verdict.done(), verdict.lost);
    println!("calls {}, effects {}", verdict.calls, verdict.effects);
    println!("double effects = {}", verdict.double_effects);
    println!("stale writes = {}", verdict.stale_writes);
    println!("refused late writes = {}", report.refused);
    println!("runs acked twice = {}", verdict.acked_twice);
    println!("put back by an operator = {}", report.put_back);
    let violations = report.violations();
    if violations.is_empty() {
        println!("the checker found nothing wrong");
    }
    for violation in violations {
        println!("VIOLATED {violation}");
    }
    println!("ledger and logs: {}", plan.folder.display());
}
