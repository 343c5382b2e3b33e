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
    latencies.get(place).map_or(f64::NAN, |nanos| milliseconds(*nanos))
}

/// Nanoseconds as milliseconds.
#[expect(clippy::cast_precision_loss, reason = "milliseconds with three digits are enough")]
pub(crate) fn milliseconds(nanos: i64) -> f64 {
    rounded(nanos as f64 / 1e6)
}

/// With three digits: more would pretend to a precision that no run has.
pub(crate) fn rounded(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}

/// How many a second.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// The middle one; the higher of two.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A percentile in each window of time, by when the jobs were due.
pub(crate) fn windows(picked: &[(i64, i64)], window: Duration, percent: f64) -> Vec<f64> {
    let mut windows = by_window(picked, window);
    windows.iter_mut().map(|latencies| percentile(latencies, percent)).collect()
}

/// The latencies of each window of time, by when the jobs were due.
pub(crate) fn by_window(picked: &[(i64, i64)], window: Duration) -> Vec<Vec<i64>> {
    let Some(start) = picked.iter().map(|(due, _)| *due).min() else { return Vec::new() };
    let window = i64::try_from(window.as_nanos()).unwrap_or(i64::MAX).max(1);
    let mut windows: Vec<Vec<i64>> = Vec::new();
    for (due, began) in picked {
        let place = usize::try_from((due - start) / window).unwrap_or_default();
        if windows.len() <= place {
            windows.resize(place + 1, Vec::new());
        }
        if let Some(latencies) = windows.get_mut(place) {
            latencies.push(began - due);
        }
    }
    windows
}
