//! The engine's view of a run, as the terminal shows it.

use autopilot_engine::Failure;
use autopilot_engine::ops::runs::{RunDetails, StepView as EngineStep};
use autopilot_engine::ops::why_aside;
use chrono::{DateTime, Utc};

use crate::render::{RunStatus, RunView, StepState, StepView, percent};

/// One moment of a run.
pub(super) fn of(details: &RunDetails) -> RunView {
    let run = &details.run;
    let status = status(&run.status);
    let failure =
        run.failure.clone().and_then(|value| serde_json::from_value::<Failure>(value).ok());
    let steps = steps(&details.steps, status);
    RunView {
        id: run.id,
        workspace: run.workspace,
        kind: run.kind.clone(),
        status,
        percent: percent(&steps),
        steps,
        blocked_reason: blocked_reason(details, status),
        error: failure,
        started_at: started_at(details),
        finished_at: run.finished_at,
    }
}

/// When its first step began. Those that a fork has taken over began in another run.
fn started_at(details: &RunDetails) -> Option<DateTime<Utc>> {
    let begun = details.steps.iter().filter_map(|step| step.started_at);
    match details.run.forked_from {
        Some(_) => begun.filter(|at| *at >= details.run.created_at).min(),
        None => begun.min(),
    }
}

/// What it was forked from, if it was.
pub(super) fn lineage(details: &RunDetails) -> Option<String> {
    let run = &details.run;
    let (from, step) = (run.forked_from?, run.forked_at.as_deref()?);
    Some(format!("forked from {from} at {step}"))
}

/// The engine's word. One that this version does not know is something for a person.
fn status(word: &str) -> RunStatus {
    match word {
        "queued" | "retrying" => RunStatus::Pending,
        "running" => RunStatus::Running,
        "waiting" => RunStatus::Waiting,
        "aside" => RunStatus::Blocked,
        "completed" => RunStatus::Completed,
        "degraded" => RunStatus::Degraded,
        "cancelled" => RunStatus::Cancelled,
        "review" => RunStatus::Review,
        _ => RunStatus::Failed,
    }
}

/// Why it does not go on at the moment, or which word the engine has for its end.
fn blocked_reason(details: &RunDetails, status: RunStatus) -> Option<String> {
    let run = &details.run;
    match status {
        RunStatus::Pending => {
            let last = details.failures.last()?;
            let next = run.next_at.map(|at| at.format("%T UTC").to_string()).unwrap_or_default();
            Some(format!("attempt {} failed ({}); the next is due {next}", last.attempt, last.code))
        }
        RunStatus::Waiting => {
            let waits = details.steps.iter().filter(|step| step.state == "waiting");
            let waits = waits.filter_map(|step| step.detail.as_deref());
            let next = run.next_at.map(|at| format!("; looks again {}", at.format("%T UTC")));
            Some(waits.collect::<Vec<_>>().join("; ") + &next.unwrap_or_default())
        }
        RunStatus::Blocked => run.blocked_on.as_deref().map(|on| why_aside(on, None)),
        RunStatus::Failed if run.status != "failed" => {
            Some(format!("it was set aside as {}", run.status))
        }
        RunStatus::Running
        | RunStatus::Completed
        | RunStatus::Degraded
        | RunStatus::Failed
        | RunStatus::Cancelled
        | RunStatus::Review => None,
    }
}

fn steps(steps: &[EngineStep], status: RunStatus) -> Vec<StepView> {
    // A failed step after which another one began was optional; any other is tried again while the run lives.
    let last_begun = steps.iter().rposition(|step| step.starts > 0);
    let shown = steps.iter().enumerate().map(|(place, step)| {
        let is_last = Some(place) == last_begun;
        StepView {
            name: step.name.clone(),
            weight: step.weight,
            state: state(&step.state, status, is_last),
            attempt: u32::try_from(step.starts).unwrap_or(0),
            detail: step.detail.clone(),
            started_at: step.started_at,
            finished_at: step.finished_at,
        }
    });
    shown.collect()
}

fn state(word: &str, status: RunStatus, is_last: bool) -> StepState {
    let lives = status.exit().is_none();
    match word {
        "pending" => StepState::Pending,
        "started" if status == RunStatus::Running => StepState::Running,
        // Begun by an attempt that did not come to its end.
        "started" if lives => StepState::Waiting,
        "done" => StepState::Done,
        "skipped" => StepState::Skipped,
        "waiting" => StepState::Waiting,
        "failed" if lives && is_last => StepState::Waiting,
        _ => StepState::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_is_tried_again_waits_and_one_that_is_not_has_failed() {
        use RunStatus::{Completed, Failed, Pending, Running};
        for (word, status, is_last, expected) in [
            ("started", Running, true, StepState::Running),
            ("started", Pending, true, StepState::Waiting),
            ("started", RunStatus::Review, true, StepState::Failed),
            ("failed", Pending, true, StepState::Waiting),
            ("failed", Running, false, StepState::Failed),
            ("failed", Failed, true, StepState::Failed),
            ("waiting", RunStatus::Waiting, false, StepState::Waiting),
            ("done", Completed, false, StepState::Done),
            ("skipped", Completed, false, StepState::Skipped),
            ("pending", Pending, false, StepState::Pending),
        ] {
            assert_eq!(state(word, status, is_last), expected, "{word} in {status:?}");
        }
    }

    #[test]
    fn every_end_of_a_run_is_an_end_for_whoever_follows_it() {
        for word in ["completed", "degraded", "cancelled", "failed", "review", "quarantined"] {
            assert!(status(word).exit().is_some(), "{word}");
        }
        for word in ["queued", "running", "waiting", "retrying", "aside"] {
            assert!(status(word).exit().is_none(), "{word}");
        }
        assert_eq!(status("a word of next year").exit(), status("failed").exit());
    }
}
