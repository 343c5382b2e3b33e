//! One attempt, as a pipeline: decode, resume, run, settle.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use crate::committer::{AttemptFailure, Change, CommitError, Committer, Dead, Finish, Ownership};
use crate::config::CRASH_LIMIT;
use crate::failure::{Class, Effect, Failure, Result, Stop};
use crate::ids::WorkspaceId;
use crate::lease::Claim;
use crate::registry::{Registry, Runnable};
use crate::retry::{self, Retry};
use crate::run::boundary::Boundary;
use crate::run::{Attempt, Ended, Ending, Run, WhenEnded, World, refused};

/// How long a job whose checkpoints could not be read waits before it is taken up again.
const RESUME_PAUSE: Duration = Duration::from_millis(500);

/// A job as it was claimed.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub(crate) claim: Claim,
    pub(crate) workspace: WorkspaceId,
    pub(crate) kind: String,
    pub(crate) attempt: i32,
    pub(crate) crashes: i32,
    /// The step that an earlier attempt began and is not known to have ended, and how often it was begun.
    pub(crate) begun: Option<(String, i32)>,
    /// The step that was written as begun together with the job, which began here.
    pub(crate) foreseen: Option<&'static str>,
    /// JSON.
    pub(crate) payload: String,
}

/// Runs an attempt to its end and writes that end. It is dropped where the job is not ours any more.
pub(crate) async fn run<A: Send + Sync + 'static>(
    app: &A,
    world: &World,
    registry: &Registry<A>,
    job: Claimed,
) {
    // Whatever panics outside the job's own code (decoding, dropping) must not leave the job running for ever.
    let performing = AssertUnwindSafe(perform(app, world, registry, &job)).catch_unwind();
    let last = performing.await.unwrap_or_else(|panic| Last::plain(panicked(&job, panic.as_ref())));
    let Last { change: Some(change), then } = last else { return };
    world.reach(Boundary::BeforeAck, None).await;
    let ended = change.finish.as_ref().map(ended);
    let written = settle(&world.committer, &job, change).await;
    world.reach(Boundary::AfterAck, None).await;
    if let (true, Some(then), Some(ended)) = (written, then, ended) {
        then(app, ended);
    }
}

/// What is left to do when the job's code has ended.
struct Last<A> {
    /// The change that ends the attempt; none when it was lost.
    change: Option<Change>,
    then: Option<WhenEnded<A>>,
}

impl<A> Last<A> {
    const fn plain(change: Option<Change>) -> Self {
        Self { change, then: None }
    }
}

const fn ended(finish: &Finish) -> Ended {
    match finish {
        Finish::Completed => Ended::Completed,
        Finish::Degraded => Ended::Degraded,
        Finish::Again { .. } => Ended::Again,
        Finish::Parked => Ended::Waiting,
        Finish::Dead { .. } => Ended::SetAside,
    }
}

/// The attempt itself, up to the change that ends it.
async fn perform<A: Send + Sync + 'static>(
    app: &A,
    world: &World,
    registry: &Registry<A>,
    job: &Claimed,
) -> Last<A> {
    let Some(kind) = registry.get(&job.kind) else {
        return Last::plain(Some(unknown_kind(job, &registry.known())));
    };
    let runnable = match kind.decode(&job.payload) {
        Ok(runnable) => runnable,
        Err(error) => return Last::plain(Some(undecodable(job, &error))),
    };
    let retry = match kind.retry() {
        Retry::DEFAULT => world.retry,
        own => own,
    };
    let attempt = Attempt {
        claim: job.claim,
        workspace: job.workspace,
        number: job.attempt,
        retry,
        plan: kind.plan(),
        begun: job.begun.clone(),
        foreseen: job.foreseen,
    };
    let (result, (change, ending, then)) = match Run::resume(app, world, attempt).await {
        Ok(mut run) => {
            let result = guarded(runnable.as_ref(), &mut run).await;
            (result, run.into_last_change())
        }
        Err(Stop::Failed(failure)) if failure.class.retries() => {
            // Nothing of the job has run: that its checkpoints could not be read costs it no attempt.
            tracing::warn!(job = %job.claim.job, %failure, "could not be taken up, trying again");
            let mut change = Change::of(job.claim);
            let delay = RESUME_PAUSE.mul_f64(0.5 + retry::random());
            change.finish = Some(Finish::Again { delay, counts: false, crashed: false });
            return Last::plain(Some(change));
        }
        Err(stop) => {
            let ending = Ending { degraded: false, waiting: false, step: None };
            (CodeEnded::Stopped(Err(stop)), (Change::of(job.claim), ending, None))
        }
    };
    Last { change: conclude(job, retry, result, change, ending), then }
}

