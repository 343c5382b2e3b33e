//! What the command line asks for.

use std::ffi::OsString;
use std::path::PathBuf;

/// How the program is used.
pub(crate) const USAGE: &str = "\
Runs the engine, its peers and bare Postgres side by side, and reports the ratios.

Usage:
  bench run    [OPTIONS]   measures on the server of DATABASE_URL, which must be durable, and reports
  bench report [OPTIONS]   reports what was measured, again

Options:
  --rounds N        how often each system has its turn at each row [default: 3]
  --quick           a shortened run, for trying
  --rows NAMES      rows or works to run, separated by spaces [default: all]
  --systems NAMES   systems to run, separated by spaces [default: all]
  --root DIR        the project [default: the current directory]
  --state DIR       where results and logs are kept, in `bench` below it [default: .state of the project]
  --ours PROGRAM    an adapter that is built already, instead of ours
  --peers PROGRAM   the same of peers, instead of all of theirs; may be repeated
  --help            this text

A run that is shortened, leaves out systems or brings adapters is a trial: its report goes to the state
directory. Every other run writes BENCHMARKS.md, tests/bench/charts and the results that these tell,
tests/bench/results.jsonl; rows that it did not measure are told as they stand there.";

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Request {
    Help,
    Run(Options),
    Report(Options),
    /// The other process of a pickup; not for people.
    RawPickupWorker {
        jobs: u64,
    },
}

/// What a caller may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) quick: bool,
    pub(crate) rows: Vec<String>,
    pub(crate) systems: Vec<String>,
    pub(crate) root: PathBuf,
    pub(crate) state: Option<PathBuf>,
    pub(crate) ours: Option<PathBuf>,
    pub(crate) peers: Vec<PathBuf>,
    /// As it was called, without where things are.
    pub(crate) command: String,
}

impl Options {
    /// Whether the results are for trying only.
    pub(crate) fn is_trial(&self) -> bool {
        self.quick || !self.systems.is_empty() || self.ours.is_some() || !self.peers.is_empty()
    }

    /// Where results and logs are kept.
    pub(crate) fn folder(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(|| self.root.join(".state")).join("bench")
    }

    /// Where results are found: what was published, and every result of this machine, where new ones go.
    pub(crate) fn results(&self) -> [PathBuf; 2] {
        [self.root.join("tests/bench/results.jsonl"), self.folder().join("results.jsonl")]
    }
}

impl Request {
    /// Reads the arguments that follow the program's name. The error is a sentence.
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let text = |text: OsString| {
            text.into_string().map_err(|text| format!("{} is not UTF-8", text.display()))
        };
        let mut arguments = arguments.map(text).collect::<Result<Vec<_>, _>>()?.into_iter();
        let verb = arguments.next().ok_or("say what to do: run or report")?;
        if verb == "raw-pickup-worker" {
            let jobs = arguments.next().and_then(|jobs| jobs.parse().ok());
            return Ok(Self::RawPickupWorker { jobs: jobs.ok_or("say how many jobs")? });
        }
        if ["help", "--help", "-h"].contains(&verb.as_str()) {
            return Ok(Self::Help);
        }
        let Some(options) = options(&verb, &mut arguments)? else { return Ok(Self::Help) };
        match verb.as_str() {
            "run" => Ok(Self::Run(options)),
            "report" => Ok(Self::Report(options)),
            other => Err(format!("there is no command {other:?}: use run or report")),
        }
    }
}

/// None where help is asked for.
fn options(
    verb: &str,
    arguments: &mut impl Iterator<Item = String>,
) -> Result<Option<Options>, String> {
    let mut options = Options {
        rounds: 3,
        quick: false,
        rows: Vec::new(),
        systems: Vec::new(),
        root: PathBuf::from("."),
        state: None,
        ours: None,
        peers: Vec::new(),
        command: verb.to_owned(),
    };
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("a value is missing after {name}"));
        let words = |value: &str| value.split_whitespace().map(str::to_owned).collect();
        let mut told = name.clone();
        match name.as_str() {
            "--help" | "-h" => return Ok(None),
            "--quick" => options.quick = true,
            "--rounds" => {
                let count = value()?;
                let rounds = count.parse().ok().filter(|rounds| *rounds > 0);
                options.rounds =
                    rounds.ok_or(format!("{count:?} after --rounds is no number above 0"))?;
                told = format!("{name} {count}");
            }
            "--rows" | "--systems" => {
                let names = value()?;
                told = format!("{name} \"{names}\"");
                let chosen: Vec<String> = words(&names);
                if name == "--rows" { options.rows = chosen } else { options.systems = chosen }
            }
            "--root" => (options.root, told) = (PathBuf::from(value()?), String::new()),
            "--state" => (options.state, told) = (Some(PathBuf::from(value()?)), String::new()),
            "--ours" => options.ours = Some(PathBuf::from(value()?)),
            "--peers" => options.peers.push(PathBuf::from(value()?)),
            other => return Err(format!("unknown option {other:?} of {verb}")),
        }
        if !told.is_empty() {
            options.command.push(' ');
            options.command.push_str(&told);
        }
    }
    Ok(Some(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Request, String> {
        Request::parse(words.iter().map(OsString::from))
    }

    #[test]
    fn names_are_separated_by_spaces_and_none_means_all() {
        let words =
            ["run", "--rounds", "5", "--rows", "drain  pickup", "--systems", "", "--state", "/s"];
        let Request::Run(options) = parse(&words).unwrap() else { panic!("not run") };
        assert_eq!((options.rounds, options.quick), (5, false));
        assert_eq!(options.rows, ["drain", "pickup"]);
        assert!(options.systems.is_empty() && !options.is_trial());
        assert_eq!(options.folder(), PathBuf::from("/s/bench"));
        assert_eq!(options.command, "run --rounds 5 --rows \"drain  pickup\" --systems \"\"");
    }

    #[test]
    fn what_is_shortened_or_not_whole_is_a_trial() {
        let is_trial = |words: &[&str]| {
            let Request::Run(options) = parse(words).unwrap() else { panic!("not run") };
            options.is_trial()
        };
        assert!(!is_trial(&["run", "--rounds", "1", "--rows", "drain"]));
        assert!(is_trial(&["run", "--quick"]));
        assert!(is_trial(&["run", "--systems", "raw"]));
        assert!(is_trial(&["run", "--peers", "/x"]));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (words, expected) in [
            (&[][..], "say what to do"),
            (&["walk"], "\"walk\""),
            (&["run", "--rounds", "0"], "\"0\" after --rounds"),
            (&["run", "--rows"], "after --rows"),
            (&["report", "--fast"], "\"--fast\" of report"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(expected), "{words:?}: {error}");
        }
        assert!(matches!(parse(&["run", "--help"]).unwrap(), Request::Help));
    }
}
