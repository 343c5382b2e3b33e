//! `Retry-After` (RFC 9110, 10.2.3): a number of seconds, or a date.

use std::time::Duration;

use chrono::DateTime;

/// The wait that a `Retry-After` header asks for; nothing if it is malformed.
///
/// A date is measured against the answer's own `Date`, because only the provider's clock knows what
/// it means by it. A date in the past is no wait; a date without `Date` cannot be measured and is
/// ignored.
pub(super) fn parse(value: &str, date: Option<&str>) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(value).ok()?;
    let now = DateTime::parse_from_rfc2822(date?.trim()).ok()?;
    Some((until - now).to_std().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Option<&str> = Some("Wed, 21 Oct 2026 07:28:00 GMT");

    #[test]
    fn both_forms_are_understood_and_nonsense_is_ignored() {
        let seconds = |n| Some(Duration::from_secs(n));
        for (value, date, expected) in [
            ("0", None, seconds(0)),
            (" 120 ", None, seconds(120)),
            ("18446744073709551615", None, seconds(u64::MAX)),
            ("Wed, 21 Oct 2026 07:28:30 GMT", NOW, seconds(30)),
            ("Wed, 21 Oct 2026 07:27:00 GMT", NOW, seconds(0)),
            ("Wed, 21 Oct 2026 07:28:30 GMT", None, None),
            ("Wed, 21 Oct 2026 07:28:30 GMT", Some("yesterday"), None),
            ("-1", NOW, None),
            ("1.5", NOW, None),
            ("soon", NOW, None),
            ("", NOW, None),
        ] {
            assert_eq!(parse(value, date), expected, "Retry-After: {value:?}, Date: {date:?}");
        }
    }
}
