//! One attempt, as a pipeline: decode, resume, run, settle.

mod conclude;
mod error;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::OptionFuture;

use crate::committer::{Change, CommitError, Committer, Dead, Family, Finish, Ownership};
use crate::enqueue::sealed;
use crate::failure::{Failure, Stop};
use crate::ids::WorkspaceId;
use crate::lease::Claim;
use crate::registry::{Kind, Registry, Runnable};
use crate::retry;
use crate::run::boundary::Boundary;
use crate::run::{Ended, Run, WhenEnded, World, refused};
pub(crate) use conclude::CodeEnded;
pub use error::AttemptError;

use conclude::{conclude, dead, misfit, panic_text, panicked, unknown_kind};

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
    /// It has a place of what limits it, which somebody else may wait for.
    pub(crate) limited: bool,
    /// Whose child it is.
    pub(crate) family: Option<Box<Family>>,
    /// JSON.
    pub(crate) payload: String,
}

/// Runs an attempt to its end, writes that end and tells it. It is dropped where the job is not ours any more; where it is only
/// `unwanted`, its code is dropped where it stands and counts as failed, and the rest goes on.
pub(crate) async fn run<A: Send + Sync + 'static>(
    app: &A,
    world: &World,
    registry: &Registry<A>,
    job: Claimed,
    unwanted: impl Future<Output = ()> + Send,
) -> Result<Ended, AttemptError> {
    let _turn = world.turn().await;
    // Whatever panics outside the job's own code (decoding, dropping) must not leave the job running for ever.
    let last = AssertUnwindSafe(perform(app, world, registry, &job, unwanted))
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Last::plain(panicked(&job, panic.as_ref())));
    let Last { change: Some(change), then } = last else { return Err(AttemptError::Lost) };
    for noted in change.extras.iter().flat_map(|extras| &extras.failures) {
        world.lease.strains.failed(&noted.failure, &world.pool);
    }
    world.reach(Boundary::BeforeAck, None).await;
    world.lease.ending(job.claim);
    let ended = change.finish.as_ref().map(ended);
    let told = told(&change);
    let written = settle(&world.committer, &job, change).await;
    world.reach(Boundary::AfterAck, None).await;
    if !written {
        return Err(AttemptError::Lost);
    }
    if let (Some(then), Some(ended)) = (then, ended) {
        then(app, ended);
    }
    told
}

/// What the change that ends an attempt says of it.
fn told(change: &Change) -> Result<Ended, AttemptError> {
    let Some(finish) = &change.finish else { return Err(AttemptError::Lost) };
    let then = ended(finish);
    let noted = || change.extras.as_ref().and_then(|extras| extras.failures.last());
    let failure = match finish {
        Finish::Completed | Finish::Degraded | Finish::Parked | Finish::Released => {
            return Ok(then);
        }
        Finish::Dead { failure, .. } => failure.clone(),
        Finish::Again { .. } => match noted() {
            Some(noted) => Box::new(noted.failure.clone()),
            None => return Err(AttemptError::NotBegun),
        },
    };
    Err(AttemptError::Failed { failure, then })
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
        Finish::Again { .. } | Finish::Released => Ended::Again,
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
    unwanted: impl Future<Output = ()> + Send,
) -> Last<A> {
    let Some(kind) = registry.get(&job.kind) else {
        return Last::plain(Some(unknown_kind(job)));
    };
    let runnable = match decode(world, kind, job).await {
        Ok(runnable) => runnable,
        Err(failure) if failure.class.retries() => {
            return Last::plain(Some(not_taken_up(world, job, &failure)));
        }
        Err(failure) => return Last::plain(Some(dead(job, Dead::Undecodable, failure))),
    };
    let retry = world.retry_of(kind.retry());
    let mut run = Run::new(app, world, job, retry, kind.plan());
    let ended = match run.recall(kind.retired()).await {
        Ok(()) => {
            let limit = kind.timeout();
            let over = limit.map(|limit| Box::pin(tokio::time::sleep(limit)));
            let ended = tokio::select! {
                biased;
                () = unwanted => Err(None),
                Some(()) = OptionFuture::from(over) => Err(limit),
                ended = guarded(runnable.as_ref(), &mut run) => Ok(ended),
            };
            ended.unwrap_or_else(|limit| CodeEnded::Stopped(Err(run.dropped(limit).into())))
        }
        Err(Stop::Failed(failure)) if failure.class.retries() => {
            return Last::plain(Some(not_taken_up(world, job, &failure)));
        }
        Err(stop) => CodeEnded::Stopped(Err(stop)),
    };
    let ended = match ended {
        CodeEnded::Stopped(Err(Stop::Failed(failure))) if run.is_to_be_undone(&failure) => {
            match Box::pin(run.undo(failure)).await {
                Ok(failure) => CodeEnded::Undone(failure),
                Err(stop) => CodeEnded::Stopped(Err(stop)),
            }
        }
        CodeEnded::Stopped(_) | CodeEnded::Panicked(_) | CodeEnded::Undone(_) => ended,
    };
    let (mut change, ending, then) = run.into_last_change();
    let ended = match ended {
        CodeEnded::Stopped(Ok(())) if change.enqueue().iter().any(|job| job.open) => {
            CodeEnded::Stopped(Box::pin(seal(world, &mut change)).await)
        }
        CodeEnded::Stopped(_) | CodeEnded::Panicked(_) | CodeEnded::Undone(_) => ended,
    };
    Last { change: conclude(job, retry, ended, change, ending), then }
}

