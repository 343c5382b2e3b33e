//! How the end of the code becomes the end of the attempt.

use std::time::Duration;

use super::Claimed;
use crate::committer::{AttemptFailure, Change, Dead, Finish};
use crate::config::CRASH_LIMIT;
use crate::failure::{Class, Effect, Failure, Result, Stop};
use crate::retry::{self, Retry};
use crate::run::Ending;

/// How long a job of an unknown kind waits until somebody else may have it.
const UNKNOWN_PAUSE: Duration = Duration::from_secs(1);

/// How the job's code ended.
pub(crate) enum CodeEnded {
    Stopped(Result),
    Panicked(String),
    /// It failed, and what it had done has been undone.
    Undone(Failure),
}

pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no text".to_owned())
}

/// The end of an attempt that panicked outside the job's own code.
pub(super) fn panicked(job: &Claimed, panic: &(dyn std::any::Any + Send)) -> Option<Change> {
    let ending =
        Ending { degraded: false, waiting: false, step: None, step_retry: None, undoing: false };
    let ended = CodeEnded::Panicked(panic_text(panic));
    conclude(job, Retry::DEFAULT, ended, Change::of(job.claim), ending)
}

/// Turns the end of the code into the end of the attempt.
pub(super) fn conclude(
    job: &Claimed,
    retry: Retry,
    ended: CodeEnded,
    mut change: Change,
    ending: Ending,
) -> Option<Change> {
    let note = |change: &mut Change, failure: &Failure, retry_in| {
        change.extras().failures.push(AttemptFailure {
            attempt: job.attempt,
            step: ending.step,
            failure: failure.clone(),
            retry_in,
        });
    };
    change.finish = Some(match ended {
        CodeEnded::Stopped(Ok(())) if ending.waiting => Finish::Parked,
        CodeEnded::Stopped(Ok(())) if ending.degraded => Finish::Degraded,
        CodeEnded::Stopped(Ok(())) => Finish::Completed,
        CodeEnded::Stopped(Err(Stop::Lost)) => return None,
        CodeEnded::Stopped(Err(Stop::Parked | Stop::Waiting(_))) => Finish::Parked,
        CodeEnded::Stopped(Err(Stop::Skipped { reason })) => {
            let failure = Failure::new(Class::ConfigurationError, "skipped", reason);
            note(&mut change, &failure, None);
            Finish::Dead { reason: Dead::Failed, failure: Box::new(failure) }
        }
        CodeEnded::Stopped(Err(Stop::Failed(failure))) => {
            let (policy, attempt) = ending
                .step_retry
                .as_deref()
                .copied()
                .unwrap_or((retry, job.attempt.unsigned_abs()));
            let delay = policy.delay(failure.class, attempt, retry::random());
            note(&mut change, &failure, delay);
            let counts = ending.step_retry.is_none();
            match delay {
                Some(delay) => Finish::Again { delay, counts, crashed: false },
                // What could not be undone needs a person as much as what nobody knows of.
                None if failure.class == Class::UnknownOutcome || ending.undoing => {
                    Finish::Dead { reason: Dead::Review, failure: Box::new(failure) }
                }
                None => Finish::Dead { reason: Dead::Failed, failure: Box::new(failure) },
            }
        }
        CodeEnded::Undone(failure) => {
            note(&mut change, &failure, None);
            Finish::Dead { reason: Dead::Undone, failure: Box::new(failure) }
        }
        CodeEnded::Panicked(text) => crashed(job, &mut change, &text, note),
    });
    // What a run enqueues and gives goes out when it ends well, together with its last checkpoint (L8).
    let is_good = matches!(change.finish, Some(Finish::Completed | Finish::Degraded));
    if let Some(extras) = change.extras.as_mut().filter(|_| !is_good) {
        extras.enqueue.clear();
        extras.output = None;
    }
    Some(change)
}

/// A panic is a crash that did not take the process along: it counts as one (L7).
fn crashed(
    job: &Claimed,
    change: &mut Change,
    text: &str,
    note: impl Fn(&mut Change, &Failure, Option<Duration>),
) -> Finish {
    let failure = Failure::new(
        Class::ProvisioningError,
        "panicked",
        format!("the code of {} panicked: {text}", job.kind),
    )
    .effect(Effect::Unknown)
    .action("mend the code, deploy it, then retry the job");
    let delay = Duration::from_secs(1) * job.crashes.unsigned_abs().saturating_add(1);
    if job.crashes + 1 >= CRASH_LIMIT {
        note(change, &failure, None);
        Finish::Dead { reason: Dead::Quarantined, failure: Box::new(failure) }
    } else {
        note(change, &failure, Some(delay));
        Finish::Again { delay, counts: false, crashed: true }
    }
}

/// A job of a kind that this process does not know: it is given back to those who do. Claims ask for no such job; one that was
/// started here may be.
pub(super) fn unknown_kind(job: &Claimed) -> Change {
    tracing::warn!(job = %job.claim.job, kind = job.kind, "this process does not know the kind; the job is given back");
    let mut change = Change::of(job.claim);
    change.finish = Some(Finish::Again { delay: UNKNOWN_PAUSE, counts: false, crashed: false });
    change
}

/// A payload that this version does not read.
pub(super) fn misfit(kind: &str, error: &serde_json::Error) -> Failure {
    Failure::new(
        Class::ConfigurationError,
        "undecodable",
        format!("the payload does not fit kind {kind}: {error}"),
    )
    .action("deploy a version that reads it, then `autopilot jobs retry`")
}

pub(super) fn dead(job: &Claimed, reason: Dead, failure: Failure) -> Change {
    let mut change = Change::of(job.claim);
    change.extras().failures.push(AttemptFailure {
        attempt: job.attempt,
        step: None,
        failure: failure.clone(),
        retry_in: None,
    });
    change.finish = Some(Finish::Dead { reason, failure: Box::new(failure) });
    change
}
