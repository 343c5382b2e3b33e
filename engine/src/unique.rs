//! Unique jobs: one of a kind and a key at a time, or in a time.

use std::time::Duration;

/// The longest key, in bytes.
const LONGEST_KEY: usize = 512;

/// That a job is the only one of its kind with a key: a second enqueue joins the first, however many ask at once and whatever
/// crashes, because the job's own row is the slot (L11).
///
/// | | while the first waits | while it runs | afterwards |
/// |---|---|---|---|
/// | [`key`](Self::key) | joins it | joins it | a new job |
/// | [`replace`](Self::replace) | joins it, and replaces payload, time, priority and limits | joins it | a new job |
/// | [`run_again`](Self::run_again) | joins it, or replaces | a new job, which runs after it | a new job |
/// | [`within`](Self::within) a time | as above | as above | joins the first until the time is over |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique {
    pub(crate) key: String,
    pub(crate) window: Option<Duration>,
    pub(crate) replace: bool,
    pub(crate) until_begun: bool,
}

impl Unique {
    /// One live job: from its enqueue until it has completed, failed for good or been cancelled.
    #[must_use]
    pub fn key(key: impl Into<String>) -> Self {
        Self { key: key.into(), window: None, replace: false, until_begun: false }
    }

    /// One job in this time from its enqueue, also when it has ended before.
    #[must_use]
    pub const fn within(mut self, window: Duration) -> Self {
        self.window = Some(window);
        self
    }

    /// Whoever joins a job whose first attempt has not begun gives it his payload, time, priority and limits: the last word
    /// counts.
    #[must_use]
    pub const fn replace(mut self) -> Self {
        self.replace = true;
        self
    }

    /// One job that waits, and one that runs: what is enqueued while one runs is a job of its own, and runs once more after it.
    /// They never run at the same time.
    #[must_use]
    pub const fn run_again(mut self) -> Self {
        self.until_begun = true;
        self
    }

    /// What is wrong with it, a sentence.
    pub(crate) fn problem(&self) -> Option<String> {
        let Self { key, window, .. } = self;
        if key.is_empty() || key.len() > LONGEST_KEY {
            return Some(format!(
                "its unique key has {} bytes; it needs 1 to {LONGEST_KEY}",
                key.len()
            ));
        }
        if key.contains('\0') {
            return Some(format!("its unique key {key:?} contains a NUL character"));
        }
        if window.is_some_and(|window| window.is_zero()) {
            return Some(format!("its unique key {key:?} has a window of 0; leave it out"));
        }
        (window.is_some() && self.until_begun).then(|| {
            format!("its unique key {key:?} has a window and runs again; a window would keep it from that")
        })
    }
}

impl From<&str> for Unique {
    fn from(key: &str) -> Self {
        Self::key(key)
    }
}

impl From<String> for Unique {
    fn from(key: String) -> Self {
        Self::key(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_makes_no_sense_is_refused_by_name() {
        let wrong = [
            (Unique::key(""), "0 bytes"),
            (Unique::key("k".repeat(10_000)), "10000 bytes"),
            (Unique::key("a\0b"), "NUL"),
            (Unique::key("k").within(Duration::ZERO), "window of 0"),
            (
                Unique::key("k").within(Duration::from_secs(1)).run_again(),
                "a window and runs again",
            ),
        ];
        for (unique, says) in wrong {
            let problem = unique.problem().unwrap();
            assert!(problem.contains(says), "{problem}");
        }
        assert_eq!(Unique::key("ÄÖÜ \u{1f980} \n").replace().run_again().problem(), None);
    }
}
