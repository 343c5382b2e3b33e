//! Circuit breakers: a service that is out of order is not called, and costs nobody an attempt.
//!
//! A step that says whom it calls ([`Step::calls`](crate::Step::calls)) is guarded twice: by a breaker of the service, and by one of the service for
//! its workspace. Their state stands in Postgres, one truth for the fleet, and every process keeps what it read for a second.
//!
//! ```text
//! closed ── 5 outages in a row ──▶ open ── after 60 s ──▶ one call in the whole fleet tries it ── answered ──▶ closed
//!                                   ▲                                  │ fails
//!                                   └──────────────────────────────────┘
//! ```
//!
//! Timeouts, refused connections and the service's own errors count; whoever refuses us or asks us to slow down is there. While a breaker is
//! open its steps wait, and come back over half a minute, few at first: the first one tries the service, under a lease that expires if it hangs,
//! and when it is answered the others go on as they come. Of the service as a whole, failures of one workspace count once in a row: what is
//! wrong with one is not wrong with all.

mod budget;
mod policy;
mod store;
mod view;

use std::time::Duration;

use sqlx::PgPool;
use uuid::Uuid;

use crate::ids::{WorkerId, WorkspaceId};
use crate::lease::Claim;
use crate::retry::random;
use budget::Budgets;
pub use policy::BreakerPolicy;
pub(crate) use store::{key, signal};
use view::{Known, View};

/// The longest name of a service, in bytes.
pub(crate) const LONGEST_SERVICE: usize = 64;

/// What is kept of why a breaker opened, in bytes.
pub(crate) const LONGEST_REASON: usize = 500;

/// The least time that a probe has: more than most calls take.
const PROBE: Duration = Duration::from_secs(30);

/// What a probe has beyond the limit of its step.
const PROBE_MARGIN: Duration = Duration::from_secs(5);

/// After so long who finds somebody else trying the service looks again, at the most.
const NEXT_LOOK: Duration = Duration::from_secs(10);

/// After so long who finds a breaker tripped by an operator looks again, at the most: the reset wakes him before.
const TRIPPED_LOOK: Duration = Duration::from_secs(300);

/// So many outages that open no breaker a step may meet before they spend attempts, where the policy does not want more for a breaker: more
/// often it is not the service but what it is asked.
const FREE_OUTAGES: u32 = 5;

/// What all attempts of a process know of breakers.
#[derive(Debug)]
pub(crate) struct Breakers {
    pool: PgPool,
    worker: WorkerId,
    policy: BreakerPolicy,
    view: View,
    budgets: Budgets,
}

/// Whom a step is about to call, and for whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) service: &'static str,
    pub(crate) workspace: WorkspaceId,
    pub(crate) claim: Claim,
    /// The most that it takes.
    pub(crate) limit: Duration,
    /// It was made before.
    pub(crate) is_retry: bool,
    /// How often its step has met an outage that cost nothing.
    pub(crate) outages: u32,
}

impl Call {
    fn keys(&self) -> [String; 2] {
        [key(self.service, None), key(self.service, Some(self.workspace))]
    }
}

/// A call that may be made. How it ended is told with [`Breakers::settle`].
#[derive(Debug)]
#[must_use = "how the call ends is what breakers are about"]
pub(crate) struct Pass {
    call: Call,
    /// Of the breakers that guard it.
    keys: [String; 2],
    /// The lease under which it tries a service that was out of order.
    probe: Option<Uuid>,
    /// It has spent a retry.
    is_paid: bool,
}

/// A call that is not to be made now.
#[derive(Debug)]
pub(crate) struct Closed {
    /// What is signalled when an operator resets the breaker.
    pub(crate) signal: String,
    pub(crate) look_again: Duration,
    /// For an operator.
    pub(crate) reason: String,
    /// Whether that is for the service's sake, and not because we have called it too often.
    pub(crate) is_out_of_order: bool,
}

impl Closed {
    fn out_of_order(key: &str, look_again: Duration, reason: String) -> Self {
        Self { signal: signal(key), look_again, reason, is_out_of_order: true }
    }
}

/// What a call's end tells of the service.
#[derive(Debug)]
pub(crate) enum Standing {
    /// It answered.
    There,
    /// It is out of order, as this failure says.
    Outage(String),
    /// Nothing.
    Unknown,
}

/// What becomes of a call that met an outage.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// A breaker is open: who called waits, and spends no attempt.
    Open(Closed),
    /// None is open yet: it is tried again soon, and spends no attempt.
    Again { signal: String },
    /// It counts like any other failure.
    Counts,
}

impl Breakers {
    pub(crate) fn new(pool: PgPool, worker: WorkerId, policy: BreakerPolicy) -> Self {
        let (view, budgets) = (View::new(policy.refresh), Budgets::new(policy.retries));
        Self { pool, worker, policy, view, budgets }
    }

