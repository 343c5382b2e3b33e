//! The report: the ratios, the machine, and each row with its chart.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::comparison::{self, Comparison};
use crate::error::Error;
use crate::results::{self, Measured, Record, Run};
use crate::rows::Row;
use crate::told::{self, Scope, Told};
use crate::{chart, document, table};

/// A report that is not written yet.
#[derive(Debug)]
pub(crate) struct Report {
    /// The table of the ratios.
    pub(crate) ratios: String,
    page: String,
    /// By the name of the row.
    charts: BTreeMap<String, String>,
    /// What it was made of.
    records: Vec<Record>,
}

/// Makes the report of all rows that have results. None where no row has any. `charts` is where the
/// page finds its charts.
pub(crate) fn make(
    rows: &[Row],
    records: &[Record],
    scope: Scope<'_>,
    charts: &str,
) -> Option<Report> {
    let told: Vec<Told<'_>> =
        rows.iter().filter_map(|row| told::told(row, records, scope)).collect();
    if told.is_empty() {
        return None;
    }
    let compared: Vec<(&Row, Vec<Comparison<'_>>)> =
        told.iter().map(|told| (told.row, comparison::of(told.row, &told.results))).collect();
    let ratios = table::ratios(&compared);
    let mut report = Report {
        ratios: ratios.clone(),
        page: String::new(),
        charts: BTreeMap::new(),
        records: told::records(records, &told),
    };
    if let (Scope::Run(_), Some(told)) = (scope, told.first()) {
        let kind = if told.run.trial { "A trial" } else { "One run" };
        report.add(&format!("**{kind}**, `bench {}`.\n\n", told.run.command));
    }
    report.add(&format!("{ratios}\n{READING}\n"));
    let missing = rows.iter().filter(|row| !told.iter().any(|told| told.row.name == row.name));
    let missing: Vec<&str> = missing.map(|row| row.name.as_str()).collect();
    if !missing.is_empty() {
        report.add(&format!("\nNot measured yet: {}.\n", missing.join(", ")));
    }
    report.add_runs(&told);
    for (told, (_, comparisons)) in told.iter().zip(&compared) {
        report.add_row(told, comparisons, charts);
    }
    Some(report)
}

const READING: &str = "\
Medians of the rounds, in brackets the least and the greatest. A ratio is our median over the other's, in brackets \
those of single rounds; with a target of at most (≤) less is better. The best peer is the one with the best median.";

impl Report {
    /// Writes the page and its charts, and the results that it tells.
    pub(crate) fn write(&self, page: &Path, charts: &Path, results: &Path) -> Result<(), Error> {
        fs::create_dir_all(charts).map_err(Error::io("create", charts))?;
        for (name, svg) in &self.charts {
            let path = charts.join(format!("{name}.svg"));
            fs::write(&path, svg).map_err(Error::io("write", &path))?;
        }
        results::replace(results, &self.records)?;
        document::write(page, &self.page)
    }

    fn add(&mut self, text: &str) {
        self.page.push_str(text);
    }

    /// Where and how the rows were measured: most often one run has them all.
    fn add_runs(&mut self, told: &[Told<'_>]) {
        let mut ids: Vec<&str> = told.iter().map(|told| told.run.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        self.add("\n## Machine and settings\n");
        for id in ids {
            let of_run: Vec<&Told<'_>> = told.iter().filter(|told| told.run.id == id).collect();
            let Some(first) = of_run.first() else { continue };
            let rows = of_run.iter().map(|told| told.row.name.as_str()).collect::<Vec<_>>();
            self.add(&described(first.run, &rows.join(", ")));
        }
    }

    fn add_row(&mut self, told: &Told<'_>, comparisons: &[Comparison<'_>], charts: &str) {
        let (row, results) = (told.row, &told.results);
        self.add(&format!("\n## {}: {}\n\n", row.name, row.title));
        if let Some(svg) = chart::of(row, comparisons, results) {
            self.add(&format!("![{}]({charts}/{}.svg)\n\n", row.title, row.name));
            self.charts.insert(row.name.clone(), svg);
        }
        self.add(&table::systems(row, comparisons, results));
        self.add(&setups(results));
    }
}

/// A run in a few lines.
fn described(run: &Run, rows: &str) -> String {
    let settings = run.postgres.settings.iter().filter(|(_, value)| !value.is_empty());
    let settings: Vec<_> = settings.map(|(name, value)| format!("{name}={value}")).collect();
    let load = run.machine.load_before.map_or("unknown".to_owned(), |load| load.to_string());
    let commit = run.commit.as_ref().map_or(String::new(), |commit| format!(", commit {commit}"));
    let mut text = format!(
        "\n{}{commit}, {} rounds, `bench {}`: {rows}.\n\n- {}; load before the start {load}\n\
         - Postgres {} on the same machine: `{}`\n",
        run.started.format("%Y-%m-%d %H:%M UTC"),
        run.rounds,
        run.command,
        run.machine.describe(),
        run.postgres.version,
        settings.join(" ")
    );
    for absent in &run.absent {
        // To a string: nothing can fail.
        writeln!(text, "- {}: not run: {}", absent.name, absent.reason).ok();
    }
    text
}

/// How the systems of a row were set up, as they told it last.
fn setups(results: &[&Measured]) -> String {
    let mut setups: BTreeMap<&str, &str> = BTreeMap::new();
    for result in results {
        if let crate::adapter::Outcome::Done { answer } = &result.outcome
            && let Some(settings) = answer.settings.as_deref()
        {
            setups.insert(answer.system.as_str(), settings);
        }
    }
    let lines = setups.into_iter().map(|(system, settings)| format!("\n- {system}: {settings}"));
    let text: String = lines.collect();
    if text.is_empty() { text } else { format!("{text}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows;
    use crate::systems::{Absent, Role};
    use crate::testing::{Folder, measured, run};

    fn records(runs: &[(&str, bool, usize, f64)]) -> Vec<Record> {
        let mut records = Vec::new();
        for (id, trial, rounds, rate) in runs {
            records.push(Record::Run(Run { trial: *trial, rounds: 2, ..run(id) }));
            for round in 1..=*rounds {
                let mut result = measured("drain", "autopilot", Role::Ours, *rate);
                (result.run, result.round) = ((*id).to_owned(), round);
                records.push(Record::Result(result));
            }
        }
        records
    }

    fn ratios(records: &[Record], scope: Scope<'_>) -> String {
        make(&rows::load(&[]).unwrap(), records, scope, "charts").unwrap().ratios
    }

    #[test]
    fn a_row_is_told_by_the_last_whole_run_that_was_no_trial() {
        let all = records(&[
            ("a", false, 2, 1.0),
            ("b", false, 2, 2.0),
            ("c", false, 1, 3.0),
            ("d", true, 2, 4.0),
        ]);
        assert!(ratios(&all, Scope::Published).contains("2.00 (2.00-2.00)"));
        assert!(ratios(&all, Scope::Run("d")).contains("4.00 (4.00-4.00)"));
        // Where none is whole, one that was stopped is better than none.
        assert!(ratios(&records(&[("c", false, 1, 3.0)]), Scope::Published).contains("3.00"));
        let trial = records(&[("d", true, 2, 4.0)]);
        assert!(make(&rows::load(&[]).unwrap(), &trial, Scope::Published, "charts").is_none());
    }

    #[test]
    fn the_page_states_machine_settings_and_who_was_not_run() {
        let mut all = records(&[("a", false, 2, 1.0)]);
        if let Some(Record::Run(run)) = all.first_mut() {
            run.postgres.settings = vec![("fsync".to_owned(), "on".to_owned())];
            run.absent = vec![Absent { name: "tests/peers".to_owned(), reason: "no".to_owned() }];
        }
        let report = make(&rows::load(&[]).unwrap(), &all, Scope::Published, "charts").unwrap();
        for part in [
            "Postgres 15.18 on the same machine: `fsync=on`",
            "tests/peers: not run: no",
            "commit abc, 2 rounds",
            " cores of ",
            "Not measured yet: enqueue-single,",
            "](charts/drain.svg)",
        ] {
            assert!(report.page.contains(part), "{part}: {}", report.page);
        }
        let folder = Folder::new();
        let at = |name: &str| folder.path().join(name);
        let (page, charts, results) = (at("B.md"), at("charts"), at("results.jsonl"));
        report.write(&page, &charts, &results).unwrap();
        assert!(fs::read_to_string(charts.join("drain.svg")).unwrap().starts_with("<svg"));
        assert!(fs::read_to_string(page).unwrap().contains("tests/peers"));
        assert_eq!(results::read(&results).unwrap(), all);
    }
}
