//! When services that fail are called no more, and for how long.

use std::time::Duration;

/// How breakers behave. The same in every process of a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerPolicy {
    /// So many outages in a row open a breaker; default 5.
    pub failures: u32,
    /// So long nobody calls, before one call tries whether the service is back; default 60 s.
    pub open_for: Duration,
    /// The steps that waited come back within this time, few at first; default 30 s.
    pub spread: Duration,
    /// A breaker of a workspace that has been open so long, while the service answers others, lets what tries it spend attempts: a person is to
    /// look at what no waiting mends. Default one day.
    pub patience: Duration,
    /// For so long a process believes what it has read; default 1 s.
    pub refresh: Duration,
    /// Retries to a service at once, of a process; a retry spends one, every tenth answered call and every second gives one back. Default 20.
    pub retries: u32,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failures: 5,
            open_for: Duration::from_secs(60),
            spread: Duration::from_secs(30),
            patience: Duration::from_secs(24 * 3600),
            refresh: Duration::from_secs(1),
            retries: 20,
        }
    }
}

impl BreakerPolicy {
    /// What is wrong with it, each a sentence that names the setting and the fix; empty when all is well.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.failures == 0 {
            problems.push("breakers.failures must be at least 1".to_owned());
        }
        if self.retries == 0 {
            problems.push("breakers.retries must be at least 1".to_owned());
        }
        for (name, time) in [("open_for", self.open_for), ("patience", self.patience)] {
            if time < Duration::from_secs(1) {
                problems.push(format!("breakers.{name} ({time:?}) must be at least 1s"));
            }
        }
        if self.spread > Duration::from_secs(3600) || self.open_for > Duration::from_secs(3600) {
            problems.push(
                "breakers.open_for and breakers.spread may be 1h at most: so long nobody notices that a service is back"
                    .to_owned(),
            );
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(BreakerPolicy::default().problems(), [""; 0]);
    }

    #[test]
    fn each_unsound_setting_is_named() {
        let day = Duration::from_secs(24 * 3600);
        let none = BreakerPolicy {
            failures: 0,
            retries: 0,
            open_for: Duration::ZERO,
            patience: Duration::ZERO,
            spread: day,
            ..BreakerPolicy::default()
        };
        let problems = none.problems().join("\n");
        for name in ["failures", "retries", "open_for (", "patience", "spread"] {
            assert!(problems.contains(&format!("breakers.{name}")), "{name}: {problems}");
        }
    }
}
