//! When a schedule ticks: the text of cron in a zone's local time, as instants.
//!
//! A local time that a clock change skips ticks at the first instant that exists after it; one that comes twice ticks the
//! first time. Two local times that become one instant so are one tick.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds};

use super::CronError;

/// No clock change skips more than a day (Samoa skipped one).
const LONGEST_GAP: i64 = 26 * 60;

/// More local times in a row are not looked through: a change repeats a few hours at most.
const STEPS: usize = 100_000;

/// A cron text and the zone that it is read in.
#[derive(Debug, Clone)]
pub(crate) struct Calendar {
    cron: Cron,
    zone: Tz,
}

impl Calendar {
    /// Reads five fields, or `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly`. A text that never fires is refused.
    pub(crate) fn parse(text: &str, zone: &str) -> Result<Self, CronError> {
        let zone: Tz =
            zone.parse().map_err(|_unknown| CronError::Zone { zone: zone.to_owned() })?;
        let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
        let wrong = |reason: String| CronError::Text { text: text.to_owned(), reason };
        let cron = parser
            .parse(text)
            .map_err(|error| wrong(error.to_string().trim_end_matches('.').to_owned()))?;
        let calendar = Self { cron, zone };
        // Leap days are the rarest thing that a calendar has; eight years may lie between two.
        match calendar.next(DateTime::UNIX_EPOCH) {
            Some(_) => Ok(calendar),
            None => Err(wrong("no day ever fits it".to_owned())),
        }
    }

    /// The first tick after an instant; none where it never fires again.
    pub(crate) fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // Where a clock goes back, local times that lie behind come again.
        let mut local = after.with_timezone(&self.zone).naive_local();
        for _ in 0..STEPS {
            local = self.cron.find_next_occurrence(&local.and_utc(), false).ok()?.naive_utc();
            let tick = self.instant(local)?;
            if tick > after {
                return Some(tick);
            }
        }
        None
    }

    /// The ticks after one instant and up to another, `most` at most: the last ones.
    pub(crate) fn between(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        most: usize,
    ) -> Vec<DateTime<Utc>> {
        let mut ticks = std::collections::VecDeque::new();
        let mut last = after;
        while let Some(tick) = self.next(last).filter(|tick| *tick <= until) {
            if ticks.len() == most {
                ticks.pop_front();
            }
            ticks.push_back(tick);
            last = tick;
        }
        ticks.into()
    }

    /// The instant of a local time.
    fn instant(&self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        let at = |minutes| match self
            .zone
            .from_local_datetime(&(local + TimeDelta::minutes(minutes)))
        {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.with_timezone(&Utc)),
            LocalResult::None => None,
        };
        (0..=LONGEST_GAP).find_map(at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// The ticks of a day or two, as UTC.
    fn ticks(text: &str, zone: &str, from: &str, until: &str) -> Vec<String> {
        let calendar = Calendar::parse(text, zone).unwrap();
        calendar
            .between(utc(from), utc(until), 1_000)
            .into_iter()
            .map(|tick| tick.format("%d %H:%M").to_string())
            .collect()
    }

    #[test]
    fn a_local_time_that_is_skipped_ticks_at_the_first_instant_after_it() {
        // Berlin skips 02:00 to 03:00 on 2026-03-29; 03:00 is 01:00 UTC.
        let days = ("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z");
        let ticks = |text| ticks(text, "Europe/Berlin", days.0, days.1);
        assert_eq!(ticks("30 2 * * *"), ["29 01:00", "30 00:30"]);
        // All that would have come in that hour is one tick, together with the one that comes then anyway.
        assert_eq!(ticks("*/20 2,3 29 3 *"), ["29 01:00", "29 01:20", "29 01:40"]);
    }

    #[test]
    fn a_local_time_that_comes_twice_ticks_the_first_time() {
        // Berlin has 02:00 to 03:00 twice on 2026-10-25, first at 00:00 UTC.
        let day = ("2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z");
        let ticks = |text| ticks(text, "Europe/Berlin", day.0, day.1);
        assert_eq!(ticks("30 2 * * *"), ["25 00:30"]);
        assert_eq!(ticks("0 1-4 * * *"), ["24 23:00", "25 00:00", "25 02:00", "25 03:00"]);
    }

    #[test]
    fn half_hours_and_the_other_side_of_the_world() {
        // Lord Howe goes forwards by half an hour at 02:00 on 2026-10-04, and back at 02:00 on 2026-04-05.
        let ticks = |text, from, until| ticks(text, "Australia/Lord_Howe", from, until);
        assert_eq!(
            ticks("15 2 * * *", "2026-10-03T00:00:00Z", "2026-10-04T00:00:00Z"),
            ["03 15:30"]
        );
        assert_eq!(
            ticks("45 1 * * *", "2026-04-04T00:00:00Z", "2026-04-05T00:00:00Z"),
            ["04 14:45"]
        );
    }

    #[test]
    fn new_york_and_a_leap_day() {
        let day = ("2026-03-08T00:00:00Z", "2026-03-09T00:00:00Z");
        assert_eq!(ticks("30 2 * * *", "America/New_York", day.0, day.1), ["08 07:00"]);
        let leap = Calendar::parse("0 0 29 2 *", "UTC").unwrap();
        assert_eq!(leap.next(utc("2096-03-01T00:00:00Z")), Some(utc("2104-02-29T00:00:00Z")));
    }

    #[test]
    fn a_text_that_says_nothing_or_never_fires_is_refused() {
        for text in ["", "* * * *", "* * * * * *", "61 * * * *", "0 0 31 2 *", "every day"] {
            assert!(
                matches!(Calendar::parse(text, "UTC"), Err(CronError::Text { .. })),
                "{text:?}"
            );
        }
        assert!(matches!(Calendar::parse("* * * * *", "Mars/Base"), Err(CronError::Zone { .. })));
        assert!(Calendar::parse("@daily", "Europe/Berlin").is_ok());
    }

    #[test]
    fn only_the_last_ticks_are_kept_of_many() {
        let calendar = Calendar::parse("* * * * *", "UTC").unwrap();
        let last = calendar.between(utc("2026-01-01T00:00:00Z"), utc("2026-01-02T00:00:00Z"), 2);
        assert_eq!(last, [utc("2026-01-01T23:59:00Z"), utc("2026-01-02T00:00:00Z")]);
    }

    proptest! {
        /// However it is asked, the ticks are the same, each later than the one before.
        #[test]
        fn ticks_do_not_depend_on_when_they_are_asked_for(
            zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"]),
            text in prop::sample::select(vec!["*/15 * * * *", "30 2 * * *", "0 0 1 * *", "5 1-3 * * 0", "0 */6 * * 1-5"]),
            from in 0i64..60 * 24 * 3_600, ahead in 1i64..4_000,
        ) {
            let calendar = Calendar::parse(text, zone).unwrap();
            let start = utc("2026-03-01T00:00:00Z") + TimeDelta::seconds(from);
            let first = calendar.next(start).unwrap();
            prop_assert!(first > start);
            let between = start + TimeDelta::seconds(ahead);
            if between < first {
                prop_assert_eq!(calendar.next(between).unwrap(), first);
            }
        }
    }
}
