//! Whole runs.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::scene::{Scene, is_alive, stderr, stdout};

/// The cells of the row that begins so.
fn cells(table: &str, row: &str) -> Vec<String> {
    let line = table.lines().find(|line| line.starts_with(&format!("| {row} "))).unwrap();
    line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn a_run_measures_everybody_in_turn_and_reports_the_ratios() {
    let scene = Scene::new(false);
    let works = r#""drain", "workflow", "loaded-pickup""#;
    let ours = scene.adapter("ours", &["autopilot"], works);
    let peers = scene.adapter("peers", &["bad", "cannot", "good", "poor"], works);
    let mut bench = scene.bench("run");
    bench.args(["--rounds", "2", "--quick", "--rows", "drain workflow-256 loaded-pickup-common"]);
    let output = bench.arg("--ours").arg(ours).arg("--peers").arg(peers).output().unwrap();
    let (table, said) = (stdout(&output), stderr(&output));
    assert!(output.status.success(), "{said}");

    let drain = cells(&table, "drain");
    assert_eq!(drain[1], "3.00×", "{table}");
    assert_eq!(drain[3..5], ["≥ 3× peer", "yes"]);
    assert_eq!(drain[6], "good 1.0 30.0k (30.0k-30.0k)");
    let has_pgbench = scene.cluster.bin_dir().join("pgbench").is_file();
    assert_eq!(drain[7] != "-", has_pgbench, "{table}{said}");
    assert_eq!(cells(&table, "workflow-256, rate")[4..6], ["-", "90.0k (90.0k-90.0k) workflows/s"]);
    assert_eq!(cells(&table, "loaded-pickup-common, p99")[4], "**no**");

    // Each in a database of its own, in both rounds, in another order, at half of the best peer's rate.
    let calls = scene.read("calls");
    let drains: Vec<_> = calls.lines().filter(|line| line.contains(" drain ")).collect();
    assert_eq!(drains.len(), 10, "{calls}");
    assert_eq!(drains[0], "ours drain --jobs 10000 autopilot_bench_drain_autopilot");
    assert!(!drains[5].starts_with("ours"), "{calls}");
    let loaded = "peers good loaded-pickup --rate 15000 --seconds 10 autopilot_bench_loaded_pickup_common_good";
    assert_eq!(calls.lines().filter(|line| *line == loaded).count(), 2, "{calls}");
    assert_eq!(calls.matches("workflow --concurrency 256").count(), 2, "{calls}");

    let page = scene.read("state/bench/trial/BENCHMARKS.md");
    for reason in
        ["its last line is no answer", "cannot: it has no such thing", "exit code 1: no connection"]
    {
        assert!(page.contains(reason), "{reason}: {page}");
    }
    assert!(page.contains("fsync=on") && page.contains("A trial"), "{page}");
    assert!(scene.read("state/bench/trial/charts/drain.svg").contains("good 1.0"));
    assert!(!scene.path("BENCHMARKS.md").exists());
    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'autopilot_bench%'";
    assert_eq!(scene.cluster.query("postgres", left).unwrap(), "0");

    fs::remove_dir_all(scene.path("state/bench/trial")).unwrap();
    let again = scene.bench("report").output().unwrap();
    assert_eq!(stdout(&again), table);
    assert_eq!(scene.read("state/bench/trial/BENCHMARKS.md"), page);
}

#[test]
fn where_no_adapter_can_be_built_only_raw_is_run_and_the_rest_is_told() {
    let scene = Scene::new(false);
    let hand_written = "# Mine\n\n<!-- bench:begin -->\n<!-- bench:end -->\n\nWhy.\n";
    fs::write(scene.path("BENCHMARKS.md"), hand_written).unwrap();
    let output = scene.bench("run").args(["--rounds", "1", "--rows", "drain"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let drain = cells(&stdout(&output), "drain");
    assert_eq!(drain[1..6], ["-", "-", "≥ 3× peer", "not known", "not run"]);
    let page = scene.read("BENCHMARKS.md");
    assert!(page.starts_with("# Mine\n") && page.ends_with("\n\nWhy.\n"), "{page}");
    assert!(page.contains("autopilot: not run: there is no engine/benches/load"), "{page}");
    assert!(page.contains("tests/peers: not run: there is no tests/peers/Cargo.toml"), "{page}");
}

#[test]
fn a_server_that_may_lose_commits_is_refused() {
    let scene = Scene::new(true);
    let output = scene.bench("run").args(["--quick", "--rows", "drain"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("fsync is off on this server"), "{}", stderr(&output));
    assert!(!scene.path("state").exists());
}

#[test]
fn a_run_that_is_stopped_leaves_nothing_running_and_the_next_one_cleans_up() {
    let scene = Scene::new(false);
    let peers = scene.adapter("peers", &["hang"], r#""drain""#);
    let bench = |systems: &str| -> Command {
        let mut bench = scene.bench("run");
        bench.args(["--rounds", "1", "--quick", "--rows", "drain", "--systems", systems]);
        bench.arg("--peers").arg(&peers).stdout(Stdio::null()).stderr(Stdio::null());
        bench
    };
    let mut running = bench("hang").spawn().unwrap();
    eventually("it hangs", || !scene.read("pid").trim().is_empty());
    kill_process(Pid::from_child(&running), Signal::TERM).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(1));
    eventually("the adapter is gone", || !is_alive(&scene.read("pid")));

    assert!(bench("raw").status().unwrap().success());
    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'autopilot_bench%'";
    assert_eq!(scene.cluster.query("postgres", left).unwrap(), "0");
}

/// Waits for a condition; a machine that is busy only makes it take longer.
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
