//! Claimed jobs on their way out: each becomes an [`Attempt`] for whoever runs it, and a task here that waits for its beginning,
//! runs the job's code and settles it, whatever happens outside.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::attempt::Other;
use super::{Attempt, Common, Hand, Place, Ticket};
use crate::attempt::{Claimed, Stage};
use crate::committer::{Change, Finish};
use crate::lease::Claim;
use crate::retry;

/// How long a job waits whose attempt was refused outside, so that it does not go round and round.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// Where attempts go out.
#[derive(Debug, Clone)]
pub(crate) struct Outlet {
    pub(super) attempts: mpsc::UnboundedSender<Attempt>,
    /// Cancelled when whoever took them is gone without a word, which is a crash of the process.
    pub(super) abandoned: CancellationToken,
}

/// Hands out until `stop`, then waits for the attempts that have begun. What has not is still held then, for the drain to give
/// back.
pub(crate) async fn hand_out<A: Send + Sync + 'static>(
    stage: Arc<Stage<A>>,
    mut hands: mpsc::Receiver<Hand>,
    outlet: Outlet,
    freed: Arc<Notify>,
    stop: CancellationToken,
) {
    let (alive, mut ended) = mpsc::channel::<Infallible>(1);
    let lease = Arc::clone(&stage.world.lease);
    let common = Arc::new(Common { lease, freed, _alive: None });
    let door = Door { stage, common, outlet, stop: stop.clone() };
    loop {
        let hand = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            hand = hands.recv() => hand,
        };
        let Some(hand) = hand else { break };
        door.open(hand, &alive);
    }
    drop((hands, door, alive));
    // Nothing is ever sent: it ends when every attempt has dropped its sender.
    let _nobody: Option<Infallible> = ended.recv().await;
}

/// What all attempts of an incarnation go through.
struct Door<A> {
    stage: Arc<Stage<A>>,
    common: Arc<Common>,
    outlet: Outlet,
    stop: CancellationToken,
}

impl<A: Send + Sync + 'static> Door<A> {
    fn open(&self, hand: Hand, alive: &mpsc::Sender<Infallible>) {
        let lease = &self.stage.world.lease;
        let (attempts, tasks): (Vec<Attempt>, Vec<(Claim, AbortHandle)>) = hand
            .into_iter()
            .map(|Ticket { job, slot }| {
                let (attempt, other) = Attempt::of(&job, lease.worker);
                let claim = job.claim;
                let place = Place { claim, slot: Some(slot), common: Arc::clone(&self.common) };
                let inside = Inside {
                    stage: Arc::clone(&self.stage),
                    outlet: self.outlet.clone(),
                    stop: self.stop.clone(),
                    alive: alive.clone(),
                };
                let task = tokio::spawn(async move {
                    let _place = place;
                    inside.attend(job, other).await;
                });
                (attempt, (claim, task.abort_handle()))
            })
            .unzip();
        lease.begin(tasks);
        for attempt in attempts {
            // Nobody takes it any more: it is given back, or taken over, as any other that has not begun.
            drop(self.outlet.attempts.send(attempt));
        }
    }
}

/// What stays here of an attempt.
struct Inside<A> {
    stage: Arc<Stage<A>>,
    outlet: Outlet,
    stop: CancellationToken,
    /// Gone when the attempt has ended, or is not going to begin.
    alive: mpsc::Sender<Infallible>,
}

impl<A: Send + Sync + 'static> Inside<A> {
    async fn attend(self, job: Claimed, other: Other) {
        let Other { begun, mut tell } = other;
        let begun = tokio::select! {
            biased;
            begun = begun => begun,
            () = self.stop.cancelled() => {
                drop(self.alive);
                return pending().await;
            }
        };
        let abandoned = &self.outlet.abandoned;
        match begun {
            Ok(span) => {
                let unwanted = async {
                    tell.closed().await;
                    if abandoned.is_cancelled() {
                        // Settled by nobody here: whoever finds the process dead takes the job over.
                        pending::<()>().await;
                    }
                };
                let Stage { app, world, registry } = self.stage.as_ref();
                let attempt = crate::attempt::run(app.as_ref(), world, registry, job, unwanted);
                let ended = attempt.instrument(span).await;
                drop(tell.send(ended));
            }
            Err(_refused) if abandoned.is_cancelled() => pending().await,
            Err(_refused) => self.give_back(&job).await,
        }
    }

    /// Gives a job back whose attempt was dropped before it began.
    async fn give_back(&self, job: &Claimed) {
        tracing::debug!(job = %job.claim.job, kind = job.kind, "refused before it began; the job is given back");
        let mut change = Change::of(job.claim);
        let delay = REFUSED_PAUSE.mul_f64(0.5 + retry::random());
        change.finish = Some(Finish::Again { delay, counts: false, crashed: false });
        change.limited = job.limited;
        if let Err(error) = self.stage.world.committer.commit(change).await {
            tracing::warn!(job = %job.claim.job, %error, "could not be given back; it is taken over after the lease");
        }
    }
}
