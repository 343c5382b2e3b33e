//! Latencies and their percentiles.

use std::time::Duration;

/// Nanoseconds of a clock that all processes of the machine share.
pub(crate) fn monotonic() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// The percentile of latencies in nanoseconds, in milliseconds.
pub(crate) fn percentile(latencies: &mut [i64], percent: f64) -> f64 {
    latencies.sort_unstable();
    let last = latencies.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a list of latencies"
    )]
    let place = (last as f64 * percent / 100.0).round() as usize;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds with three digits are enough")]
    latencies.get(place).map_or(f64::NAN, |nanos| (*nanos as f64 / 1e3).round() / 1e3)
}

/// How many a second.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
