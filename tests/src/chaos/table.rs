//! The table of a run, in Markdown.

use std::path::Path;

use super::bounds;
use super::{Control, Outcome, Row};

const HEAD: &str = "| # | what breaks | how often | calls / effects | checked | doubled | lost | stuck | recovery p50 / p99 (95 % bound) | measured | control | s |
|---|---|---|---|---|---|---|---|---|---|---|---|
";

/// Where the table stands in a document.
const BEGIN: &str = "<!-- table: begin -->";
const END: &str = "<!-- table: end -->";

/// All rows.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let lines: Vec<String> = rows.iter().map(line).collect();
    format!("{HEAD}{}", lines.concat())
}

fn line(row: &Row) -> String {
    let Row { trial, outcome, took, .. } = row;
    if let Some(why) = &outcome.not_run {
        return format!("| {} | {} | not run: {why} | | | | | | | | | |\n", trial.id, trial.breaks);
    }
    let faults: Vec<String> =
        outcome.faults.iter().map(|(what, count)| format!("{} {what}", grouped(*count))).collect();
    let calls = outcome.calls.map_or_else(String::new, |(calls, effects)| {
        format!("{} / {}", grouped(calls), grouped(effects))
    });
    let controls: Vec<String> = row.seen().map(seen).collect();
    let mut measured = outcome.notes.clone();
    measured.extend(outcome.violations.iter().map(|violation| format!("**VIOLATED {violation}**")));
    let cells = [
        trial.id.to_owned(),
        trial.breaks.to_owned(),
        faults.join(", "),
        calls,
        grouped(outcome.acknowledged),
        bounded(outcome.doubled, outcome.acknowledged),
        bounded(outcome.lost, outcome.acknowledged),
        outcome.stuck.to_string(),
        recovery(&outcome.recovery),
        measured.join("; "),
        if controls.is_empty() { "–".to_owned() } else { controls.join("; ") },
        format!("{:.0}", took.as_secs_f64()),
    ];
    format!("| {} |\n", cells.join(" | ").replace('\n', " "))
}

fn seen((control, broken, hit): (&Control, &Outcome, Option<&String>)) -> String {
    let seen = match (hit, &broken.not_run) {
        (Some(violation), _) => format!("seen ({violation})"),
        (None, Some(why)) => format!("not run: {why}"),
        (None, None) => "**NOT SEEN**".to_owned(),
    };
    format!("{}: {seen}", control.what)
}

/// A count that must be zero, and below what share that is where it is.
fn bounded(count: u64, of: u64) -> String {
    match bounds::none_in(of) {
        Some(share) if count == 0 => format!("0 (< {})", percent(share)),
        _ => count.to_string(),
    }
}

fn percent(share: f64) -> String {
    if share >= 0.001 {
        format!("{:.1} %", share * 100.0)
    } else {
        format!("{:.3} %", share * 100.0)
    }
}

fn recovery(times: &[f64]) -> String {
    let (Some(half), Some(most)) = (bounds::quantile(times, 0.5), bounds::quantile(times, 0.99))
    else {
        return String::new();
    };
    let seconds = |time: f64| format!("{:.2}", time / 1000.0);
    let bound = bounds::upper(times, 0.99);
    let bound = bound.map_or_else(|| "too few".to_owned(), |time| format!("{} s", seconds(time)));
    format!("{} / {} s ({bound}; n = {})", seconds(half), seconds(most), grouped(times.len()))
}

/// With a comma between thousands.
fn grouped(number: impl ToString) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Puts a text between the markers of a document.
///
/// # Errors
/// When the document cannot be read or written, or has no markers.
pub fn write_between(document: &Path, text: &str) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", document.display());
    let old = std::fs::read_to_string(document).map_err(told)?;
    let none = || format!("{} has no {BEGIN} and {END}", document.display());
    let (before, rest) = old.split_once(BEGIN).ok_or_else(none)?;
    let (_, after) = rest.split_once(END).ok_or_else(none)?;
    std::fs::write(document, format!("{before}{BEGIN}\n{text}{END}{after}")).map_err(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_have_commas_and_zero_of_many_a_bound() {
        assert_eq!((grouped(7), grouped(1_234_567)), ("7".into(), "1,234,567".into()));
        assert_eq!(bounded(0, 300), "0 (< 1.0 %)");
        assert_eq!(bounded(0, 100_000), "0 (< 0.003 %)");
        assert_eq!(bounded(2, 300), "2");
        assert_eq!(bounded(0, 0), "0");
    }

    #[test]
    fn a_table_replaces_the_one_before_and_nothing_else() {
        let path = std::env::temp_dir().join(format!("table-{}.md", std::process::id()));
        std::fs::write(&path, format!("a\n{BEGIN}\nold\n{END}\nb\n")).unwrap();
        write_between(&path, "new\n").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        std::fs::write(&path, "no markers").unwrap();
        assert!(write_between(&path, "new\n").is_err());
        drop(std::fs::remove_file(path));
    }
}
