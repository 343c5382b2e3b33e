//! What an adapter answers, and what its end means.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::process::{Ended, Finished};

/// The exit code of an adapter whose system cannot do the work.
const EXIT_CANNOT: i32 = 3;

/// What one system made of one work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub(crate) enum Outcome {
    Done {
        answer: Answer,
    },
    /// The system has no such thing.
    Cannot {
        reason: String,
    },
    Failed {
        reason: String,
    },
    TimedOut {
        /// Its name is its own: a record has its seconds beside it.
        limit_seconds: u64,
    },
    /// It was not tried.
    NotRun {
        reason: String,
    },
}

/// The last line of an adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The system with its version.
    pub(crate) system: String,
    pub(crate) work: String,
    /// How it was set up, for people.
    #[serde(default)]
    pub(crate) settings: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub(crate) figures: BTreeMap<String, Figure>,
}

/// A figure of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Figure {
    One(f64),
    /// By window of time, in order.
    Windows(Vec<f64>),
    /// Something else, which no row may report.
    Other(serde_json::Value),
}

impl Figure {
    /// A figure that can be counted with: one or more, none below zero.
    fn is_sound(&self) -> bool {
        let sound = |figure: &f64| figure.is_finite() && *figure >= 0.0;
        match self {
            Self::One(figure) => sound(figure),
            Self::Windows(figures) => !figures.is_empty() && figures.iter().all(sound),
            Self::Other(_) => false,
        }
    }
}

/// Reads the end of an adapter that was asked for `work`, whose answer must have these fields.
pub(crate) fn outcome(finished: &Finished, work: &str, fields: &[&str]) -> Outcome {
    let reason = || last_line(&finished.stderr).unwrap_or("it gave no reason").to_owned();
    match finished.ended {
        Ended::TimedOut { seconds } => Outcome::TimedOut { limit_seconds: seconds },
        Ended::Exited(0) => match answer(&finished.stdout, work, fields) {
            Ok(answer) => Outcome::Done { answer },
            Err(reason) => Outcome::Failed { reason },
        },
        Ended::Exited(EXIT_CANNOT) => Outcome::Cannot { reason: reason() },
        Ended::Exited(code) => {
            Outcome::Failed { reason: format!("exit code {code}: {}", reason()) }
        }
        Ended::Signalled(signal) => {
            Outcome::Failed { reason: format!("ended by signal {signal}: {}", reason()) }
        }
    }
}

fn answer(stdout: &str, work: &str, fields: &[&str]) -> Result<Answer, String> {
    let line = last_line(stdout).ok_or("it exited with 0 and printed no answer")?;
    let answer: Answer = serde_json::from_str(line)
        .map_err(|error| format!("its last line is no answer ({error}): {line}"))?;
    if answer.work != work {
        return Err(format!("it was asked for {work} and answered {:?}", answer.work));
    }
    let unsound = |field: &&&str| !answer.figures.get(**field).is_some_and(Figure::is_sound);
    match fields.iter().find(unsound) {
        Some(field) => Err(format!("its answer has no sound {field}: {line}")),
        None => Ok(answer),
    }
}

fn last_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).rfind(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(ended: Ended, stdout: &str, stderr: &str) -> Outcome {
        let finished = Finished { ended, stdout: stdout.to_owned(), stderr: stderr.to_owned() };
        outcome(&finished, "drain", &["rate"])
    }

    fn failure(stdout: &str) -> String {
        let outcome = ended(Ended::Exited(0), stdout, "");
        let Outcome::Failed { reason } = outcome else { panic!("{outcome:?}") };
        reason
    }

    #[test]
    fn the_answer_is_the_last_line() {
        let line = r#"{"system": "x 1", "work": "drain", "settings": "s", "rate": 47800.1, "by": [1, 2.5]}"#;
        let Outcome::Done { answer } = ended(Ended::Exited(0), &format!("hello\n{line}\n\n"), "")
        else {
            panic!("not done");
        };
        assert_eq!((answer.system.as_str(), answer.settings.as_deref()), ("x 1", Some("s")));
        assert_eq!(answer.figures["rate"], Figure::One(47800.1));
        assert_eq!(answer.figures["by"], Figure::Windows(vec![1.0, 2.5]));
    }

    #[test]
    fn an_answer_that_is_none_is_a_failure_that_shows_it() {
        assert!(failure("").contains("printed no answer"));
        assert!(failure("rate: 5").contains("rate: 5"));
        assert!(
            failure(r#"{"system": "x", "work": "pickup", "rate": 1}"#).contains("asked for drain")
        );
        for rate in ["null", "-1", "[]", "\"fast\"", "[1, null]"] {
            let line = format!(r#"{{"system": "x", "work": "drain", "rate": {rate}}}"#);
            assert!(failure(&line).contains("no sound rate"), "{rate}");
        }
        assert!(failure(r#"{"system": "x", "work": "drain"}"#).contains("no sound rate"));
    }

    #[test]
    fn an_exit_other_than_zero_gives_the_reason_and_three_is_no_failure() {
        let rate = r#"{"system": "x", "work": "drain", "rate": 1}"#;
        let failed = ended(Ended::Exited(1), rate, "starting\nno connection\n");
        assert_eq!(failed, Outcome::Failed { reason: "exit code 1: no connection".to_owned() });
        let cannot = ended(Ended::Exited(3), "", "it has no workflows");
        assert_eq!(cannot, Outcome::Cannot { reason: "it has no workflows".to_owned() });
        let killed = ended(Ended::Signalled(9), rate, "");
        let reason = "ended by signal 9: it gave no reason".to_owned();
        assert_eq!(killed, Outcome::Failed { reason });
        let late = ended(Ended::TimedOut { seconds: 60 }, rate, "");
        assert_eq!(late, Outcome::TimedOut { limit_seconds: 60 });
    }

    #[test]
    fn an_outcome_is_read_back_as_it_was_written() {
        let line = r#"{"system": "x", "work": "drain", "rate": 1.5, "by": [1.0]}"#;
        for outcome in [ended(Ended::Exited(0), line, ""), ended(Ended::Exited(3), "", "none")] {
            let text = serde_json::to_string(&outcome).unwrap();
            assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome, "{text}");
        }
    }
}
