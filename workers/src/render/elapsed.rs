//! Time that has passed, short enough for a column.

use chrono::{DateTime, TimeDelta, Utc};

/// From the start to the end, or to now while there is none: `1.2s`, `42s`, `3m 04s`, `2h 05m`, `3d 04h`.
/// Nothing if it has not started; zero if the clocks disagree.
pub(crate) fn elapsed(
    started: Option<DateTime<Utc>>,
    finished: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<String> {
    let passed = (finished.unwrap_or(now) - started?).max(TimeDelta::zero());
    let [seconds, minutes] = [passed.num_seconds(), passed.num_minutes()];
    let [hours, days] = [passed.num_hours(), passed.num_days()];
    Some(if seconds < 10 {
        format!("{seconds}.{}s", passed.subsec_millis() / 100)
    } else if minutes < 1 {
        format!("{seconds}s")
    } else if hours < 1 {
        format!("{minutes}m {:02}s", seconds % 60)
    } else if days < 1 {
        format!("{hours}h {:02}m", minutes % 60)
    } else {
        format!("{days}d {:02}h", hours % 24)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_shown_in_its_two_largest_units() {
        let start = DateTime::UNIX_EPOCH;
        for (millis, expected) in [
            (-5_000, "0.0s"),
            (0, "0.0s"),
            (1_299, "1.2s"),
            (9_999, "9.9s"),
            (42_900, "42s"),
            (184_000, "3m 04s"),
            (7_500_000, "2h 05m"),
            (273_600_000, "3d 04h"),
        ] {
            let end = start + TimeDelta::milliseconds(millis);
            assert_eq!(elapsed(Some(start), None, end).as_deref(), Some(expected));
            assert_eq!(elapsed(Some(start), Some(end), start).as_deref(), Some(expected));
        }
        assert_eq!(elapsed(None, None, start), None);
    }
}
