//! An attempt on its way through the layers of an apalis worker that somebody else has built.

use tokio::sync::oneshot;
use tracing::Span;

use crate::attempt::{AttemptError, Claimed};
use crate::ids::{JobId, WorkerId, WorkspaceId};
use crate::run::Ended;

/// An attempt of a claimed job, which has not begun. Whatever happens to it, the engine settles the job by its own rules:
///
/// | it is | the job |
/// |---|---|
/// | run | ends, waits, is retried or set aside, as under the engine's own worker |
/// | dropped while it runs (a timeout, a panic of a layer that is caught) | has a failed attempt `dropped`: its code ends where it is, and its retry policy decides; a step that is declared at most once stops for review |
/// | dropped before it began (a layer refuses it) | is given back, spends no attempt and is due again a second later |
///
/// It cannot be cloned, so no layer can run it twice: a retry is a new claim with a token of its own, and a task of its own.
///
/// ```compile_fail,E0277
/// fn is_cloned<T: Clone>() {}
/// is_cloned::<autopilot_engine::Attempt>();
/// ```
#[derive(Debug)]
#[must_use = "an attempt that is dropped is given back"]
pub struct Attempt {
    job: JobId,
    kind: String,
    workspace: WorkspaceId,
    number: u32,
    crashes: u32,
    process: WorkerId,
    begin: oneshot::Sender<Span>,
    told: oneshot::Receiver<Result<Ended, AttemptError>>,
}

/// The engine's side of an attempt.
pub(super) struct Other {
    /// The span that it is to begin in; closed where it was dropped.
    pub(super) begun: oneshot::Receiver<Span>,
    /// Where it is told how it ended; closed where nobody waits for it any more.
    pub(super) tell: oneshot::Sender<Result<Ended, AttemptError>>,
}

impl Attempt {
    pub(super) fn of(job: &Claimed, process: WorkerId) -> (Self, Other) {
        let (begin, begun) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let attempt = Self {
            job: job.claim.job,
            kind: job.kind.clone(),
            workspace: job.workspace,
            number: job.attempt.unsigned_abs(),
            crashes: job.crashes.unsigned_abs(),
            process,
            begin,
            told,
        };
        (attempt, Other { begun, tell })
    }

    /// Runs it to its end, in a task of its own and in the span that is current here. What becomes of the job is written when
    /// this returns.
    ///
    /// # Errors
    /// When it did not do what it was to. That is for layers to see: whether it is retried is decided, by the engine.
    pub async fn run(self) -> Result<Ended, AttemptError> {
        if self.begin.send(Span::current()).is_err() {
            return Err(AttemptError::Lost);
        }
        self.told.await.unwrap_or(Err(AttemptError::Lost))
    }

    /// The job.
    #[must_use]
    pub const fn job(&self) -> JobId {
        self.job
    }

    /// The job's kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The tenant whose rows the job touches.
    #[must_use]
    pub const fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// Which attempt it is, from 1; crashes do not count.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// How often an attempt of the job took its process along, or panicked.
    #[must_use]
    pub const fn crashes(&self) -> u32 {
        self.crashes
    }

    /// The incarnation of a process that has claimed the job.
    #[must_use]
    pub const fn process(&self) -> WorkerId {
        self.process
    }
}
