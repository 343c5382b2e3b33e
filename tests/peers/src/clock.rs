//! Time that two processes agree on, and percentiles.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::answer::rounded;

/// `CLOCK_MONOTONIC` in nanoseconds: the same for every process of a machine, and never set back.
pub fn now() -> i64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// A duration in the unit of [`now`].
pub fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// The given percentile (0 to 1, nearest rank) of latencies in nanoseconds, as milliseconds.
///
/// `None` where there is no sample. Sorts what it is given.
pub fn percentile_ms(latencies: &mut [i64], percentile: f64) -> Option<f64> {
    latencies.sort_unstable();
    let rank = (latencies.len() as f64 * percentile).ceil() as usize;
    latencies.get(rank.max(1) - 1).map(|latency| rounded(*latency as f64 / 1e6))
}

#[cfg(test)]
mod tests {
    use super::percentile_ms;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let mut latencies: Vec<i64> = (1..=100).rev().map(|ms| ms * 1_000_000).collect();
        assert_eq!(percentile_ms(&mut latencies, 0.5), Some(50.0));
        assert_eq!(percentile_ms(&mut latencies, 0.99), Some(99.0));
        assert_eq!(percentile_ms(&mut [], 0.99), None);
    }
}
