//! The flood on the command line: `flood --events 100000 --connections 64 --seed 1`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the figures are the program's output"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use autopilot_tests::flood::{self, Plan, Report};

const USAGE: &str = "usage: flood [--events 100000] [--connections 64] [--seed 1] [--folder DIR]";

#[tokio::main]
async fn main() -> ExitCode {
    let plan = match plan() {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let report = flood::run(&plan).await;
    print(&plan, &report);
    let mut violations = report.violations(&plan);
    violations.extend(report.late());
    for violation in &violations {
        println!("VIOLATED {violation}");
    }
    if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(plan: &Plan, report: &Report) {
    let Report { answers, forged, repeated, early, posting, handling, livez, memory, found } =
        report;
    let posts = answers.acknowledged + answers.refused;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let rate = posts as f64 / posting.as_secs_f64();
    println!(
        "flood: {} events, {posts} posts, {} at once, seed {}",
        plan.events, plan.connections, plan.seed
    );
    println!(
        "of the posts {repeated} twice, {early} too early, {forged} forged; {} were sent again",
        answers.again
    );
    println!(
        "posted in {:.1} s, {rate:.0} a second, p50 {:.1?}, p99.9 {:.1?}, slowest {:.1?}",
        posting.as_secs_f64(),
        answers.p50,
        answers.p999,
        answers.slowest
    );
    println!(
        "handled after {:.1} s: {} events, {} jobs",
        handling.as_secs_f64(),
        found.processed,
        found.jobs
    );
    println!(
        "unique {}, in the inbox {}, lost {}",
        plan.events,
        found.events,
        plan.events.saturating_sub(found.events)
    );
    println!("forged accepted = {}, refused {}", found.forged, answers.refused);
    println!(
        "/livez at most {livez:.1?}; memory {} KiB at first, {} KiB at most",
        memory.0, memory.1
    );
}

fn plan() -> Result<Plan, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut plan = Plan {
        events: 100_000,
        connections: 64,
        seed: 1,
        key: true,
        program: here.with_file_name("autopilot"),
        folder: std::env::temp_dir().join(format!("autopilot-flood-{}", std::process::id())),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || {
            let parsed: Result<u64, _> = value.parse();
            parsed.map_err(|error| format!("{name} needs a number, not {value:?}: {error}"))
        };
        let count = || Ok::<_, String>(usize::try_from(number()?).unwrap_or(usize::MAX));
        match name.as_str() {
            "--events" => plan.events = count()?,
            "--connections" => plan.connections = count()?,
            "--seed" => plan.seed = number()?,
            "--folder" => plan.folder = PathBuf::from(&value),
            _ => return Err(format!("{name} {value} is no option")),
        }
    }
    Ok(plan)
}
