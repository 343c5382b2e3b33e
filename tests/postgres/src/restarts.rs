//! How often a server that died may be started again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Past this many deaths within the window, something is wrong that a restart does not mend.
const LIMIT: usize = 5;
const WINDOW: Duration = Duration::from_secs(10 * 60);
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// Counts the deaths of a server.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    deaths: VecDeque<Instant>,
}

impl Restarts {
    /// How long to wait before the next start, doubling with each death in the last ten minutes; none
    /// when there were too many.
    pub(crate) fn after_death(&mut self, now: Instant) -> Option<Duration> {
        self.deaths.retain(|death| now.duration_since(*death) < WINDOW);
        let before = u32::try_from(self.deaths.len()).ok()?;
        self.deaths.push_back(now);
        (self.deaths.len() <= LIMIT).then(|| FIRST_DELAY * 2_u32.pow(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_and_end_until_the_deaths_are_long_ago() {
        let mut restarts = Restarts::default();
        let now = Instant::now();
        let delays: Vec<_> = (0..6).map(|_| restarts.after_death(now)).collect();
        let expected = [250, 500, 1000, 2000, 4000].map(|ms| Some(Duration::from_millis(ms)));
        assert_eq!(delays[..5], expected);
        assert_eq!(delays[5], None);
        assert_eq!(restarts.after_death(now + WINDOW), Some(FIRST_DELAY));
    }
}
