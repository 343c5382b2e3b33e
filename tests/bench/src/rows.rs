//! The rows: what is run, what of it is reported, and what is to be reached. They stand in `rows.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::Error;

/// All rows, as `rows.toml` has them.
const ROWS: &str = include_str!("../rows.toml");

/// The arguments of a work, by name; they are passed as `--name value`.
pub(crate) type Arguments = BTreeMap<String, u64>;

/// One line of the benchmark: a work with its arguments.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) title: String,
    /// What the adapters know it as.
    pub(crate) work: String,
    #[serde(default)]
    pub(crate) arguments: Arguments,
    /// Over the arguments, in a shortened run.
    #[serde(default)]
    pub(crate) quick: Arguments,
    /// Where `--rate` comes from, if it depends on what was measured before.
    #[serde(default)]
    pub(crate) offered: Option<Offered>,
    /// The systems that run it; all, where empty.
    #[serde(default)]
    pub(crate) only: Vec<String>,
    /// Rounds at most; as many as are asked for, where left out.
    #[serde(default)]
    rounds: Option<usize>,
    /// How long a system may take for it.
    pub(crate) limit_seconds: u64,
    /// A field with a figure per window, to be drawn as a line.
    #[serde(default)]
    pub(crate) over_time: Option<String>,
    pub(crate) measures: Vec<Measure>,
}

/// A rate that is taken from the drains measured before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Offered {
    HalfOwnDrain,
    HalfBestPeerDrain,
}

/// One figure of a row's answer, and what it should reach.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measure {
    pub(crate) field: String,
    /// What it is called, where the row has several.
    #[serde(default)]
    pub(crate) name: Option<String>,
    pub(crate) unit: String,
    pub(crate) better: Better,
    #[serde(default)]
    pub(crate) reduce: Option<Reduce>,
    /// Our median over the best peer's.
    #[serde(default)]
    pub(crate) of_best_peer: Option<f64>,
    /// Our median over that of bare Postgres.
    #[serde(default)]
    pub(crate) of_raw: Option<f64>,
    /// The figure itself.
    #[serde(default)]
    pub(crate) limit: Option<f64>,
}

/// Which way a figure is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Better {
    Higher,
    Lower,
}

impl Better {
    /// Whether `figure` is as good as `target` demands.
    pub(crate) fn reaches(self, figure: f64, target: f64) -> bool {
        match self {
            Self::Higher => figure >= target,
            Self::Lower => figure <= target,
        }
    }
}

/// How figures by window become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reduce {
    /// The one that is least good.
    Worst,
    /// The last over the first.
    Growth,
}

impl Row {
    /// The arguments of a run, shortened or not, without a rate that depends on other rows.
    pub(crate) fn arguments(&self, quick: bool) -> Arguments {
        let mut arguments = self.arguments.clone();
        if quick {
            arguments.extend(self.quick.clone());
        }
        arguments
    }

    /// In how many rounds it is run, where so many are asked for.
    pub(crate) fn rounds(&self, asked: usize) -> usize {
        self.rounds.map_or(asked, |most| most.min(asked))
    }

    /// Whether this system is to run it.
    pub(crate) fn is_for(&self, system: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == system)
    }
}

/// All rows, or those of these names; the name of a work stands for all its rows.
///
/// Fails with [`Error::NoSuchRow`] for a name that is neither.
pub(crate) fn load(names: &[String]) -> Result<Vec<Row>, Error> {
    #[derive(Deserialize)]
    struct File {
        row: Vec<Row>,
    }
    let mut rows = toml::from_str::<File>(ROWS).map_err(Error::Rows)?.row;
    let known = |name: &String| rows.iter().any(|row| row.name == *name || row.work == *name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        let rows = rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Error::NoSuchRow { name: name.clone(), rows });
    }
    rows.retain(|row| {
        names.is_empty() || names.iter().any(|name| row.name == *name || row.work == *name)
    });
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_sound() {
        let rows = load(&[]).unwrap();
        for row in &rows {
            assert_eq!(
                rows.iter().filter(|other| other.name == row.name).count(),
                1,
                "{}",
                row.name
            );
            assert!(!row.measures.is_empty() && row.limit_seconds > 0, "{}", row.name);
            assert!(row.rounds(1) == 1, "{}", row.name);
            let several = row.measures.len() > 1;
            assert!(row.measures.iter().all(|measure| measure.name.is_some() == several));
            assert!(row.quick.keys().all(|name| row.arguments.contains_key(name)), "{}", row.name);
            assert!(row.offered.is_none() || !row.arguments.contains_key("rate"), "{}", row.name);
        }
        // A rate that comes from the drains needs them first.
        let at = |name: &str| rows.iter().position(|row| row.work == name).unwrap();
        assert!(at("drain") < at("loaded-pickup"));
    }

    #[test]
    fn the_name_of_a_work_chooses_all_its_rows() {
        let names = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            load(&words).map(|rows| rows.into_iter().map(|row| row.name).collect::<Vec<_>>())
        };
        assert_eq!(
            names(&["enqueue-batch", "drain"]).unwrap(),
            ["drain", "enqueue-batch-500", "enqueue-batch-1000"]
        );
        assert_eq!(names(&["workflow-256"]).unwrap(), ["workflow-256"]);
        let error = names(&["drian"]).unwrap_err().to_string();
        assert!(error.contains("drian") && error.contains("workflow-alone"), "{error}");
    }

    #[test]
    fn a_row_may_have_fewer_rounds_than_are_asked_for_but_never_more() {
        let row = |name: &str| load(&[name.to_owned()]).unwrap().remove(0);
        assert_eq!((row("planetscale").rounds(3), row("drain").rounds(3)), (1, 3));
        assert_eq!(row("planetscale").rounds(1), 1);
    }

    #[test]
    fn a_shortened_run_changes_only_what_it_names() {
        let row = load(&["snapshot".to_owned()]).unwrap().remove(0);
        assert_eq!(row.arguments(false)["seconds"], 600);
        assert_eq!(row.arguments(true)["seconds"], 20);
        assert_eq!(row.arguments(true)["rate"], 800);
    }
}
