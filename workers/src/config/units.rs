//! Durations and sizes as people write them: one whole number and one unit, nothing else.
//!
//! A bare number is refused rather than guessed: 10 seconds and 10 milliseconds differ by an outage.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer};

/// The longest duration a knob may have. Far beyond any use, and safe to add to any clock.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

const DURATION_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 3] = [("MiB", 1024 * 1024), ("KiB", 1024), ("B", 1)];

/// A duration such as `500ms`, `10s` or `10m`; longer than zero, at most 366 days.
///
/// # Errors
///
/// Says what is wrong with the text and what would be right.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let millis = parse(text, &DURATION_UNITS, "ms, s, m, h or d", "10s")?;
    let duration = Duration::from_millis(millis);
    if duration.is_zero() {
        return Err(format!("`{text}` is no time at all; write at least \"1ms\""));
    }
    if duration > LONGEST {
        return Err(format!("`{text}` is too long; the longest is \"366d\""));
    }
    Ok(duration)
}

/// A size such as `512B`, `256KiB` or `1MiB`; larger than zero.
///
/// # Errors
///
/// Says what is wrong with the text and what would be right.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let bytes = parse(text, &SIZE_UNITS, "B, KiB or MiB", "1MiB")?;
    match usize::try_from(bytes) {
        Ok(0) => Err(format!("`{text}` leaves room for nothing; write at least \"1B\"")),
        Ok(bytes) => Ok(bytes),
        Err(_too_large) => Err(format!("`{text}` is larger than this machine can address")),
    }
}

fn parse(text: &str, units: &[(&str, u64)], names: &str, example: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(format!(
            "`{text}` does not begin with a whole number; write it as \"{example}\""
        ));
    }
    if unit.is_empty() {
        return Err(format!("`{text}` has no unit; add one of {names}, for example \"{example}\""));
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("`{text}` has the unknown unit `{unit}`; use one of {names}"));
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(*factor))
        .ok_or_else(|| format!("`{text}` is too large"))
}

/// The duration in its largest whole unit, as [`parse_duration`] reads it.
pub(crate) fn format_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    format_in(millis, &DURATION_UNITS)
}

fn format_in(amount: u64, units: &[(&str, u64)]) -> String {
    units
        .iter()
        .find(|(_, factor)| amount.is_multiple_of(*factor))
        .map_or_else(String::new, |(unit, factor)| format!("{}{unit}", amount / factor))
}

/// The text of a knob that needs a unit; a number in a file is told so.
fn text_with_unit<'de, D: Deserializer<'de>>(source: D, example: &str) -> Result<String, D::Error> {
    match toml::Value::deserialize(source)? {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Err(D::Error::custom(format!(
            "`{number}` has no unit; write it in quotes with one, for example \"{example}\""
        ))),
        other @ (toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_)
        | toml::Value::Array(_)
        | toml::Value::Table(_)) => Err(D::Error::custom(format!(
            "is a TOML {}; write text with a unit, for example \"{example}\"",
            other.type_str()
        ))),
    }
}

/// `#[serde(with = "units::duration")]`
pub(crate) mod duration {
    use std::time::Duration;

    use serde::de::Error as _;
    use serde::{Deserializer, Serializer};

    use super::{format_duration, parse_duration, text_with_unit};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<Duration, D::Error> {
        parse_duration(&text_with_unit(source, "10s")?).map_err(D::Error::custom)
    }

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format_duration(*duration))
    }
}

/// `#[serde(with = "units::size")]`
pub(crate) mod size {
    use serde::de::Error as _;
    use serde::{Deserializer, Serializer};

    use super::{SIZE_UNITS, format_in, parse_size, text_with_unit};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<usize, D::Error> {
        parse_size(&text_with_unit(source, "1MiB")?).map_err(D::Error::custom)
    }

    pub(crate) fn serialize<S: Serializer>(bytes: &usize, to: S) -> Result<S::Ok, S::Error> {
        let bytes = u64::try_from(*bytes).unwrap_or(u64::MAX);
        to.serialize_str(&format_in(bytes, &SIZE_UNITS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        let table = [("500ms", 500), ("10s", 10_000), ("10m", 600_000), ("2h", 7_200_000)];
        for (text, millis) in table {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_way_out() {
        let table = [
            ("10", "`10` has no unit; add one of ms, s, m, h or d, for example \"10s\""),
            ("", "`` does not begin with a whole number; write it as \"10s\""),
            ("s", "`s` does not begin with a whole number; write it as \"10s\""),
            ("-1s", "`-1s` does not begin with a whole number; write it as \"10s\""),
            ("1.5s", "`1.5s` has the unknown unit `.5s`; use one of ms, s, m, h or d"),
            ("10 s", "`10 s` has the unknown unit ` s`; use one of ms, s, m, h or d"),
            ("1m30s", "`1m30s` has the unknown unit `m30s`; use one of ms, s, m, h or d"),
            ("0s", "`0s` is no time at all; write at least \"1ms\""),
            ("367d", "`367d` is too long; the longest is \"366d\""),
            ("99999999999999999999s", "`99999999999999999999s` is too large"),
            ("18446744073709551615d", "`18446744073709551615d` is too large"),
        ];
        for (text, error) in table {
            assert_eq!(parse_duration(text), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_size_is_a_number_and_a_binary_unit() {
        assert_eq!(parse_size("1MiB"), Ok(1_048_576));
        assert_eq!(parse_size("512B"), Ok(512));
        assert!(parse_size("1MB").is_err_and(|error| error.contains("unknown unit `MB`")));
        assert!(parse_size("0B").is_err());
    }

    proptest::proptest! {
        #[test]
        fn a_formatted_duration_reads_back_as_itself(millis in 1..=31_622_400_000_u64) {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in "\\PC*") {
            let _ignored = (parse_duration(&text), parse_size(&text));
        }
    }
}
