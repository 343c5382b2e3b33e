//! Trials that exist by themselves: the flood, the soak, and end-to-end tests in larger numbers.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;

use super::{Order, Outcome};
use crate::flood::{self, Plan};

type Running = Pin<Box<dyn Future<Output = Outcome>>>;

/// T3.
pub(super) fn crash_points(order: Order) -> Running {
    tests(order, &["crashes::", "poison::"], 1, &[])
}

/// T14, as many random cases as there is time for.
pub(super) fn model(order: Order) -> Running {
    let cases = order.many(120, 20).to_string();
    let seed = order.seed.to_string();
    tests(
        order,
        &["state_machine::"],
        1,
        &[("AUTOPILOT_MODEL_CASES", cases), ("PROPTEST_RNG_SEED", seed)],
    )
}

/// T15.
pub(super) fn replay(order: Order) -> Running {
    tests(order, &["replay::", "deploys::"], 1, &[])
}

/// T17.
pub(super) fn cron(order: Order) -> Running {
    tests(order, &["cron::", "written_schedules::"], 2, &[])
}

/// T18.
pub(super) fn turns(order: Order) -> Running {
    tests(order, &["turns::", "limits::"], 2, &[])
}

/// T20.
pub(super) fn isolation(order: Order) -> Running {
    tests(order, &["isolation::"], 5, &[])
}

/// T16: the fuzz tests of all crates, with so many cases each.
pub(super) fn fuzz(order: Order) -> Running {
    let cases = order.many(3_000, 100).to_string();
    let env = [("PROPTEST_CASES", cases), ("PROPTEST_RNG_SEED", order.seed.to_string())];
    let programs = order.units.clone();
    Box::pin(run_tests(order, programs, &["fuzz"], 1, env.into()))
}

/// Runs compiled end-to-end tests by their names, so often in a full run, and counts what they say.
fn tests(
    order: Order,
    names: &'static [&'static str],
    rounds: usize,
    env: &[(&'static str, String)],
) -> Running {
    let programs = order.e2e.clone().into_iter().collect();
    Box::pin(run_tests(order, programs, names, rounds, env.to_vec()))
}

async fn run_tests(
    order: Order,
    programs: Vec<PathBuf>,
    names: &[&str],
    rounds: usize,
    env: Vec<(&str, String)>,
) -> Outcome {
    if programs.is_empty() {
        return Outcome::not_run("the compiled tests were not named: --e2e, --unit");
    }
    let mut outcome = Outcome::default();
    let (mut passed, rounds) = (0, order.many(rounds, 1));
    for (round, program) in (0..rounds).flat_map(|round| programs.iter().map(move |it| (round, it)))
    {
        let name = program.file_name().unwrap_or_default().display();
        let log = order.folder.join(format!("{name}-{round}.log"));
        let mut command = Command::new(program);
        command.args(names).envs(env.iter().cloned());
        let said = said(command, &log).await;
        let (good, bad) = counts(&said);
        order.history.note("tests", json!({ "names": names, "passed": good, "failed": bad }));
        outcome.hold(good > 0 && bad == 0, || {
            format!("{good} tests passed and {bad} failed, see {}", log.display())
        });
        passed += good;
    }
    outcome.acknowledged = passed;
    outcome
        .notes
        .push(format!("{passed} tests passed in {rounds} rounds of `{}`", names.join(" ")));
    for (name, value) in env {
        outcome.notes.push(format!("{name}={value}"));
    }
    outcome
}

/// What a program writes, which is also kept.
async fn said(mut command: Command, log: &Path) -> String {
    let file = File::create(log).expect("the log can be made");
    let again = file.try_clone().expect("the log can be shared");
    command.stdin(Stdio::null()).stdout(file).stderr(again).kill_on_drop(true);
    let mut child = command.spawn().expect("the program starts");
    let status = child.wait().await.expect("the program ends");
    let text = std::fs::read_to_string(log).unwrap_or_default();
    format!("{text}\nended with {status}")
}

/// How many tests passed and failed.
fn counts(said: &str) -> (u64, u64) {
    let line = said.lines().find(|line| line.starts_with("test result:")).unwrap_or_default();
    let count = |what: &str| {
        let before = line.split_once(what).map_or("", |(before, _)| before).trim_end();
        before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    (count("passed"), count("failed"))
}

/// T13, for a minute of each kind.
pub(super) fn soak(order: Order) -> Running {
    Box::pin(async move {
        let program = order.program.with_file_name("autopilot-load");
        if !program.is_file() {
            return Outcome::not_run("the load is not built: cargo build -p autopilot-load");
        }
        let log = order.folder.join("soak.log");
        let mut command = Command::new(program);
        let seconds = order.many(40, 5).to_string();
        command.args(["soak", "--minutes", "1", "--minute-seconds", &seconds, "--rate", "200"]);
        let said = said(command, &log).await;
        let mut outcome = Outcome::default();
        let whole = said.contains("Every job that was enqueued is in the history, once");
        outcome.hold(whole, || format!("the soak failed, see {}", log.display()));
        outcome.acknowledged = 2 * 200 * order.many(40, 5) as u64;
        outcome.notes.push(format!(
            "200 jobs a second, {seconds} s without and {seconds} s with a snapshot held"
        ));
        outcome
    })
}

/// T9: with a control of its own among the tests, the word of Postgres taken away.
pub(super) fn redis(order: Order) -> Running {
    tests(order, &["locks::"], 1, &[])
}

/// T11.
pub(super) fn flood(order: Order) -> Running {
    let events = order.many(10_000, 300);
    Box::pin(pour(order, events, true))
}

/// Events that come twice are taken twice.
pub(super) fn flood_without_key(order: Order) -> Running {
    let events = order.many(1_000, 300);
    Box::pin(pour(order, events, false))
}

async fn pour(order: Order, events: usize, key: bool) -> Outcome {
    let plan = Plan {
        events,
        connections: 32,
        seed: order.seed,
        key,
        program: order.program.clone(),
        folder: order.folder.clone(),
    };
    let report = flood::run(&plan).await;
    let mut outcome = Outcome {
        faults: vec![
            ("twice", report.repeated),
            ("too early", report.early),
            ("forged", report.forged),
        ],
        acknowledged: report.answers.acknowledged as u64,
        lost: plan.events.saturating_sub(report.found.processed) as u64,
        violations: report.violations(&plan),
        ..Outcome::default()
    };
    outcome.notes.push(format!(
        "posts p50 {:.1?}, p99.9 {:.1?}; /livez at most {:.1?}; memory {} to {} KiB",
        report.answers.p50, report.answers.p999, report.livez, report.memory.0, report.memory.1
    ));
    outcome
}

#[cfg(test)]
mod tests {
    use super::counts;

    #[test]
    fn what_a_test_program_says_is_counted_and_silence_is_no_success() {
        let said =
            "running 3 tests\n...\ntest result: ok. 3 passed; 0 failed; 1 ignored; 0 measured";
        assert_eq!(counts(said), (3, 0));
        assert_eq!(counts("test result: FAILED. 2 passed; 1 failed; 0 ignored"), (2, 1));
        assert_eq!(counts("killed"), (0, 0));
    }
}
