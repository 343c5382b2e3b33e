//! How many calls a provider takes. What is over its limit is refused as the real one refuses it, and all traffic is
//! counted where it arrives, so that a test can say which rate was really held.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Provider;
use crate::exchange::Answer;

/// The time that a rate is counted over, and that a refused caller is told to wait.
const SECOND: Duration = Duration::from_secs(1);

/// How many calls a provider takes. The default is: any number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limit {
    /// Calls in any second, refused ones not counted.
    pub per_second: Option<usize>,
    /// Calls under way at the same time.
    pub at_once: Option<usize>,
}

impl Limit {
    /// So many calls in any second.
    #[must_use]
    pub const fn per_second(calls: usize) -> Self {
        Self { per_second: Some(calls), at_once: None }
    }

    /// So many calls under way at the same time.
    #[must_use]
    pub const fn at_once(mut self, calls: usize) -> Self {
        self.at_once = Some(calls);
        self
    }
}

/// What arrived at a provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Calls, whatever became of them.
    pub calls: usize,
    /// Those that were over a limit.
    pub refused: usize,
    /// The most calls in any second, refused ones included.
    pub peak_per_second: usize,
    /// The most calls under way at the same time.
    pub peak_at_once: usize,
}

/// Why a call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Rate,
    Concurrency,
}

impl Refusal {
    /// The name in the ledger.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate_limit",
            Self::Concurrency => "concurrency_limit",
        }
    }

    /// What the provider answers. Stripe documents no `Retry-After`, and names the limit instead.
    pub(crate) fn answer(self, provider: Provider) -> Answer {
        let answer = provider.failure(429);
        match (provider, self) {
            (Provider::Stripe, Self::Rate) => answer,
            (Provider::Stripe, Self::Concurrency) => {
                answer.header("stripe-rate-limited-reason", "global-concurrency")
            }
            (
                Provider::Twilio | Provider::Whatsapp | Provider::Openai | Provider::Smtp,
                Self::Rate | Self::Concurrency,
            ) => answer.header("retry-after", SECOND.as_secs().to_string()),
        }
    }
}

/// The limits in force, and what came.
#[derive(Debug)]
pub(crate) struct Limits {
    gates: Mutex<HashMap<Provider, Gate>>,
}

#[derive(Debug, Default)]
struct Gate {
    limit: Limit,
    /// When the calls of the last second came.
    arrived: VecDeque<Instant>,
    /// When those of them came that were taken.
    taken: VecDeque<Instant>,
    under_way: usize,
    traffic: Traffic,
}

/// A call under way; dropping it ends the call.
#[derive(Debug)]
#[must_use = "the call is under way for as long as this is held"]
pub(crate) struct UnderWay<'l> {
    limits: &'l Limits,
    provider: Provider,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(gate) = self.limits.gates().get_mut(&self.provider) {
            gate.under_way -= 1;
        }
    }
}

impl Limits {
    pub(crate) fn new(limits: &HashMap<Provider, Limit>) -> Self {
        let gate = |limit: &Limit| Gate { limit: *limit, ..Gate::default() };
        let gates = limits.iter().map(|(provider, limit)| (*provider, gate(limit))).collect();
        Self { gates: Mutex::new(gates) }
    }

    /// Lets a call in, or says which limit it is over. `now` never goes back.
    pub(crate) fn enter(&self, provider: Provider, now: Instant) -> Result<UnderWay<'_>, Refusal> {
        self.gates().entry(provider).or_default().enter(now)?;
        Ok(UnderWay { limits: self, provider })
    }

    /// What came so far.
    pub(crate) fn traffic(&self, provider: Provider) -> Traffic {
        self.gates().get(&provider).map(|gate| gate.traffic).unwrap_or_default()
    }

    fn gates(&self) -> MutexGuard<'_, HashMap<Provider, Gate>> {
        // Nothing that holds the guard can leave a gate half-changed.
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    fn enter(&mut self, now: Instant) -> Result<(), Refusal> {
        forget(&mut self.arrived, now);
        forget(&mut self.taken, now);
        self.arrived.push_back(now);
        self.traffic.calls += 1;
        self.traffic.peak_per_second = self.traffic.peak_per_second.max(self.arrived.len());
        if self.limit.per_second.is_some_and(|limit| self.taken.len() >= limit) {
            self.traffic.refused += 1;
            return Err(Refusal::Rate);
        }
        if self.limit.at_once.is_some_and(|limit| self.under_way >= limit) {
            self.traffic.refused += 1;
            return Err(Refusal::Concurrency);
        }
        self.taken.push_back(now);
        self.under_way += 1;
        self.traffic.peak_at_once = self.traffic.peak_at_once.max(self.under_way);
        Ok(())
    }
}

/// Forgets what is a second old.
fn forget(calls: &mut VecDeque<Instant>, now: Instant) {
    while calls.front().is_some_and(|first| now.duration_since(*first) >= SECOND) {
        calls.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWILIO: Provider = Provider::Twilio;

    fn limits(limit: Limit) -> Limits {
        Limits::new(&HashMap::from([(TWILIO, limit)]))
    }

    #[test]
    fn no_more_than_the_limit_is_taken_in_any_second_and_a_refused_call_takes_no_place() {
        let limits = limits(Limit::per_second(2));
        let start = Instant::now();
        let enter = |millis| {
            let entered = limits.enter(TWILIO, start + Duration::from_millis(millis));
            entered.map(drop)
        };
        let said: Vec<_> = [0, 900, 950, 999, 1_000, 1_001, 1_900].map(enter).into();
        let refused = Err(Refusal::Rate);
        assert_eq!(said, [Ok(()), Ok(()), refused, refused, Ok(()), refused, Ok(())]);
        let traffic = limits.traffic(TWILIO);
        assert_eq!((traffic.calls, traffic.refused), (7, 3));
        assert_eq!(traffic.peak_per_second, 5, "from 0.9 s on, refused ones included");
    }

    #[test]
    fn no_more_than_the_limit_is_under_way_and_an_ended_call_makes_room() {
        let limits = limits(Limit { per_second: None, at_once: Some(1) });
        let now = Instant::now();
        let first = limits.enter(TWILIO, now).expect("there is room");
        assert_eq!(limits.enter(TWILIO, now).map(drop), Err(Refusal::Concurrency));
        drop(first);
        assert_eq!(limits.enter(TWILIO, now).map(drop), Ok(()));
        assert_eq!(limits.traffic(TWILIO).peak_at_once, 1);
    }

    #[test]
    fn a_provider_without_a_limit_refuses_nothing_and_is_counted() {
        let limits = limits(Limit::per_second(1));
        let now = Instant::now();
        for _ in 0..3 {
            assert_eq!(limits.enter(Provider::Stripe, now).map(drop), Ok(()));
        }
        let traffic = limits.traffic(Provider::Stripe);
        assert_eq!((traffic.calls, traffic.refused, traffic.peak_per_second), (3, 0, 3));
    }
}
