//! The lease of a process as the process itself sees it: by its own monotonic clock, from the last heartbeat that
//! the database confirmed (L4). It decides nothing for others; it only keeps us from starting what we may not finish.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::ids::{JobId, WorkerId};
use crate::strain::Strains;

/// One attempt's right to write: the job and the token of its claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    pub(crate) job: JobId,
    pub(crate) token: i64,
}

/// What one incarnation of a process holds.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) worker: WorkerId,
    pub(crate) length: Duration,
    /// When the last confirmed heartbeat was *sent*: the database has seen us no earlier than that.
    confirmed: watch::Sender<Instant>,
    /// Cancelled when the database has declared this incarnation dead.
    pub(crate) ended: CancellationToken,
    /// What the process has met of late that keeps the database from its work.
    pub(crate) strains: Strains,
    attempts: Mutex<HashMap<Claim, Held, RandomState>>,
    /// How many were forgotten because their attempt had ended.
    forgotten: AtomicU64,
}

/// A claimed job in this process.
#[derive(Debug)]
enum Held {
    /// It is being written as running here: the database need not know of it yet.
    Starting,
    /// Its attempt has not begun.
    Waiting,
    Running(AbortHandle),
    /// Its attempt writes its end: the fence judges that, and once it is written, the job is no longer ours for a good reason. None
    /// where the attempt was so quick that its beginning is not noted yet.
    Ending(Option<AbortHandle>),
    /// It was lost before its attempt began.
    Lost,
}

impl Held {
    /// Drops its attempt, if it has begun.
    fn abort(self) {
        if let Self::Running(attempt) | Self::Ending(Some(attempt)) = self {
            attempt.abort();
        }
    }
}

impl Lease {
    pub(crate) fn new(length: Duration, sent: Instant, strains: Strains) -> Arc<Self> {
        Arc::new(Self {
            worker: WorkerId::now_v7(),
            length,
            confirmed: watch::Sender::new(sent),
            ended: CancellationToken::new(),
            strains,
            attempts: Mutex::default(),
            forgotten: AtomicU64::new(0),
        })
    }

    /// A heartbeat that was sent at `sent` has been confirmed.
    pub(crate) fn confirm(&self, sent: Instant) {
        self.confirmed.send_replace(sent);
    }

    /// How long nobody else can have been given our jobs.
    pub(crate) fn remaining(&self) -> Duration {
        self.length.saturating_sub(self.confirmed.borrow().elapsed())
    }

    /// Waits until the lease outlasts `needed`, or it has ended. True when it outlasts it.
    pub(crate) async fn outlasts(&self, needed: Duration) -> bool {
        let mut confirmed = self.confirmed.subscribe();
        loop {
            if self.ended.is_cancelled() {
                return false;
            }
            if self.remaining() > needed {
                return true;
            }
            if self.remaining().is_zero() {
                // Fenced by our own clock: whatever runs here may run elsewhere by now.
                return false;
            }
            tokio::select! {
                changed = confirmed.changed() => if changed.is_err() { return false },
                () = self.ended.cancelled() => return false,
                () = tokio::time::sleep(self.remaining()) => {}
            }
        }
    }

    /// Notes a job that is being written as running here.
    pub(crate) fn start(&self, claim: Claim) {
        self.lock().insert(claim, Held::Starting);
    }

    /// Notes a job that was written as running here.
    pub(crate) fn hold(&self, claim: Claim) {
        self.lock().insert(claim, Held::Waiting);
    }

    /// Notes jobs that were claimed; those come back that are held already. A claim whose commit the database has lost, in a
    /// crash or a failover, can be made again under the same token: the fence does not know its two attempts apart, so
    /// neither may go on. The first is dropped here.
    #[must_use]
    pub(crate) fn claimed(&self, claims: impl Iterator<Item = Claim>) -> HashSet<Claim> {
        let mut attempts = self.lock();
        let mut twice = HashSet::new();
        for claim in claims {
            match attempts.entry(claim) {
                Entry::Vacant(place) => drop(place.insert(Held::Waiting)),
                Entry::Occupied(mut held) => {
                    held.insert(Held::Lost).abort();
                    twice.insert(claim);
                }
            }
        }
        twice
    }

    /// Notes that jobs' attempts have begun; those are dropped whose job is no longer ours.
    pub(crate) fn begin(&self, begun: Vec<(Claim, AbortHandle)>) {
        let mut attempts = self.lock();
        for (claim, attempt) in begun {
            match attempts.get_mut(&claim) {
                Some(Held::Lost) => attempt.abort(),
                Some(Held::Ending(noted)) => *noted = Some(attempt),
                Some(_) if self.ended.is_cancelled() => attempt.abort(),
                Some(held) => *held = Held::Running(attempt),
                None => {} // It has ended already.
            }
        }
    }

    /// Notes that the attempt writes its end: it is not dropped any more because the job is no longer ours, as it is not once
    /// that is written.
    pub(crate) fn ending(&self, claim: Claim) {
        if let Some(held) = self.lock().get_mut(&claim) {
            *held = match std::mem::replace(held, Held::Lost) {
                Held::Running(attempt) => Held::Ending(Some(attempt)),
                Held::Waiting => Held::Ending(None),
                other @ (Held::Starting | Held::Ending(_) | Held::Lost) => other,
            };
        }
    }

    /// Forgets a job whose attempt has ended.
    pub(crate) fn release(&self, claim: Claim) {
        self.lock().remove(&claim);
        self.forgotten.fetch_add(1, Ordering::Relaxed);
    }

    /// How many attempts have ended here so far.
    pub(crate) fn ended_attempts(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    /// All jobs that are held here.
    pub(crate) fn held(&self) -> Vec<Claim> {
        self.lock().keys().copied().collect()
    }

    /// Those of them that were lost.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn lost(&self) -> Vec<Claim> {
        let attempts = self.lock();
        let lost = attempts.iter().filter(|(_, held)| matches!(held, Held::Lost));
        lost.map(|(claim, _)| *claim).collect()
    }

    /// Those of them that the database knows of, for the heartbeat to ask about.
    pub(crate) fn confirmed(&self) -> Vec<Claim> {
        let attempts = self.lock();
        let known =
            attempts.iter().filter(|(_, held)| !matches!(held, Held::Starting | Held::Ending(_)));
        known.map(|(claim, _)| *claim).collect()
    }

    /// The job was cancelled or taken over: its attempt is dropped where it stands.
    pub(crate) fn lose(&self, claim: Claim) {
        match self.lock().get_mut(&claim) {
            None | Some(Held::Ending(_)) => {}
            Some(held) => {
                tracing::info!(job = %claim.job, token = claim.token, "the job is not ours any more: its attempt is dropped");
                std::mem::replace(held, Held::Lost).abort();
            }
        }
    }

    /// The incarnation ends: every attempt is dropped where it stands.
    pub(crate) fn end(&self) {
        self.ended.cancel();
        for held in self.lock().values_mut() {
            std::mem::replace(held, Held::Lost).abort();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Claim, Held, RandomState>> {
        // A panic while the map is locked leaves it whole: each change is one insert or remove.
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
