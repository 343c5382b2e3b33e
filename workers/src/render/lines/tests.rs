use autopilot_engine::{Class, Failure, JobId};
use chrono::TimeDelta;
use uuid::Uuid;

use super::*;
use crate::exit::Exit;
use crate::render::percent;

/// Seconds after the start of the run.
pub(in crate::render) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

pub(in crate::render) fn step(name: &str, state: StepState) -> StepView {
    StepView {
        name: name.to_owned(),
        weight: 1,
        state,
        attempt: 0,
        detail: None,
        started_at: None,
        finished_at: None,
    }
}

pub(in crate::render) fn run(steps: Vec<StepView>) -> RunView {
    RunView {
        id: JobId::from(Uuid::from_u128(1)),
        workspace: WorkspaceId::from(Uuid::from_u128(2)),
        kind: "studio.provision".to_owned(),
        status: RunStatus::Running,
        percent: percent(&steps),
        steps,
        blocked_reason: None,
        error: None,
        started_at: Some(at(0)),
        finished_at: None,
    }
}

/// A run in which every state of a step occurs.
fn every_state() -> RunView {
    let mut done = step("ensure_subscription", StepState::Done);
    (done.started_at, done.finished_at) = (Some(at(0)), Some(at(1)));
    let mut again = step("ensure_twilio_subaccount", StepState::Done);
    (again.started_at, again.finished_at) = (Some(at(1)), Some(at(63)));
    again.attempt = 2;
    let mut running = step("ensure_whatsapp", StepState::Running);
    (running.started_at, running.attempt) = (Some(at(70)), 1);
    let mut waiting = step("ensure_twilio_number", StepState::Waiting);
    waiting.detail = Some("bundle BU1 is in review".to_owned());
    let mut skipped = step("ensure_smtp", StepState::Skipped);
    skipped.detail = Some("SMTP_HOST is not set".to_owned());
    let mut failed = step("ensure_agent", StepState::Failed);
    (failed.attempt, failed.detail) = (3, Some("the key was refused".to_owned()));
    let pending = step("finish", StepState::Pending);
    run(vec![done, again, running, waiting, skipped, failed, pending])
}

fn plain(run: &RunView) -> String {
    lines(run, at(75), Style::Plain).join("\n")
}

#[test]
fn every_state_of_a_step_has_its_line() {
    assert_eq!(
        plain(&every_state()),
        "\
studio.provision 00000000-0000-0000-0000-000000000001 workspace 00000000-0000-0000-0000-000000000002
running   [########----------------------]  28%  1m 15s

  done     ensure_subscription          1.0s
  done     ensure_twilio_subaccount   1m 02s  attempt 2
  running  ensure_whatsapp              5.0s
  waiting  ensure_twilio_number               bundle BU1 is in review
  skipped  ensure_smtp                        SMTP_HOST is not set
  failed   ensure_agent                       attempt 3, the key was refused
  pending  finish"
    );
}

#[test]
fn a_failed_run_says_why_and_what_to_do() {
    let mut run = run(vec![step("ensure_agent", StepState::Failed)]);
    run.workspace = WorkspaceId::NONE;
    run.status = RunStatus::Failed;
    run.finished_at = Some(at(9));
    let error = Failure::new(Class::ThirdPartyAuthFailed, "openai_401", "OpenAI refused the key");
    run.error = Some(error.action("set OPENAI_API_KEY, then: autopilot runs resume 1"));
    assert_eq!(
        plain(&run),
        "\
studio.provision 00000000-0000-0000-0000-000000000001
failed    [------------------------------]   0%  9.0s

  failed   ensure_agent

error  THIRD_PARTY_AUTH_FAILED (openai_401): OpenAI refused the key
action set OPENAI_API_KEY, then: autopilot runs resume 1"
    );
}

#[test]
fn a_blocked_run_without_steps_says_why() {
    let mut run = run(Vec::new());
    (run.status, run.started_at) = (RunStatus::Blocked, None);
    run.blocked_reason = Some("the breaker of twilio is open until 12:00".to_owned());
    assert_eq!(
        plain(&run).split_once('\n').unwrap().1,
        "\
blocked   [------------------------------]   0%

reason the breaker of twilio is open until 12:00"
    );
}

#[test]
fn only_done_counts_as_progress() {
    for state in [
        StepState::Pending,
        StepState::Running,
        StepState::Skipped,
        StepState::Waiting,
        StepState::Failed,
    ] {
        assert_eq!(percent(&[step("a", state)]), 0, "{state:?}");
        assert_eq!(percent(&[step("a", StepState::Done), step("b", state)]), 50, "{state:?}");
    }
    assert_eq!(percent(&[step("a", StepState::Done)]), 100);
    assert_eq!(percent(&[]), 0);
}

#[test]
fn progress_and_its_bar_are_rounded_down() {
    let mut steps = vec![step("a", StepState::Done), step("b", StepState::Pending)];
    steps[0].weight = 999;
    assert_eq!(percent(&steps), 99);
    steps[0].weight = u32::MAX;
    steps[1].weight = 1;
    assert_eq!(percent(&steps), 99);
    assert_eq!(bar(99, Style::Plain), format!("[{}-]", "#".repeat(29)));
    assert_eq!(bar(100, Style::Plain), format!("[{}]", "#".repeat(30)));
    assert_eq!(bar(255, Style::Plain), bar(100, Style::Plain));
}

#[test]
fn plain_text_is_the_terminals_text_without_its_colours_and_blocks() {
    let run = every_state();
    let colours =
        ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[36m", "\u{1b}[90m", "\u{1b}[0m"];
    let terminal = lines(&run, at(75), Style::Terminal).join("\n");
    let bare = colours.iter().fold(terminal.clone(), |text, colour| text.replace(colour, ""));
    assert_ne!(terminal, bare);
    assert_eq!(bare.replace('█', "#").replace('░', "-"), plain(&run));
    assert!(plain(&run).is_ascii());
}

#[test]
fn what_comes_from_outside_cannot_command_the_terminal() {
    let mut run = run(vec![step("a\u{1b}[2J", StepState::Failed)]);
    run.kind = "k\r\nforged".to_owned();
    run.steps[0].detail = Some("\u{9b}31mred\nline".to_owned());
    run.blocked_reason = Some("\u{7}bell".to_owned());
    let error = Failure::new(Class::ProvisioningError, "x", "\u{1b}]0;title\u{7}");
    run.error = Some(error.action("run\n this"));
    for line in lines(&run, at(1), Style::Plain) {
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}

#[test]
fn json_has_the_names_that_the_terminal_shows() {
    let json = serde_json::to_value(every_state()).unwrap();
    assert_eq!(json["status"], "running");
    assert_eq!(json["percent"], 28);
    assert_eq!(json["steps"][3]["state"], "waiting");
    for state in [StepState::Done, StepState::Skipped, StepState::Pending] {
        assert_eq!(serde_json::to_value(state).unwrap(), state.name());
    }
    for status in [RunStatus::Degraded, RunStatus::Review, RunStatus::Blocked] {
        assert_eq!(serde_json::to_value(status).unwrap(), status.name());
    }
}

#[test]
fn a_run_that_may_go_on_by_itself_has_no_exit_code() {
    assert_eq!(RunStatus::Waiting.exit(), None);
    assert_eq!(RunStatus::Degraded.exit(), Some(Exit::Ok));
    assert_eq!(RunStatus::Review.exit(), Some(Exit::Failed));
}
