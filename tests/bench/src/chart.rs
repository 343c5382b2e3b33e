//! One chart a row, as SVG that can be read on a light and on a dark page.

mod bars;
mod lines;
mod svg;

use crate::adapter::{Figure, Outcome};
use crate::comparison::Comparison;
use crate::results::Measured;
use crate::rows::{Better, Measure, Row};
use crate::statistics::Spread;
use crate::systems::Role;
use bars::{Bar, Panel};
use lines::Line;

/// The chart of a row: lines over time where it has windows, else bars. None where nothing was measured.
pub(crate) fn of(
    row: &Row,
    comparisons: &[Comparison<'_>],
    results: &[&Measured],
) -> Option<String> {
    match &row.over_time {
        Some(field) => over_time(row, field, comparisons, results),
        None => side_by_side(row, comparisons),
    }
}

fn side_by_side(row: &Row, comparisons: &[Comparison<'_>]) -> Option<String> {
    let judged = |measure: &Measure| {
        measure.of_best_peer.is_some() || measure.of_raw.is_some() || measure.limit.is_some()
    };
    let panels = comparisons
        .iter()
        .enumerate()
        .filter(|(index, comparison)| *index == 0 || judged(comparison.measure));
    let panels =
        panels.map(|(_, comparison)| panel(comparison)).filter(|panel| !panel.bars.is_empty());
    let panels: Vec<Panel> = panels.collect();
    (!panels.is_empty()).then(|| bars::draw(&row.title, &panels))
}

fn panel(comparison: &Comparison<'_>) -> Panel {
    let measure = comparison.measure;
    let better = match measure.better {
        Better::Higher => "more is better",
        Better::Lower => "less is better",
    };
    let name = measure.name.as_ref().map_or(String::new(), |name| format!("{name}, "));
    let bars = comparison.best_first().into_iter().filter_map(|entry| {
        let spread = entry.spread?;
        Some(Bar { title: entry.title.clone(), role: entry.role, spread })
    });
    let title = format!("{name}{}, {better}", measure.unit);
    Panel { title, better: measure.better, bars: bars.collect() }
}

fn over_time(
    row: &Row,
    field: &str,
    comparisons: &[Comparison<'_>],
    results: &[&Measured],
) -> Option<String> {
    let comparison = comparisons.iter().find(|comparison| comparison.measure.field == field)?;
    let seconds = results.iter().find_map(|result| result.arguments.get("window")).copied();
    let lines = comparison.best_first().into_iter().filter_map(|entry| {
        let points = medians_by_window(field, &entry.system, results);
        let (title, role) = (entry.title.clone(), entry.role);
        (!points.is_empty()).then_some(Line { title, role, points })
    });
    let lines: Vec<Line> = lines.collect();
    let (seconds, limit) = (seconds.unwrap_or(1), comparison.measure.limit);
    let (figure, unit) = (field.split("_by_").next().unwrap_or(field), &comparison.measure.unit);
    let note = format!("{figure} of each {seconds} s, {unit}, by powers of ten");
    (!lines.is_empty()).then(|| lines::draw(&row.title, &note, seconds, limit, &lines))
}

/// The median of all rounds, window by window.
fn medians_by_window(field: &str, system: &str, results: &[&Measured]) -> Vec<f64> {
    let of_system = results.iter().filter(|result| result.system == system);
    let rounds: Vec<&Vec<f64>> = of_system
        .filter_map(|result| match &result.outcome {
            Outcome::Done { answer } => match answer.figures.get(field)? {
                Figure::Windows(figures) => Some(figures),
                Figure::One(_) | Figure::Other(_) => None,
            },
            Outcome::Cannot { .. }
            | Outcome::Failed { .. }
            | Outcome::TimedOut { .. }
            | Outcome::NotRun { .. } => None,
        })
        .collect();
    let windows = rounds.iter().map(|round| round.len()).max().unwrap_or_default();
    let median = |window: usize| {
        let figures: Vec<f64> =
            rounds.iter().filter_map(|round| round.get(window)).copied().collect();
        Spread::of(&figures).map(|spread| spread.median)
    };
    (0..windows).filter_map(median).collect()
}

/// How a system is coloured.
fn class(role: Role) -> &'static str {
    match role {
        Role::Ours => "ours",
        Role::Peer => "peer",
        Role::Raw => "raw",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison;
    use crate::rows;
    use crate::testing::measured;

    #[test]
    fn bars_are_drawn_best_first_and_only_for_what_was_measured() {
        let row = rows::load(&["drain".to_owned()]).unwrap().remove(0);
        let mut failed = measured("drain", "nobody", Role::Peer, 0.0);
        failed.outcome = Outcome::TimedOut { limit_seconds: 1 };
        let results = [
            measured("drain", "a <&> b", Role::Peer, 20.0),
            measured("drain", "autopilot", Role::Ours, 80.0),
            failed,
        ];
        let all: Vec<_> = results.iter().collect();
        let svg = of(&row, &comparison::of(&row, &all), &all).unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.find("autopilot 1.0").unwrap() < svg.find("a &lt;&amp;&gt; b 1.0").unwrap());
        assert!(!svg.contains("nobody") && svg.contains("prefers-color-scheme: dark"));
        assert_eq!(of(&row, &comparison::of(&row, &[]), &[]), None);
    }

    #[test]
    fn windows_are_drawn_as_the_median_of_the_rounds() {
        let row = rows::load(&["snapshot".to_owned()]).unwrap().remove(0);
        let with = |round, figures: &[f64]| {
            let mut result = measured("snapshot", "autopilot", Role::Ours, 0.0);
            result.round = round;
            let Outcome::Done { answer } = &mut result.outcome else { panic!() };
            answer.figures =
                [("p99_by_window_ms".to_owned(), Figure::Windows(figures.to_vec()))].into();
            result
        };
        let results = [with(1, &[8.0, 9.0]), with(2, &[6.0, 20.0]), with(3, &[7.0, 10.0])];
        let all: Vec<_> = results.iter().collect();
        assert_eq!(medians_by_window("p99_by_window_ms", "autopilot", &all), [7.0, 10.0]);
        let svg = of(&row, &comparison::of(&row, &all), &all).unwrap();
        assert!(svg.contains("<polyline") && svg.contains("autopilot 1.0"), "{svg}");
    }
}
