//! A row's results, side by side: medians, the best peer, ratios, and what was reached.

use std::collections::BTreeMap;

use crate::adapter::{Answer, Figure, Outcome};
use crate::results::Measured;
use crate::rows::{Better, Measure, Reduce, Row};
use crate::statistics::Spread;
use crate::systems::Role;

/// What all systems made of a row, by one of its measures.
#[derive(Debug)]
pub(crate) struct Comparison<'a> {
    pub(crate) measure: &'a Measure,
    /// In the order of the results.
    pub(crate) entries: Vec<Entry>,
}

/// A system in a comparison.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) system: String,
    /// With its version, where it answered.
    pub(crate) title: String,
    pub(crate) role: Role,
    /// By round.
    figures: BTreeMap<usize, f64>,
    pub(crate) spread: Option<Spread>,
    /// Why rounds have no figure; empty where all have.
    pub(crate) missed: Vec<String>,
}

/// Our median over another's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) of_medians: f64,
    /// The least and the greatest of the rounds that both have.
    pub(crate) rounds: Option<(f64, f64)>,
}

/// Whether a target was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Reached,
    Missed,
    /// Something it needs was not measured.
    Unknown,
    /// There is nothing to reach.
    NoTarget,
}

/// Compares a row's results by all its measures.
pub(crate) fn of<'a>(row: &'a Row, results: &[&Measured]) -> Vec<Comparison<'a>> {
    let by_measure = |measure| Comparison { measure, entries: entries(measure, results) };
    row.measures.iter().map(by_measure).collect()
}

fn entries(measure: &Measure, results: &[&Measured]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for result in results {
        let known = entries.iter().position(|entry| entry.system == result.system);
        let index = known.unwrap_or(entries.len());
        if known.is_none() {
            entries.push(Entry {
                system: result.system.clone(),
                title: result.system.clone(),
                role: result.role,
                figures: BTreeMap::new(),
                spread: None,
                missed: Vec::new(),
            });
        }
        let Some(entry) = entries.get_mut(index) else { continue };
        match figure(measure, &result.outcome) {
            Ok((answer, figure)) => {
                entry.title.clone_from(&answer.system);
                entry.figures.insert(result.round, figure);
            }
            Err(reason) if entry.missed.contains(&reason) => {}
            Err(reason) => entry.missed.push(reason),
        }
    }
    for entry in &mut entries {
        entry.spread = Spread::of(&entry.figures.values().copied().collect::<Vec<_>>());
    }
    entries
}

/// The figure of a measure, or why there is none.
pub(crate) fn figure<'a>(
    measure: &Measure,
    outcome: &'a Outcome,
) -> Result<(&'a Answer, f64), String> {
    let answer = match outcome {
        Outcome::Done { answer } => answer,
        Outcome::Cannot { reason } => return Err(format!("cannot: {reason}")),
        Outcome::Failed { reason } => return Err(format!("failed: {reason}")),
        Outcome::TimedOut { limit_seconds } => {
            return Err(format!("timed out after {limit_seconds} s"));
        }
        Outcome::NotRun { reason } => return Err(format!("not run: {reason}")),
    };
    let none = || format!("its answer has no {}", measure.field);
    let figure = match answer.figures.get(&measure.field).ok_or_else(none)? {
        Figure::One(figure) => *figure,
        Figure::Windows(figures) => reduced(measure, figures).ok_or_else(none)?,
        Figure::Other(_) => return Err(none()),
    };
    Ok((answer, figure))
}

fn reduced(measure: &Measure, figures: &[f64]) -> Option<f64> {
    let spread = Spread::of(figures)?;
    match (measure.reduce?, measure.better) {
        (Reduce::Worst, Better::Lower) => Some(spread.max),
        (Reduce::Worst, Better::Higher) => Some(spread.min),
        (Reduce::Growth, _) => {
            let (first, last) = (figures.first()?, figures.last()?);
            (*first > 0.0).then_some(last / first)
        }
    }
}