    /// Asks whether a call may be made. What the breakers are is asked of the database once a second; where it cannot tell, the call is made.
    pub(crate) async fn admit(&self, call: Call) -> Result<Pass, Closed> {
        let keys = call.keys();
        let mut known = self.view.of(&self.pool, &keys).await;
        if known.iter().any(Known::is_open) {
            // Who waits waits for long, and the signal of a reset that has come meanwhile does not come again.
            known = self.view.now(&self.pool, &keys).await.unwrap_or(known);
        }
        let open: Vec<&Known> = known.iter().filter(|known| known.is_open()).collect();
        if let Some(closed) = self.closed(&open) {
            return Err(closed);
        }
        let pass = Pass { call, keys, probe: None, is_paid: false };
        let Some(&first) = open.first() else { return self.within_budget(pass) };
        let due: Vec<String> = open.iter().map(|known| known.key.clone()).collect();
        let time = PROBE.max(call.limit.saturating_add(PROBE_MARGIN));
        let probe = Uuid::now_v7();
        match store::probe(&self.pool, &due, probe, time).await {
            Ok(true) => {
                tracing::info!(service = call.service, workspace = %call.workspace, "one call tries whether it is back");
                self.view.forget();
                Ok(Pass { probe: Some(probe), ..pass })
            }
            Ok(false) => {
                self.view.forget();
                Err(Self::tried_by_another(first))
            }
            Err(error) => {
                tracing::warn!(%error, service = call.service, "could not ask who tries the service");
                Err(Self::tried_by_another(first))
            }
        }
    }

    /// Why no call is made, as far as that is known without asking for the lease.
    fn closed(&self, open: &[&Known]) -> Option<Closed> {
        if let Some(tripped) = open.iter().find(|known| known.tripped) {
            let look_again = TRIPPED_LOOK.mul_f64(0.5 + random() / 2.0);
            let reason = format!(
                "{}: an operator stopped the calls ({}); `autopilot breakers reset {}` lets them go on",
                tripped.what(),
                tripped.reason,
                tripped.key
            );
            return Some(Closed::out_of_order(&tripped.key, look_again, reason));
        }
        let last = open.iter().max_by_key(|known| known.closed_for)?;
        if last.closed_for > Duration::ZERO {
            return Some(self.waits(&last.key, &last.text(), last.closed_for));
        }
        open.iter().find(|known| known.is_probed).map(|known| Self::tried_by_another(known))
    }

    /// Comes back after the breaker may be tried, within the spread: twice as late, twice as many.
    fn waits(&self, key: &str, text: &str, closed_for: Duration) -> Closed {
        let look_again = closed_for + self.policy.spread.mul_f64(random().sqrt());
        let reason = format!(
            "{text}; no attempt is spent, one call tries it in {}s, then the others follow (`autopilot breakers show {key}`)",
            closed_for.as_secs() + 1
        );
        Closed::out_of_order(key, look_again, reason)
    }

    fn tried_by_another(known: &Known) -> Closed {
        let look_again = NEXT_LOOK.mul_f64(0.1 + 0.9 * random());
        let reason = format!(
            "{}; another call is trying it just now (`autopilot breakers show {}`)",
            known.text(),
            known.key
        );
        Closed::out_of_order(&known.key, look_again, reason)
    }

    /// A call that was made before may be made again only while retries to the service are left.
    fn within_budget(&self, pass: Pass) -> Result<Pass, Closed> {
        let service = pass.call.service;
        if !pass.call.is_retry {
            return Ok(pass);
        }
        if self.budgets.spend(service) {
            return Ok(Pass { is_paid: true, ..pass });
        }
        let look_again = NEXT_LOOK.mul_f64(0.5 + random());
        let reason = format!(
            "this process has spent its retries to {service} (breakers.retries: {}); every second and every tenth answered call gives one back",
            self.policy.retries
        );
        let signal = signal(&key(service, None));
        Err(Closed { signal, look_again, reason, is_out_of_order: false })
    }

    /// Says how a call ended. What comes of an outage, and nothing of anything else.
    pub(crate) async fn settle(&self, pass: Pass, standing: Standing) -> Option<Verdict> {
        let Pass { call, keys, probe, is_paid } = pass;
        match standing {
            Standing::There => {
                self.budgets.earn(call.service);
                if probe.is_some() || self.view.knows(&keys) {
                    let written =
                        store::succeeded(&self.pool, &keys, self.worker, call.claim, probe).await;
                    self.told(written, call.service);
                }
                None
            }
            Standing::Unknown => {
                if is_paid {
                    self.budgets.give_back(call.service);
                }
                if let Some(probe) = probe {
                    let written = store::give_back(&self.pool, &keys, probe).await;
                    self.told(written, call.service);
                }
                None
            }
            Standing::Outage(reason) => Some(self.failed(call, probe, &reason).await),
        }
    }

    async fn failed(&self, call: Call, probe: Option<Uuid>, reason: &str) -> Verdict {
        let failed =
            store::failed(&self.pool, &call, self.worker, probe, reason, &self.policy).await;
        self.view.forget();
        let open = match failed {
            Ok(open) => open,
            Err(error) => {
                tracing::warn!(%error, service = call.service, "an outage could not be counted");
                Vec::new()
            }
        };
        let Some(last) = open.iter().max_by_key(|open| open.known.closed_for) else {
            return if call.outages < FREE_OUTAGES.max(self.policy.failures) {
                Verdict::Again { signal: signal(&key(call.service, None)) }
            } else {
                Verdict::Counts
            };
        };
        let is_own = open.iter().all(|open| open.is_of_workspace);
        if is_own && last.open_for > self.policy.patience {
            return Verdict::Counts;
        }
        tracing::warn!(service = call.service, workspace = %call.workspace, reason, "out of order, nobody calls it");
        let closed_for = last.known.closed_for;
        Verdict::Open(self.waits(&last.known.key, &last.known.text(), closed_for))
    }

    /// What was written is news to ourselves as well; what was not is only late: a lease expires, the next answer counts anew.
    fn told(&self, written: Result<(), sqlx::Error>, service: &str) {
        self.view.forget();
        if let Err(error) = written {
            tracing::warn!(%error, service, "how a call ended could not be told to its breaker");
        }
    }
}