/// Seals what goes out with a good end, where its kind is sealed.
async fn seal(world: &World, change: &mut Change) -> crate::failure::Result {
    for job in change.extras.iter_mut().flat_map(|extras| &mut extras.enqueue) {
        *job = sealed::sealed(job.clone(), world.vault.as_ref()).await?;
    }
    Ok(())
}

/// The job, from its payload.
pub(crate) async fn decode<A>(
    world: &World,
    kind: &dyn Kind<A>,
    job: &Claimed,
) -> Result<Box<dyn Runnable<A>>, Failure> {
    let vault = world.vault.as_ref();
    let payload = sealed::unseal(vault, job.workspace, &job.kind, &job.payload).await?;
    kind.decode(&payload).map_err(|error| misfit(&job.kind, &error))
}

/// Nothing of the job has run: that it could not be read costs it no attempt.
fn not_taken_up(world: &World, job: &Claimed, failure: &Failure) -> Change {
    world.lease.strains.failed(failure, &world.pool);
    tracing::warn!(job = %job.claim.job, %failure, "could not be taken up, trying again");
    let mut change = Change::of(job.claim);
    let delay = RESUME_PAUSE.mul_f64(0.5 + retry::random());
    change.finish = Some(Finish::Again { delay, counts: false, crashed: false });
    change
}

/// Runs the code of the job; a panic of it is an end like others.
pub(crate) async fn guarded<A>(runnable: &dyn Runnable<A>, run: &mut Run<'_, A>) -> CodeEnded {
    match AssertUnwindSafe(runnable.run(run)).catch_unwind().await {
        Ok(result) => CodeEnded::Stopped(result),
        Err(panic) => CodeEnded::Panicked(panic_text(panic.as_ref())),
    }
}

/// Writes the attempt's end. Where Postgres refuses it, a plain failure is written instead, so that no job is left
/// running for ever. True when it was written as it is.
async fn settle(committer: &Committer, job: &Claimed, mut change: Change) -> bool {
    change.limited = job.limited;
    change.family.clone_from(&job.family);
    match committer.commit(change).await {
        Ok(Ownership::Owned) => return true,
        Ok(Ownership::Lost) => {}
        Err(CommitError::Stopped) => {
            tracing::warn!(job = %job.claim.job, "the attempt's end was not written; the job is taken over after the lease");
        }
        Err(error @ (CommitError::Refused(_) | CommitError::Enqueue(_))) => {
            tracing::error!(job = %job.claim.job, %error, "the attempt's end was refused");
            let mut instead = dead(job, Dead::Failed, refused(&error));
            instead.limited = job.limited;
            instead.family.clone_from(&job.family);
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
