//! The trials of `make chaos` in short forms: one strike or few, and the controls that are quick.

use autopilot_tests::chaos::{self, Order, Outcome, Row};

use crate::storm::program;

/// Runs a trial at a twentieth of its size. How long a recovery takes decides no test.
async fn short(id: &str) -> Row {
    let folder = std::env::temp_dir().join(format!("autopilot-chaos-{}-{id}", std::process::id()));
    let trial = *chaos::TRIALS.iter().find(|trial| trial.id == id).unwrap();
    let row = chaos::run(trial, &Order::new(7, 0.05, folder.clone(), program()), false).await;
    let is_wrong = |violation: &&String| !violation.starts_with("recovery p99");
    let wrong: Vec<&String> = row.outcome.violations.iter().filter(is_wrong).collect();
    assert!(wrong.is_empty(), "history and logs: {}\n{wrong:#?}", folder.display());
    drop(std::fs::remove_dir_all(folder));
    row
}

/// What a trial's checker finds where this is taken away.
async fn without(id: &str, what: &str) -> Outcome {
    let trial = chaos::TRIALS.iter().find(|trial| trial.id == id).unwrap();
    let control = trial.controls.iter().find(|control| control.what == what).unwrap();
    let folder =
        std::env::temp_dir().join(format!("autopilot-chaos-{}-{id}-control", std::process::id()));
    let outcome = (control.run)(Order::new(7, 0.05, folder.clone(), program())).await;
    let seen = outcome.violations.iter().any(|violation| violation.contains(control.sees));
    assert!(seen, "not seen: {outcome:?}");
    drop(std::fs::remove_dir_all(folder));
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_the_death_of_the_server() {
    let row = short("T4").await;
    assert!(row.outcome.acknowledged > 50, "{row:?}");
    assert!(!row.outcome.recovery.is_empty(), "nobody came back: {row:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_do_not_wait_for_the_disk_are_seen_to_be_lost() {
    assert!(without("T4", "commits do not wait for the disk").await.lost > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_terminated_taken_or_kept_waiting_leave_nothing_stuck() {
    let row = short("T5").await;
    assert!(row.outcome.faults.iter().all(|(_, count)| *count > 0), "{row:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clocks_of_workers_decide_nothing() {
    let row = short("T8").await;
    assert_eq!((row.outcome.lost, row.outcome.stuck), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_are_told_to_end_give_back_what_they_hold() {
    let row = short("T19").await;
    assert!(row.outcome.faults.iter().any(|(what, count)| *what == "SIGTERM" && *count >= 6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn providers_that_ignore_keys_are_seen_to_do_things_twice() {
    assert!(without("T1", "no keys").await.doubled > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_that_seals_is_changed_while_workers_are_killed() {
    let row = short("T21").await;
    assert!(row.outcome.faults.iter().any(|(what, count)| *what == "kills" && *count == 12));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_goes_before_it_may_is_seen() {
    without("T21", "the old key goes first").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_written_where_somebody_can_read_it() {
    assert!(short("T22").await.outcome.calls.is_some_and(|(calls, _)| calls > 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_kept_unsealed_is_seen() {
    without("T22", "a token is kept unsealed").await;
}