/// How the job's code ended.
enum CodeEnded {
    Stopped(Result),
    Panicked(String),
}

async fn guarded<A>(runnable: &dyn Runnable<A>, run: &mut Run<'_, A>) -> CodeEnded {
    match AssertUnwindSafe(runnable.run(run)).catch_unwind().await {
        Ok(result) => CodeEnded::Stopped(result),
        Err(panic) => CodeEnded::Panicked(panic_text(panic.as_ref())),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no text".to_owned())
}

/// The end of an attempt that panicked outside the job's own code.
fn panicked(job: &Claimed, panic: &(dyn std::any::Any + Send)) -> Option<Change> {
    let ending = Ending { degraded: false, waiting: false, step: None };
    let ended = CodeEnded::Panicked(panic_text(panic));
    conclude(job, Retry::DEFAULT, ended, Change::of(job.claim), ending)
}

/// Turns the end of the code into the end of the attempt.
fn conclude(
    job: &Claimed,
    retry: Retry,
    ended: CodeEnded,
    mut change: Change,
    ending: Ending,
) -> Option<Change> {
    let note = |change: &mut Change, failure: &Failure, retry_in| {
        change.failures.push(AttemptFailure {
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
            let delay = retry.delay(failure.class, job.attempt.unsigned_abs(), retry::random());
            note(&mut change, &failure, delay);
            match delay {
                Some(delay) => Finish::Again { delay, counts: true, crashed: false },
                None if failure.class == Class::UnknownOutcome => {
                    Finish::Dead { reason: Dead::Review, failure: Box::new(failure) }
                }
                None => Finish::Dead { reason: Dead::Failed, failure: Box::new(failure) },
            }
        }
        CodeEnded::Panicked(text) => crashed(job, &mut change, &text, note),
    });
    // What a run enqueues goes out when it ends well, together with its last checkpoint (L8).
    if !matches!(change.finish, Some(Finish::Completed | Finish::Degraded)) {
        change.enqueue.clear();
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

fn unknown_kind(job: &Claimed, known: &str) -> Change {
    let failure = Failure::new(
        Class::ConfigurationError,
        "unknown_kind",
        format!("no code for kind {:?} in this version; known kinds: {known}", job.kind),
    )
    .action("deploy a version that knows the kind, then `autopilot jobs retry`");
    dead(job, Dead::UnknownKind, failure)
}

fn undecodable(job: &Claimed, error: &serde_json::Error) -> Change {
    let failure = Failure::new(
        Class::ConfigurationError,
        "undecodable",
        format!("the payload does not fit kind {}: {error}", job.kind),
    )
    .action("deploy a version that reads it, then `autopilot jobs retry`");
    dead(job, Dead::Undecodable, failure)
}

fn dead(job: &Claimed, reason: Dead, failure: Failure) -> Change {
    let mut change = Change::of(job.claim);
    change.failures.push(AttemptFailure {
        attempt: job.attempt,
        step: None,
        failure: failure.clone(),
        retry_in: None,
    });
    change.finish = Some(Finish::Dead { reason, failure: Box::new(failure) });
    change
}

/// Writes the attempt's end. Where Postgres refuses it, a plain failure is written instead, so that no job is left
/// running for ever. True when it was written as it is.
async fn settle(committer: &Committer, job: &Claimed, change: Change) -> bool {
    match committer.commit(change).await {
        Ok(Ownership::Owned) => return true,
        Ok(Ownership::Lost) => {}
        Err(CommitError::Stopped) => {
            tracing::warn!(job = %job.claim.job, "the attempt's end was not written; the job is taken over after the lease");
        }
        Err(error @ (CommitError::Refused(_) | CommitError::Enqueue(_))) => {
            tracing::error!(job = %job.claim.job, %error, "the attempt's end was refused");
            let instead = dead(job, Dead::Failed, refused(&error));
            let written = Box::pin(committer.commit(instead)).await;
            if let Err(error) = written {
                tracing::error!(job = %job.claim.job, %error, "the refusal could not be written either");
            }
        }
    }
    false
}

/// What an attempt is run with; shared by all attempts of a process.
pub(crate) struct Stage<A> {
    pub(crate) app: Arc<A>,
    pub(crate) world: World,
    pub(crate) registry: Arc<Registry<A>>,
}
