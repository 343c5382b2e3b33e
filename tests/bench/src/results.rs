//! The results, one JSON object a line, so that a report can be made again.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::adapter::Outcome;
use crate::error::Error;
use crate::machine::Machine;
use crate::postgres::Stated;
use crate::rows::Arguments;
use crate::systems::{Absent, Role};

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub(crate) enum Record {
    Run(Run),
    Result(Measured),
}

/// What all results of one call of `bench run` share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) started: DateTime<Utc>,
    /// The options it was called with.
    pub(crate) command: String,
    /// The commit that was built, where git knows it.
    pub(crate) commit: Option<String>,
    pub(crate) rounds: usize,
    /// Shortened, or without some systems: good for trying, not for publishing.
    pub(crate) trial: bool,
    pub(crate) machine: Machine,
    pub(crate) postgres: Stated,
    pub(crate) absent: Vec<Absent>,
}

/// What one system made of one row in one round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) run: String,
    /// From 1.
    pub(crate) round: usize,
    pub(crate) row: String,
    pub(crate) system: String,
    pub(crate) role: Role,
    pub(crate) arguments: Arguments,
    /// From start to end, with everything that is not measured.
    pub(crate) seconds: f64,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

impl Record {
    /// Which one it is: that of a run, or of a run's round, row and system.
    fn key(&self) -> (&str, Option<(usize, &str, &str)>) {
        match self {
            Self::Run(run) => (&run.id, None),
            Self::Result(of) => (&of.run, Some((of.round, &of.row, &of.system))),
        }
    }
}

/// The file that records are appended to.
#[derive(Debug)]
pub(crate) struct Results {
    path: PathBuf,
    file: File,
}

impl Results {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let folder = path.parent().unwrap_or(path);
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let file = OpenOptions::new().read(true).append(true).create(true).open(path);
        let mut file = file.map_err(Error::io("open", path))?;
        drop_cut_off(&mut file).map_err(Error::io("mend", path))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Appends one record.
    pub(crate) fn append(&mut self, record: &Record) -> Result<(), Error> {
        let mut line = serde_json::to_string(record)
            .map_err(|error| Error::io("write", &self.path)(error.into()))?;
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(Error::io("write", &self.path))
    }
}

/// Removes the last line where a run was killed while it wrote it.
fn drop_cut_off(file: &mut File) -> io::Result<()> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    if whole < bytes.len() { file.set_len(whole as u64) } else { Ok(()) }
}

/// Reads all records of a file; none where there is no file.
///
/// Fails with [`Error::BadRecord`] for a line that is none, unless it is the last and was cut off.
pub(crate) fn read(path: &Path) -> Result<Vec<Record>, Error> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let mut records = Vec::new();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        match serde_json::from_str(line) {
            Ok(record) => records.push(record),
            Err(_cut_off) if !line.ends_with('\n') => {}
            Err(error) => {
                let (path, reason) = (path.to_owned(), error.to_string());
                return Err(Error::BadRecord { path, line: number, reason });
            }
        }
    }
    Ok(records)
}

/// The records of several files as one list, the runs in the order of time; one that is in more than one is told once.
pub(crate) fn read_all(paths: &[PathBuf]) -> Result<Vec<Record>, Error> {
    let files = paths.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let of_all = files.iter().flatten();
    let records: BTreeMap<_, _> = of_all.map(|record| (record.key(), record)).collect();
    Ok(records.into_values().cloned().collect())
}

/// Writes a file anew.
pub(crate) fn replace(path: &Path, records: &[Record]) -> Result<(), Error> {
    let lines = records.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
    let lines = lines.map_err(|error| Error::io("write", path)(error.into()))?;
    fs::write(path, format!("{}\n", lines.join("\n"))).map_err(Error::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Folder, measured, run};

    #[test]
    fn records_are_read_back_as_they_were_appended() {
        let folder = Folder::new();
        let path = folder.path().join("bench/results.jsonl");
        assert_eq!(read(&path).unwrap(), []);
        let reason = || "why".to_owned();
        let mut records = vec![
            Record::Run(run("r")),
            Record::Result(measured("drain", "autopilot", Role::Ours, 5.0)),
        ];
        records.extend(
            [
                Outcome::TimedOut { limit_seconds: 90 },
                Outcome::Cannot { reason: reason() },
                Outcome::Failed { reason: reason() },
                Outcome::NotRun { reason: reason() },
            ]
            .map(|outcome| {
                let peer = measured("drain", "peer", Role::Peer, 0.0);
                Record::Result(Measured { outcome, ..peer })
            }),
        );
        for record in &records {
            // Opened anew: what is there is kept.
            Results::open(&path).unwrap().append(record).unwrap();
        }
        assert_eq!(read(&path).unwrap(), records);
    }

    #[test]
    fn a_line_that_was_cut_off_is_passed_over_and_a_bad_one_is_named() {
        let folder = Folder::new();
        let path = folder.path().join("results.jsonl");
        let line = serde_json::to_string(&Record::Run(run("r"))).unwrap();
        fs::write(&path, format!("{line}\n{{\"record\": \"res")).unwrap();
        assert_eq!(read(&path).unwrap().len(), 1);
        Results::open(&path).unwrap().append(&Record::Run(run("s"))).unwrap();
        assert_eq!(read(&path).unwrap().len(), 2);
        fs::write(&path, format!("{line}\nrate 5\n{line}\n")).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn of_two_files_a_record_is_told_once_and_the_runs_in_order() {
        let folder = Folder::new();
        let at = |name: &str| folder.path().join(name);
        let of = |id: &str, rate| {
            let result = measured("drain", "autopilot", Role::Ours, rate);
            let result = Measured { run: id.to_owned(), ..result };
            [Record::Run(run(id)), Record::Result(result)]
        };
        let (early, late) = (of("a", 1.0), of("b", 2.0));
        replace(&at("published"), &late).unwrap();
        replace(&at("here"), &[late.clone(), early.clone()].concat()).unwrap();
        let all = read_all(&[at("published"), at("missing"), at("here")]).unwrap();
        assert_eq!(all, [early, late].concat());
    }
}
