//! Tables, as Markdown that can also be read as it is.

use crate::comparison::{Comparison, Entry, Ratio, Verdict};
use crate::results::Measured;
use crate::rows::{Better, Measure, Row};
use crate::statistics::Spread;
use crate::systems::Role;

/// What stands where there is nothing to say.
const NOTHING: &str = "-";

/// The ratios of all rows, which come first.
pub(crate) fn ratios(rows: &[(&Row, Vec<Comparison<'_>>)]) -> String {
    let head = ["row", "to best peer", "to raw", "target", "reached", "ours", "best peer", "raw"];
    let mut lines = Vec::new();
    for (row, comparisons) in rows {
        let judged = comparisons
            .iter()
            .enumerate()
            .filter(|(index, comparison)| *index == 0 || target(comparison.measure) != NOTHING);
        for (_, comparison) in judged {
            lines.push(ratio_line(row, comparison));
        }
    }
    table(&head, &lines)
}

fn ratio_line(row: &Row, comparison: &Comparison<'_>) -> Vec<String> {
    let measure = comparison.measure;
    let name =
        measure.name.as_ref().map_or(row.name.clone(), |name| format!("{}, {name}", row.name));
    let against = |entry: Option<&Entry>| {
        entry.map_or(NOTHING.to_owned(), |entry| {
            format!("{} {}", entry.title, entry.spread.map_or(NOTHING.to_owned(), spread))
        })
    };
    let ours = match comparison.ours() {
        Some(Entry { spread: Some(figures), .. }) => {
            format!("{} {}", spread(*figures), measure.unit)
        }
        Some(entry) => entry.missed.join("; "),
        None => "not run".to_owned(),
    };
    let raw = comparison.raw().and_then(|raw| raw.spread);
    vec![
        name,
        comparison.to_best_peer().map_or(NOTHING.to_owned(), ratio),
        comparison.to_raw().map_or(NOTHING.to_owned(), ratio),
        target(measure),
        reached(comparison.verdict()).to_owned(),
        ours,
        against(comparison.best_peer()),
        raw.map_or(NOTHING.to_owned(), spread),
    ]
}

/// All systems of a row by all its measures: ours, the peers with the best first, bare Postgres.
pub(crate) fn systems(row: &Row, comparisons: &[Comparison<'_>], results: &[&Measured]) -> String {
    let Some(first) = comparisons.first() else { return String::new() };
    let mut head = vec!["system".to_owned()];
    head.extend(comparisons.iter().map(|comparison| {
        let measure = comparison.measure;
        match &measure.name {
            Some(name) => format!("{name}, {}", measure.unit),
            None => measure.unit.clone(),
        }
    }));
    // A rate that others' results decided, so that it is not the same for all.
    let offered = row.offered.is_some();
    if offered {
        head.push("offered, jobs/s".to_owned());
    }
    let mut entries = first.best_first();
    entries.sort_by_key(|entry| match (entry.role, entry.spread.is_some()) {
        (Role::Ours, _) => 0,
        (Role::Peer, true) => 1,
        (Role::Raw, _) => 2,
        (Role::Peer, false) => 3,
    });
    let lines: Vec<Vec<String>> = entries
        .into_iter()
        .map(|entry| {
            let mut line = vec![entry.title.clone()];
            line.extend(comparisons.iter().map(|comparison| cell(comparison, &entry.system)));
            if offered {
                line.push(offered_to(&entry.system, results));
            }
            line
        })
        .collect();
    table(&head, &lines)
}

fn cell(comparison: &Comparison<'_>, system: &str) -> String {
    let entry = comparison.entries.iter().find(|entry| entry.system == system);
    match entry {
        Some(Entry { spread: Some(figures), missed, .. }) if missed.is_empty() => spread(*figures),
        Some(Entry { spread: Some(figures), missed, .. }) => {
            format!("{} in {} rounds; {}", spread(*figures), figures.count, missed.join("; "))
        }
        Some(entry) => entry.missed.join("; "),
        None => NOTHING.to_owned(),
    }
}

fn offered_to(system: &str, results: &[&Measured]) -> String {
    let rates = results.iter().filter(|result| result.system == system);
    let rates = rates.filter_map(|result| result.arguments.get("rate")).map(|rate| *rate as f64);
    Spread::of(&rates.collect::<Vec<_>>()).map_or(NOTHING.to_owned(), spread)
}

/// `3 × peer, 4 × raw`, with the sign that says which way.
fn target(measure: &Measure) -> String {
    let sign = match measure.better {
        Better::Higher => "≥",
        Better::Lower => "≤",
    };
    let of =
        |factor: Option<f64>, whose: &str| factor.map(|factor| format!("{sign} {factor}{whose}"));
    let unit = format!(" {}", measure.unit);
    let targets =
        [of(measure.of_best_peer, "× peer"), of(measure.of_raw, "× raw"), of(measure.limit, &unit)];
    let targets: Vec<_> = targets.into_iter().flatten().collect();
    if targets.is_empty() { NOTHING.to_owned() } else { targets.join(", ") }
}

fn reached(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Reached => "yes",
        Verdict::Missed => "**no**",
        Verdict::Unknown => "not known",
        Verdict::NoTarget => NOTHING,
    }
}

/// `3.1× (2.8-3.3)`: of the medians, and of single rounds.
fn ratio(ratio: Ratio) -> String {
    let places = |figure: f64| match figure {
        ..0.005 => "< 0.01".to_owned(),
        ..10.0 => format!("{figure:.2}"),
        _ => format!("{figure:.1}"),
    };
    match ratio.rounds {
        Some((min, max)) if min < max => {
            format!("{}× ({}-{})", places(ratio.of_medians), places(min), places(max))
        }
        Some(_) | None => format!("{}×", places(ratio.of_medians)),
    }
}

/// `47.8k (47.1k-54.0k)`: the median, and the rounds that lie farthest apart.
pub(crate) fn spread(spread: Spread) -> String {
    if spread.count < 2 {
        return number(spread.median);
    }
    format!("{} ({}-{})", number(spread.median), number(spread.min), number(spread.max))
}

/// Three digits that count, more or less.
pub(crate) fn number(figure: f64) -> String {
    if figure >= 1_000_000.0 {
        format!("{:.1}M", figure / 1_000_000.0)
    } else if figure >= 10_000.0 {
        format!("{:.1}k", figure / 1_000.0)
    } else if figure >= 100.0 || figure == 0.0 {
        format!("{figure:.0}")
    } else if figure >= 10.0 {
        format!("{figure:.1}")
    } else {
        format!("{figure:.2}")
    }
}

/// A table whose columns stand below each other.
fn table(head: &[impl AsRef<str>], lines: &[Vec<String>]) -> String {
    let escape = |text: &str| text.replace('|', "\\|").replace(['\n', '\r'], " ");
    let head: Vec<String> = head.iter().map(|text| escape(text.as_ref())).collect();
    let lines: Vec<Vec<String>> =
        lines.iter().map(|line| line.iter().map(|text| escape(text)).collect()).collect();
    let width = |column: usize| {
        let cells = std::iter::once(&head).chain(&lines).filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut text = line(&head);
    text.push_str(&line(&rule));
    text.extend(lines.iter().map(|cells| line(cells)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Outcome;
    use crate::comparison;
    use crate::rows;
    use crate::testing::measured;

    #[test]
    fn numbers_have_three_digits_or_so() {
        let figures = [162_311.0, 47_800.0, 9_330.4, 622.0, 35.26, 1.843, 0.0, 1_234_567.0];
        let expected = ["162.3k", "47.8k", "9330", "622", "35.3", "1.84", "0", "1.2M"];
        assert_eq!(figures.map(number), expected);
        let one = Spread::of(&[5.0]).unwrap();
        let three = Spread::of(&[5.0, 15_000.0, 7.0]).unwrap();
        assert_eq!([one, three].map(spread), ["5.00", "7.00 (5.00-15.0k)"]);
    }

    #[test]
    fn a_ratio_of_next_to_nothing_is_not_told_as_nothing() {
        let told = |of_medians| ratio(Ratio { of_medians, rounds: None });
        assert_eq!([0.000_5, 0.25, 12.0].map(told), ["< 0.01×", "0.25×", "12.0×"]);
    }

    #[test]
    fn a_row_tells_the_ratio_the_target_and_whether_it_was_reached() {
        let row = rows::load(&["drain".to_owned()]).unwrap().remove(0);
        let results = [
            measured("drain", "autopilot", Role::Ours, 80_000.0),
            measured("drain", "a", Role::Peer, 40_000.0),
            measured("drain", "raw", Role::Raw, 100_000.0),
        ];
        let all: Vec<_> = results.iter().collect();
        let text = ratios(&[(&row, comparison::of(&row, &all))]);
        let cells: Vec<_> = text.lines().nth(2).unwrap().split('|').map(str::trim).collect();
        let expected = [
            "",
            "drain",
            "2.00×",
            "0.80×",
            "≥ 3× peer",
            "**no**",
            "80.0k jobs/s",
            "a 1.0 40.0k",
            "100.0k",
            "",
        ];
        assert_eq!(cells, expected);
        let widths: Vec<_> = text.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
    }

    #[test]
    fn what_was_not_run_says_so_and_nothing_is_made_up_for_it() {
        let row = rows::load(&["drain".to_owned()]).unwrap().remove(0);
        let raw = measured("drain", "raw", Role::Raw, 100.0);
        let text = ratios(&[(&row, comparison::of(&row, &[&raw]))]);
        let cells: Vec<_> = text.lines().nth(2).unwrap().split('|').map(str::trim).collect();
        assert_eq!(cells[2..8], ["-", "-", "≥ 3× peer", "not known", "not run", "-"]);
    }

    #[test]
    fn systems_without_figures_come_last_with_the_reason() {
        let row = rows::load(&["drain".to_owned()]).unwrap().remove(0);
        let mut late = measured("drain", "late", Role::Peer, 0.0);
        late.outcome = Outcome::TimedOut { limit_seconds: 300 };
        let mut again = measured("drain", "a", Role::Peer, 0.0);
        again.outcome = Outcome::Failed { reason: "exit | 1".to_owned() };
        let results = [
            late,
            measured("drain", "a", Role::Peer, 5.0),
            again,
            measured("drain", "b", Role::Peer, 7.0),
            measured("drain", "raw", Role::Raw, 9.0),
            measured("drain", "autopilot", Role::Ours, 1.0),
        ];
        let all: Vec<_> = results.iter().collect();
        let text = systems(&row, &comparison::of(&row, &all), &all);
        let lines: Vec<_> = text.lines().skip(2).collect();
        let starts = ["| autopilot 1.0", "| b 1.0", "| a 1.0", "| raw 1.0", "| late"];
        for (line, start) in lines.iter().zip(starts) {
            assert!(line.starts_with(start), "{text}");
        }
        assert!(lines[4].contains("timed out after 300 s"), "{text}");
        assert!(lines[2].contains("5.00 in 1 rounds; failed: exit \\| 1"), "{text}");
    }
}
