//! Moments and the percentiles between them.

/// Nanoseconds of a clock that all processes of the machine share.
pub(crate) fn monotonic() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// The percentile of times in nanoseconds, in milliseconds; not a number where there are none.
pub(crate) fn percentile(nanos: &mut [i64], percent: usize) -> f64 {
    nanos.sort_unstable();
    let last = nanos.len().saturating_sub(1);
    let place = (last * percent + 50) / 100;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds with three digits are enough")]
    nanos.get(place).map_or(f64::NAN, |nanos| *nanos as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_time_at_its_rank() {
        let mut nanos: Vec<i64> = (0..=100).rev().map(|millis| millis * 1_000_000).collect();
        assert!((percentile(&mut nanos, 50) - 50.0).abs() < 1e-9);
        assert!((percentile(&mut nanos, 99) - 99.0).abs() < 1e-9);
        assert!((percentile(&mut [7_000_000], 99) - 7.0).abs() < 1e-9);
        assert!(percentile(&mut [], 50).is_nan());
    }
}
