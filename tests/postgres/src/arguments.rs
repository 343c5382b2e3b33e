//! What the command line asks for.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use autopilot_postgres::Options;

/// How the program is used.
pub(crate) const USAGE: &str = "\
A private Postgres for tests, demos and development.

Usage:
  autopilot-postgres run   [OPTIONS] -- COMMAND [ARGUMENTS]...
      starts a cluster, runs the command with DATABASE_URL set, stops the cluster, and answers the
      command's exit code
  autopilot-postgres start [OPTIONS]
      starts a cluster, prints DATABASE_URL=... when it is ready, and runs until SIGTERM or SIGINT
  autopilot-postgres url   [OPTIONS]
      prints the URL of the cluster that another process runs in the state directory

Options:
  --state DIR      where the cluster lives [default: /var/lib/autopilot for root, else
                   $XDG_STATE_HOME/autopilot or ~/.local/state/autopilot]
  --database NAME  the database to use, created if missing [default: autopilot]
  --ephemeral      no fsync: for tests, whose data may be lost; kept apart from durable data
  --set NAME=VALUE a server setting for this run, such as shared_buffers=1GB; may be repeated
  --help           this text

Environment:
  DATABASE_URL       a database you have: `run` uses it as it is, and starts nothing
  AUTOPILOT_PG_BIN   the directory of `postgres` and `initdb` [default: PATH, then the usual places]
  AUTOPILOT_PG_USER  whom the server runs as when started by root [default: autopilot, postgres, nobody]

On Debian and Ubuntu, as root or with a sudo that asks no password, a missing Postgres is installed.";

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Request {
    Help,
    Run { options: Options, database: String, command: Vec<OsString> },
    Start { options: Options, database: String },
    Url { options: Options, database: String },
}

impl Request {
    /// Reads the arguments that follow the program's name. The error is a sentence.
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut arguments = arguments;
        let verb = arguments.next().ok_or("say what to do: run, start or url")?;
        let verb = verb.to_string_lossy().into_owned();
        if ["help", "--help", "-h"].contains(&verb.as_str()) {
            return Ok(Self::Help);
        }
        if !["run", "start", "url"].contains(&verb.as_str()) {
            return Err(format!("there is no command {verb:?}: use run, start or url"));
        }
        let mut options = Options { install: true, ..Options::from_env() };
        let mut database = "autopilot".to_owned();
        let mut command = Vec::new();
        while let Some(argument) = arguments.next() {
            let mut value = |what| {
                arguments
                    .next()
                    .filter(|value| !value.is_empty())
                    .ok_or(format!("{what} is missing"))
            };
            match argument.to_string_lossy().as_ref() {
                "--help" | "-h" => return Ok(Self::Help),
                "--ephemeral" => options.ephemeral = true,
                "--state" => options.state_dir = Some(PathBuf::from(value("DIR after --state")?)),
                "--database" => {
                    let name = value("NAME after --database")?;
                    database =
                        name.into_string().map_err(|name| format!("{name:?} is not UTF-8"))?;
                }
                "--set" => options.settings.push(setting(&value("NAME=VALUE after --set")?)?),
                "--" if verb == "run" => {
                    command = arguments.collect();
                    break;
                }
                other if verb == "run" => {
                    return Err(format!("unknown option {other:?}; the command comes after --"));
                }
                other => return Err(format!("unknown option {other:?} of {verb}")),
            }
        }
        match verb.as_str() {
            "run" if command.is_empty() => Err("run needs a command after --".to_owned()),
            "run" => Ok(Self::Run { options, database, command }),
            "start" => Ok(Self::Start { options, database }),
            _ => Ok(Self::Url { options, database }),
        }
    }
}

/// Reads `name=value`; which names may be set is the cluster's to say.
fn setting(text: &OsStr) -> Result<(String, String), String> {
    let pair = text.to_str().and_then(|text| text.split_once('='));
    match pair {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err(format!("{text:?} after --set is not NAME=VALUE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Request, String> {
        Request::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn options_before_the_dashes_are_ours_and_those_after_are_the_commands() {
        let request = parse("run --ephemeral --state /s --database d -- ls --state").unwrap();
        let Request::Run { options, database, command } = request else { panic!("{request:?}") };
        assert!(options.ephemeral);
        assert_eq!(options.state_dir, Some(PathBuf::from("/s")));
        assert_eq!(database, "d");
        assert_eq!(command, ["ls", "--state"]);
    }

    #[test]
    fn settings_are_collected_in_their_order() {
        let request = parse("start --set jit=off --set search_path=a=b").unwrap();
        let Request::Start { options, .. } = request else { panic!("{request:?}") };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(options.settings, [pair("jit", "off"), pair("search_path", "a=b")]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (line, expected) in [
            ("", "say what to do"),
            ("stop", "\"stop\""),
            ("run --", "needs a command"),
            ("run ls", "\"ls\""),
            ("start --state", "DIR after --state"),
            ("url -- ls", "\"--\" of url"),
            ("start --set", "NAME=VALUE after --set"),
            ("start --set jit", "\"jit\" after --set"),
            ("start --set =off", "\"=off\" after --set"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