impl Comparison<'_> {
    /// Us.
    pub(crate) fn ours(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.role == Role::Ours)
    }

    /// Bare Postgres.
    pub(crate) fn raw(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.role == Role::Raw)
    }

    /// The peer with the best median.
    pub(crate) fn best_peer(&self) -> Option<&Entry> {
        let mut peers = self.best_first();
        peers.retain(|entry| entry.role == Role::Peer && entry.spread.is_some());
        peers.first().copied()
    }

    /// All systems, the best median first; those without figures come last.
    pub(crate) fn best_first(&self) -> Vec<&Entry> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by(|a, b| match (&a.spread, &b.spread) {
            (Some(a), Some(b)) => match self.measure.better {
                Better::Higher => b.median.total_cmp(&a.median),
                Better::Lower => a.median.total_cmp(&b.median),
            },
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
        entries
    }

    /// Us over the best peer.
    pub(crate) fn to_best_peer(&self) -> Option<Ratio> {
        ratio(self.ours()?, self.best_peer()?)
    }

    /// Us over bare Postgres.
    pub(crate) fn to_raw(&self) -> Option<Ratio> {
        ratio(self.ours()?, self.raw()?)
    }

    /// Whether all targets were reached; one that was missed outweighs one that is not known.
    pub(crate) fn verdict(&self) -> Verdict {
        let measure = self.measure;
        let ratio = |ratio: Option<Ratio>| ratio.map(|ratio| ratio.of_medians);
        let own = self.ours().and_then(|ours| ours.spread).map(|spread| spread.median);
        let targets = [
            (measure.of_best_peer, ratio(self.to_best_peer())),
            (measure.of_raw, ratio(self.to_raw())),
            (measure.limit, own),
        ];
        let mut verdict = Verdict::NoTarget;
        for (target, figure) in targets {
            let Some(target) = target else { continue };
            match figure {
                Some(figure) if !measure.better.reaches(figure, target) => return Verdict::Missed,
                Some(_) if verdict == Verdict::NoTarget => verdict = Verdict::Reached,
                Some(_) => {}
                None => verdict = Verdict::Unknown,
            }
        }
        verdict
    }
}

