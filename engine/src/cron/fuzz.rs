//! Cron texts and zones that nobody meant.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::calendar::Calendar;
use crate::testing::{Edit, mangled};

const TEXTS: [&str; 7] = [
    "0 9 * * 1-5",
    "*/10 0-23/2 1,15 * *",
    "30 2 29 2 *",
    "@weekly",
    "0 0 L * *",
    "15 3 * JAN-MAR MON#2",
    "59 23 31 12 7",
];

const ZONES: [&str; 5] =
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"];

proptest! {
    #[test]
    fn no_cron_text_makes_it_panic_hang_or_tick_backwards(
        text in proptest::sample::select(&TEXTS[..]),
        zone in proptest::sample::select(&ZONES[..]),
        edits in proptest::collection::vec(any::<Edit>(), 0..=6),
        after in 0_i64..4_000_000_000,
    ) {
        let text = mangled(text.as_bytes(), &edits);
        let text = String::from_utf8_lossy(&text).into_owned();
        match Calendar::parse(&text, zone) {
            Ok(calendar) => {
                let after = DateTime::<Utc>::from_timestamp(after, 0).unwrap_or_default();
                if let Some(tick) = calendar.next(after) {
                    prop_assert!(tick > after, "{text:?} in {zone} ticks at {tick}, not after {after}");
                }
                let all = calendar.between(after, after + TimeDelta::days(2), 10);
                prop_assert!(all.is_sorted_by(|one, other| one < other), "{text:?}: {all:?}");
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn no_zone_makes_it_panic(zone in "\\PC{0,40}") {
        let _refused = Calendar::parse("0 9 * * *", &zone);
    }
}
