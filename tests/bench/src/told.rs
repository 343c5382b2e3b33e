//! Which of all results the page tells.

use std::collections::BTreeSet;

use crate::results::{Measured, Record, Run};
use crate::rows::Row;

/// Which results are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope<'a> {
    /// Each row by the last whole run that measured it: systems are compared within one run only.
    Published,
    /// This run alone.
    Run(&'a str),
}

/// A row with the results that are told of it.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    pub(crate) row: &'a Row,
    pub(crate) run: &'a Run,
    pub(crate) results: Vec<&'a Measured>,
}

/// The results of a row: those of the run that is asked for, else of the last run that published it in
/// all its rounds, else of the last that began to.
pub(crate) fn told<'a>(row: &'a Row, records: &'a [Record], scope: Scope<'_>) -> Option<Told<'a>> {
    let runs = records.iter().rev().filter_map(|record| match record {
        Record::Run(run) => Some(run),
        Record::Result(_) => None,
    });
    let results = |run: &Run| -> Vec<&'a Measured> {
        let results = records.iter().filter_map(|record| match record {
            Record::Result(measured) => Some(measured),
            Record::Run(_) => None,
        });
        results.filter(|measured| measured.run == run.id && measured.row == row.name).collect()
    };
    let wanted = runs.filter(|run| match scope {
        Scope::Published => !run.trial,
        Scope::Run(id) => run.id == id,
    });
    let candidates = wanted.map(|run| Told { row, run, results: results(run) });
    let mut candidates: Vec<Told<'_>> =
        candidates.filter(|told| !told.results.is_empty()).collect();
    let is_whole = |told: &Told<'_>| {
        let last = row.rounds(told.run.rounds);
        told.results.iter().any(|measured| measured.round == last)
    };
    let best = candidates.iter().position(is_whole).unwrap_or(0);
    (best < candidates.len()).then(|| candidates.swap_remove(best))
}

/// The records of a file that holds what is told and no more: the runs, each before its results.
pub(crate) fn records(all: &[Record], told: &[Told<'_>]) -> Vec<Record> {
    let rows: BTreeSet<(&str, &str)> =
        told.iter().map(|told| (told.run.id.as_str(), told.row.name.as_str())).collect();
    let is_told = |record: &&Record| match record {
        Record::Run(run) => told.iter().any(|told| told.run.id == run.id),
        Record::Result(measured) => rows.contains(&(measured.run.as_str(), measured.row.as_str())),
    };
    all.iter().filter(is_told).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows;
    use crate::systems::Role;
    use crate::testing::{measured, run};

    #[test]
    fn the_records_of_what_is_told_are_its_runs_and_rows_alone() {
        let of = |id: &str, row: &str| {
            let result = measured(row, "autopilot", Role::Ours, 1.0);
            Record::Result(Measured { run: id.to_owned(), round: 3, ..result })
        };
        let begin = |id: &str| Record::Run(run(id));
        let all = [
            [begin("a"), of("a", "drain"), of("a", "idle")],
            [begin("b"), of("b", "drain"), of("b", "gone")],
            [begin("c"), of("c", "gone"), of("c", "gone too")],
        ]
        .concat();
        let rows = rows::load(&[]).unwrap();
        let told: Vec<_> =
            rows.iter().filter_map(|row| told(row, &all, Scope::Published)).collect();
        let expected = [begin("a"), of("a", "idle"), begin("b"), of("b", "drain")];
        assert_eq!(records(&all, &told), expected);
    }
}
