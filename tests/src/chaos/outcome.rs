//! What came of a trial.

use crate::storm::Verdict;

use super::bounds;

/// The longest that the 99th percentile of a recovery may be, in milliseconds (P5).
pub(super) const RECOVERY: f64 = 15_000.0;

/// The figures of a trial, and what is not as it must be.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// What was struck, and how often.
    pub faults: Vec<(&'static str, usize)>,
    /// What the providers were asked, and what they did.
    pub calls: Option<(u64, u64)>,
    /// What was acknowledged, or checked.
    pub acknowledged: u64,
    /// Effects that were had twice.
    pub doubled: u64,
    /// Acknowledged and not done.
    pub lost: u64,
    /// Not ended a minute after the last fault.
    pub stuck: u64,
    /// Times of recovery in milliseconds, in order.
    pub recovery: Vec<f64>,
    /// Whatever else was measured, each in a few words.
    pub notes: Vec<String>,
    /// What is not as it must be.
    pub violations: Vec<String>,
    /// Why it could not be run here.
    pub not_run: Option<String>,
}

impl Outcome {
    /// One that could not be run here.
    #[must_use]
    pub fn not_run(why: impl Into<String>) -> Self {
        Self { not_run: Some(why.into()), ..Self::default() }
    }

    /// Takes over what the checker found.
    pub(super) fn judge(&mut self, verdict: &Verdict) {
        self.calls = Some((verdict.calls, verdict.effects));
        self.acknowledged += verdict.studios;
        self.doubled += verdict.double_effects;
        self.lost += verdict.lost;
        self.violations.extend(verdict.violations());
    }

    /// A violation, where there is one.
    pub(super) fn hold(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(what());
        }
    }

    /// Times of recovery; the 99th percentile may not be longer than `most` milliseconds.
    pub(super) fn recovered(&mut self, mut times: Vec<f64>, most: f64) {
        times.sort_by(f64::total_cmp);
        let slow = bounds::quantile(&times, 0.99).unwrap_or_default();
        self.hold(slow <= most, || format!("recovery p99 {slow:.0} ms, more than {most:.0} ms"));
        self.recovery = times;
    }
}
