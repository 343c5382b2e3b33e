//! When to try again: pure arithmetic from the class, the attempt and a random number.

use std::time::Duration;

use crate::failure::Class;

/// A retry policy: exponential backoff with full jitter, capped, per error class.
///
/// The default is 3 retries, 2 s doubling up to 10 minutes. A kind that keeps the default follows its worker's own
/// default, see [`crate::WorkerConfig::retry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    base: Duration,
    cap: Duration,
    retries: u32,
    throttled: u32,
}

impl Retry {
    /// 3 retries, 2 s doubling up to 10 minutes.
    pub const DEFAULT: Self = Self::exponential(Duration::from_secs(2));

    /// Doubles from `base`, capped at 10 minutes, 3 retries.
    #[must_use]
    pub const fn exponential(base: Duration) -> Self {
        Self { base, cap: Duration::from_secs(600), retries: 3, throttled: 3 }
    }

    /// No delay is longer than `cap`, not even one that a provider asks for.
    #[must_use]
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// How many times a failed attempt is repeated; 0 means never.
    #[must_use]
    pub const fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// A throttled call waits this many times longer than a failed one; default 3.
    #[must_use]
    pub const fn throttled(mut self, factor: u32) -> Self {
        self.throttled = factor;
        self
    }

    /// How long to wait before another attempt that none of the retries is spent for.
    pub(crate) fn pause(&self, class: Class, attempt: u32, random: f64) -> Duration {
        let always = Self { retries: u32::MAX, ..*self };
        always.delay(class, attempt, random).unwrap_or(self.base)
    }

    /// How long to wait before the next attempt, or `None` when there is none.
    ///
    /// `attempt` counts from 1; `random` lies in `0.0..1.0`. The delay is spread over the whole range up to the
    /// backoff (full jitter); a provider's `Retry-After` is a lower bound, capped.
    #[must_use]
    pub fn delay(&self, class: Class, attempt: u32, random: f64) -> Option<Duration> {
        if !class.retries() || attempt > self.retries {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(31);
        let backoff = self.base.saturating_mul(1 << doublings);
        let (floor, backoff) = match class {
            Class::RateLimited { retry_after } => {
                (retry_after.unwrap_or_default(), backoff.saturating_mul(self.throttled))
            }
            Class::TransientNetwork
            | Class::IntegrationOffline
            | Class::ThirdPartyAuthFailed
            | Class::ConfigurationError
            | Class::ProvisioningError
            | Class::UnknownOutcome => (Duration::ZERO, backoff),
        };
        let jittered = backoff.min(self.cap).mul_f64(random.clamp(0.0, 1.0));
        Some(floor.saturating_add(jittered).min(self.cap))
    }
}

/// A number in `0.0..1.0` from the operating system's generator; 0.5 where it fails.
pub(crate) fn random() -> f64 {
    getrandom::u32().map_or(0.5, |bits| f64::from(bits) / (f64::from(u32::MAX) + 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRANSIENT: Class = Class::TransientNetwork;

    #[test]
    fn a_class_that_a_person_must_mend_is_never_retried() {
        for class in [
            Class::ThirdPartyAuthFailed,
            Class::ConfigurationError,
            Class::ProvisioningError,
            Class::UnknownOutcome,
        ] {
            assert_eq!(Retry::DEFAULT.delay(class, 1, 0.5), None, "{class}");
        }
    }

    #[test]
    fn three_retries_and_no_more() {
        let delays: Vec<_> =
            (1..=4).map(|attempt| Retry::DEFAULT.delay(TRANSIENT, attempt, 1.0)).collect();
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(delays, [seconds(2), seconds(4), seconds(8), None]);
    }

    #[test]
    fn retry_after_is_honoured_and_capped() {
        let class = |s| Class::RateLimited { retry_after: Some(Duration::from_secs(s)) };
        let retry = Retry::exponential(Duration::from_secs(1)).cap(Duration::from_secs(60));
        assert_eq!(retry.delay(class(30), 1, 0.0), Some(Duration::from_secs(30)));
        assert_eq!(retry.delay(class(3_600), 1, 0.0), Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_throttled_call_waits_longer_than_a_failed_one() {
        let throttled = Retry::DEFAULT.delay(Class::RateLimited { retry_after: None }, 1, 1.0);
        assert!(throttled > Retry::DEFAULT.delay(TRANSIENT, 1, 1.0));
    }

    proptest! {
        #[test]
        fn no_delay_exceeds_the_cap(attempt in 1u32..1000, random in 0.0f64..1.0, after in 0u64..1_000_000) {
            let retry = Retry::DEFAULT.retries(u32::MAX);
            let class = Class::RateLimited { retry_after: Some(Duration::from_secs(after)) };
            for class in [TRANSIENT, class] {
                prop_assert!(retry.delay(class, attempt, random).unwrap() <= Duration::from_secs(600));
            }
        }
    }
}
