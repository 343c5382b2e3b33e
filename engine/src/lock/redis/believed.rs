//! For how long Redis is believed that somebody else has a lock.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

/// So long after it has turned somebody away for the first time, or Postgres has, Postgres is asked (again).
const LONGEST: Duration = Duration::from_secs(1);

/// So many names are remembered; with more, Postgres is asked for those that are not.
const MOST: usize = 10_000;

/// Since when Redis says of which locks that somebody else has them.
#[derive(Debug, Default)]
pub(super) struct Believed {
    since: Mutex<HashMap<Box<str>, Instant, RandomState>>,
}

impl Believed {
    /// Whether it is believed once more.
    pub(super) fn is(&self, name: &str) -> bool {
        let mut names = self.lock();
        if let Some(since) = names.get(name) {
            return since.elapsed() < LONGEST;
        }
        if names.len() >= MOST {
            names.retain(|_, since| since.elapsed() < LONGEST);
        }
        names.len() < MOST && names.insert(name.into(), Instant::now()).is_none()
    }

    /// Postgres says the same: it is believed anew.
    pub(super) fn again(&self, name: &str) {
        if let Some(since) = self.lock().get_mut(name) {
            *since = Instant::now();
        }
    }

    /// Nobody else has it.
    pub(super) fn forget(&self, name: &str) {
        self.lock().remove(name);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Box<str>, Instant, RandomState>> {
        // A panic while it is locked leaves it whole: each change is one insert or remove.
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if it had been believed for so long.
    fn age(believed: &Believed, name: &str) {
        let past = Instant::now().checked_sub(LONGEST).unwrap();
        *believed.lock().get_mut(name).unwrap() = past;
    }

    #[test]
    fn it_is_believed_for_a_second_and_longer_only_if_postgres_says_the_same() {
        let believed = Believed::default();
        assert!(believed.is("one") && believed.is("one"));
        age(&believed, "one");
        assert!(!believed.is("one") && !believed.is("one"), "until somebody has asked Postgres");
        assert!(believed.is("other"));
        believed.again("one");
        assert!(believed.is("one"));
        age(&believed, "one");
        believed.forget("one");
        assert!(believed.is("one"), "it is somebody else's lock again");
    }

    #[test]
    fn what_there_is_no_room_for_is_not_believed() {
        let believed = Believed::default();
        for name in 0..MOST {
            assert!(believed.is(&name.to_string()));
        }
        assert!(!believed.is("one more"));
        age(&believed, "7");
        assert!(believed.is("one more"), "there is room where somebody has not asked for long");
        assert!(!believed.is("7"));
    }
}