fn ratio(ours: &Entry, other: &Entry) -> Option<Ratio> {
    let over = |a: f64, b: f64| (b > 0.0).then(|| a / b);
    let rounds = ours.figures.iter().filter_map(|(round, figure)| {
        other.figures.get(round).and_then(|other| over(*figure, *other))
    });
    let rounds = Spread::of(&rounds.collect::<Vec<_>>()).map(|spread| (spread.min, spread.max));
    Some(Ratio { of_medians: over(ours.spread?.median, other.spread?.median)?, rounds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows;
    use crate::testing::measured;

    fn row(name: &str) -> Row {
        rows::load(&[name.to_owned()]).unwrap().remove(0)
    }

    fn rounds(system: &str, role: Role, rates: &[f64]) -> Vec<Measured> {
        let one = |(round, rate): (usize, &f64)| Measured {
            round,
            ..measured("drain", system, role, *rate)
        };
        (1..).zip(rates).map(one).collect()
    }

    fn compared(row: &Row, results: &[Vec<Measured>]) -> (Option<f64>, Option<f64>, Verdict) {
        let results: Vec<_> = results.iter().flatten().collect();
        let comparisons = of(row, &results);
        let first = &comparisons[0];
        let value = |ratio: Option<Ratio>| ratio.map(|ratio| ratio.of_medians);
        (value(first.to_best_peer()), value(first.to_raw()), first.verdict())
    }

    #[test]
    fn we_are_compared_with_the_best_peer_and_never_with_a_peer_that_failed() {
        let mut failed = measured("drain", "c", Role::Peer, 0.0);
        failed.outcome = Outcome::Failed { reason: "no".to_owned() };
        let results = [
            rounds("autopilot", Role::Ours, &[100.0, 160.0, 150.0]),
            rounds("a", Role::Peer, &[20.0, 10.0, 15.0]),
            rounds("b", Role::Peer, &[40.0, 60.0, 50.0]),
            rounds("raw", Role::Raw, &[300.0]),
            vec![failed],
        ];
        assert_eq!(compared(&row("drain"), &results), (Some(3.0), Some(0.5), Verdict::Reached));
        let row = row("drain");
        let all: Vec<_> = results.iter().flatten().collect();
        let comparison = &of(&row, &all)[0];
        assert_eq!(comparison.best_peer().unwrap().title, "b 1.0");
        let ratio = comparison.to_best_peer().unwrap();
        assert_eq!(ratio.rounds, Some((2.5, 3.0)));
        let order: Vec<_> =
            comparison.best_first().iter().map(|entry| entry.system.clone()).collect();
        assert_eq!(order, ["raw", "autopilot", "b", "a", "c"]);
        assert_eq!(comparison.entries[4].missed, ["failed: no"]);
    }

    #[test]
    fn a_target_that_cannot_be_judged_is_unknown_and_a_missed_one_is_missed() {
        let (drain, single) = (row("drain"), row("enqueue-single"));
        let ours = rounds("autopilot", Role::Ours, &[100.0]);
        let peer = |rate| rounds("a", Role::Peer, &[rate]);
        let raw = |rate| rounds("raw", Role::Raw, &[rate]);
        let verdict = |row: &Row, results: &[Vec<Measured>]| compared(row, results).2;
        assert_eq!(verdict(&drain, std::slice::from_ref(&ours)), Verdict::Unknown);
        assert_eq!(verdict(&drain, &[peer(1.0)]), Verdict::Unknown);
        assert_eq!(verdict(&drain, &[ours.clone(), peer(34.0)]), Verdict::Missed);
        // 25 times the best peer and 4 times raw.
        assert_eq!(verdict(&single, &[ours.clone(), peer(4.0), raw(25.0)]), Verdict::Reached);
        assert_eq!(verdict(&single, &[ours.clone(), peer(4.0), raw(26.0)]), Verdict::Missed);
        assert_eq!(verdict(&single, &[ours.clone(), raw(25.0)]), Verdict::Unknown);
        assert_eq!(verdict(&single, &[ours.clone(), raw(26.0)]), Verdict::Missed);
        assert_eq!(verdict(&row("workflow-256"), &[ours]), Verdict::NoTarget);
    }

    #[test]
    fn where_less_is_better_the_best_is_the_least_and_a_ratio_must_stay_below() {
        let row = row("pickup");
        let with = |system: &str, role, p50: f64, p99: f64| {
            let mut result = measured("pickup", system, role, 0.0);
            let Outcome::Done { answer } = &mut result.outcome else { panic!() };
            answer.figures =
                [("p50_ms".to_owned(), Figure::One(p50)), ("p99_ms".to_owned(), Figure::One(p99))]
                    .into();
            result
        };
        let results = [
            with("autopilot", Role::Ours, 1.2, 4.0),
            with("a", Role::Peer, 1.8, 7.0),
            with("b", Role::Peer, 2.0, 5.0),
            with("raw", Role::Raw, 1.0, 2.5),
        ];
        let all: Vec<_> = results.iter().collect();
        let [p50, p99] = &of(&row, &all)[..] else { panic!("two measures") };
        assert_eq!(p50.best_peer().unwrap().system, "a");
        assert_eq!(p99.best_peer().unwrap().system, "b");
        assert_eq!((p50.verdict(), p99.verdict()), (Verdict::Reached, Verdict::Missed));
    }

    #[test]
    fn figures_by_window_become_the_worst_and_the_growth() {
        let row = row("snapshot");
        let mut result = measured("snapshot", "autopilot", Role::Ours, 0.0);
        let Outcome::Done { answer } = &mut result.outcome else { panic!() };
        answer.figures = [
            ("p99_by_window_ms".to_owned(), Figure::Windows(vec![8.0, 9.5, 8.4])),
            ("dead_tuples".to_owned(), Figure::One(0.0)),
        ]
        .into();
        let [worst, growth, dead, bytes] = &of(&row, &[&result])[..] else { panic!() };
        let median =
            |comparison: &Comparison<'_>| comparison.ours().unwrap().spread.unwrap().median;
        assert_eq!(median(worst), 9.5);
        assert!((median(growth) - 1.05).abs() < 1e-9);
        assert_eq!(median(dead), 0.0);
        assert_eq!(worst.verdict(), Verdict::Reached);
        assert_eq!(bytes.ours().unwrap().missed, ["its answer has no bytes"]);
    }
}
