//! What must hold, whatever the machine.

/// The checks that were made.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    made: usize,
    failed: Vec<String>,
}

impl Checks {
    /// Notes whether something holds that must; `what` says what was found.
    pub(crate) fn hold(&mut self, holds: bool, what: impl FnOnce() -> String) {
        self.made += 1;
        if !holds {
            self.failed.push(what());
        }
    }

    /// Notes that two numbers must be equal.
    pub(crate) fn equal(&mut self, what: &str, found: usize, expected: usize) {
        self.hold(found == expected, || format!("{what}: {found} instead of {expected}"));
    }

    /// Notes that a number must not exceed another.
    pub(crate) fn at_most(&mut self, what: &str, found: usize, most: usize) {
        self.hold(found <= most, || format!("{what}: {found}, more than {most}"));
    }

    /// How many were made.
    pub(crate) const fn made(&self) -> usize {
        self.made
    }

    /// Those that failed, each in one line.
    pub(crate) fn failed(&self) -> &[String] {
        &self.failed
    }

    /// Whether none failed, and there was one.
    pub(crate) const fn all_held(&self) -> bool {
        self.made > 0 && self.failed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_check_fails_all_and_says_what_was_found() {
        let mut checks = Checks::default();
        assert!(!checks.all_held(), "nothing was checked");
        checks.equal("jobs", 3, 3);
        checks.at_most("calls a second", 25, 25);
        assert!(checks.all_held());
        checks.at_most("calls a second", 26, 25);
        checks.equal("jobs", 2, 3);
        assert!(!checks.all_held());
        assert_eq!(checks.failed(), ["calls a second: 26, more than 25", "jobs: 2 instead of 3"]);
    }
}
