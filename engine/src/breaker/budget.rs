//! Retry budgets: how many calls may be made again, so that retries never multiply an outage.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Every answered call gives back so much of a retry.
const ANSWERED: f64 = 0.1;

/// Every second gives back so much.
const A_SECOND: f64 = 1.0;

/// The retries that are left to each service, of this process.
#[derive(Debug)]
pub(super) struct Budgets {
    most: f64,
    left: Mutex<HashMap<&'static str, Left>>,
}

#[derive(Debug, Clone, Copy)]
struct Left {
    retries: f64,
    since: Instant,
}

impl Left {
    fn at(self, now: Instant, most: f64) -> f64 {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        passed.mul_add(A_SECOND, self.retries).min(most)
    }
}

impl Budgets {
    pub(super) fn new(most: u32) -> Self {
        Self { most: f64::from(most), left: Mutex::default() }
    }

    /// Spends a retry, if there is one.
    pub(super) fn spend(&self, service: &'static str) -> bool {
        self.change(service, Instant::now(), |left| if left >= 1.0 { left - 1.0 } else { left })
            >= 1.0
    }

    /// A retry was not made after all.
    pub(super) fn give_back(&self, service: &'static str) {
        self.change(service, Instant::now(), |left| left + 1.0);
    }

    /// A call was answered.
    pub(super) fn earn(&self, service: &'static str) {
        self.change(service, Instant::now(), |left| left + ANSWERED);
    }

    /// What there was before the change.
    fn change(&self, service: &'static str, now: Instant, then: impl FnOnce(f64) -> f64) -> f64 {
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.get(service).map_or(self.most, |left| left.at(now, self.most));
        all.insert(service, Left { retries: then(before).min(self.most), since: now });
        before
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn spend_at(budgets: &Budgets, now: Instant) -> bool {
        budgets.change("mail", now, |left| if left >= 1.0 { left - 1.0 } else { left }) >= 1.0
    }

    #[test]
    fn a_burst_is_all_there_is_until_answers_or_time_give_some_back() {
        let (budgets, now) = (Budgets::new(3), Instant::now());
        let spent = (0..10).filter(|_| spend_at(&budgets, now)).count();
        assert_eq!(spent, 3);
        for _ in 0..10 {
            budgets.change("mail", now, |left| left + ANSWERED);
        }
        // Ten times a tenth is a little less than one.
        budgets.change("mail", now, |left| left + ANSWERED);
        assert!(spend_at(&budgets, now) && !spend_at(&budgets, now));
        assert!(spend_at(&budgets, now + Duration::from_secs(1)));
        let later = now + Duration::from_secs(3600);
        assert_eq!(
            (0..10).filter(|_| spend_at(&budgets, later)).count(),
            3,
            "no more than at first"
        );
    }

    #[test]
    fn each_service_has_its_own() {
        let budgets = Budgets::new(1);
        assert!(budgets.spend("mail") && !budgets.spend("mail") && budgets.spend("phone"));
    }
}
