//! The failover on the command line: `failover --replication sync|async --workflows 60 --workers 3 --cut-off 6 --loss refused|told`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the figures are the program's output"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use autopilot_tests::storm::failover::{self, Plan, Replication, Report};

const USAGE: &str = "usage: failover [--replication sync|async] [--workflows 60] [--workers 3] [--cut-off 0] \
                     [--loss refused|told] [--folder DIR]";

/// What is said of acknowledged work that is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    Refused,
    Told,
}

#[tokio::main]
async fn main() -> ExitCode {
    match plan() {
        Ok((plan, loss)) => {
            let report = failover::run(plan).await;
            print(&report);
            let violations = report.verdict.violations();
            for violation in &violations {
                println!("{} {violation}", if loss == Loss::Told { "LOST" } else { "VIOLATED" });
            }
            if violations.is_empty() {
                println!("the checker found nothing wrong");
            }
            if violations.is_empty() || loss == Loss::Told {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn plan() -> Result<(Plan, Loss), String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut loss = Loss::Refused;
    let mut plan = Plan {
        workflows: 60,
        workers: 3,
        replication: Replication::Synchronous,
        cut_off: 0,
        program: here.with_file_name("autopilot"),
        folder: std::env::temp_dir().join(format!("autopilot-failover-{}", std::process::id())),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || {
            let parsed: Result<usize, _> = value.parse();
            parsed.map_err(|error| format!("{name} needs a number, not {value:?}: {error}"))
        };
        match (name.as_str(), value.as_str()) {
            ("--workflows", _) => plan.workflows = number()?,
            ("--workers", _) => plan.workers = number()?,
            ("--cut-off", _) => plan.cut_off = number()?,
            ("--folder", _) => plan.folder = PathBuf::from(&value),
            ("--replication", "sync") => plan.replication = Replication::Synchronous,
            ("--replication", "async") => plan.replication = Replication::Asynchronous,
            ("--loss", "refused") => loss = Loss::Refused,
            ("--loss", "told") => loss = Loss::Told,
            _ => return Err(format!("{name} {value} is no option")),
        }
    }
    Ok((plan, loss))
}

fn print(report: &Report) {
    let Report { plan, verdict, .. } = report;
    let replication = match plan.replication {
        Replication::Synchronous => "synchronous",
        Replication::Asynchronous => "asynchronous",
    };
    println!(
        "failover: {replication} replication, {} workflows, {} workers, {:.1} s",
        plan.workflows,
        plan.workers,
        report.took.as_secs_f64()
    );
    println!("doctor says {}", report.doctor);
    println!(
        "the primary was killed after {} acknowledgements; the next one {:.1} s later, by the standby",
        report.acknowledged_before,
        report.away.as_secs_f64()
    );
    println!("acknowledged {}, done {}, lost {}", verdict.studios, verdict.done(), verdict.lost);
    println!(
        "double effects = {}, stale writes = {}",
        verdict.double_effects, verdict.stale_writes
    );
    println!("put back by an operator = {}", report.put_back);
    println!("ledger and logs: {}", plan.folder.display());
}
