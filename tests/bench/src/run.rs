//! One run: every round, every row, every system in its turn.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio::process::Command;
use url::Url;

use crate::adapter::{self, Outcome};
use crate::arguments::Options;
use crate::error::Error;
use crate::machine::Machine;
use crate::plan::{self, Drains};
use crate::postgres::Postgres;
use crate::raw::{self, Raw};
use crate::results::{self, Measured, Record, Results, Run};
use crate::rows::{self, Arguments, Row};
use crate::systems::{Program, Role, Roster, System};
use crate::{builds, comparison, process, say, table};

/// A run under way.
struct Bench<'a> {
    options: &'a Options,
    run: Run,
    /// Logs and what else the run leaves.
    folder: PathBuf,
    postgres: Postgres,
    bin_dir: Option<PathBuf>,
    results: Results,
    drains: Drains,
    /// The arguments of a drain that counts for the rates of other rows.
    drain: Arguments,
}

/// Measures, and answers the id of the run. What goes wrong with one system is a result; what goes wrong
/// with the server ends the run.
pub(crate) async fn measure(options: &Options, file: &Path) -> Result<String, Error> {
    let rows = rows::load(&options.rows)?;
    let url = env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
    let mut postgres = Postgres::connect(&url.ok_or(Error::NoDatabase)?).await?;
    let stated = postgres.stated().await?;
    stated.check_durable()?;
    postgres.drop_leftovers().await?;
    let roster = roster(options, &rows).await?;
    let started = Utc::now();
    let run = Run {
        id: started.format("%Y%m%dT%H%M%SZ").to_string(),
        started,
        command: options.command.clone(),
        commit: commit(&options.root).await,
        rounds: options.rounds,
        trial: options.is_trial(),
        machine: Machine::here(),
        postgres: stated,
        absent: roster.absent.clone(),
    };
    let folder = options.folder().join("logs").join(&run.id);
    fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let folder = folder.canonicalize().map_err(Error::io("resolve", &folder))?;
    say(&format!("what adapters say is kept in {}", folder.display()));
    let bin_dir = postgres.bin_dir().await?.map(PathBuf::from);
    let (drain, drains) = known_drains(options, file)?;
    let mut results = Results::open(file)?;
    results.append(&Record::Run(run.clone()))?;
    announce(&run);
    let id = run.id.clone();
    let mut bench = Bench { options, run, folder, postgres, bin_dir, results, drains, drain };
    bench.rounds(&rows, &roster.systems).await?;
    Ok(id)
}

impl Bench<'_> {
    async fn rounds(&mut self, rows: &[Row], systems: &[System]) -> Result<(), Error> {
        let mut contenders: Vec<(&Row, Vec<&System>)> = Vec::new();
        for row in rows {
            let (able, unable): (Vec<_>, Vec<_>) = plan::contenders(row, systems)
                .into_iter()
                .partition(|system| system.works.contains(&row.work));
            for system in unable {
                let outcome = Outcome::Cannot { reason: format!("it has no {}", row.work) };
                let measured = self.measured(1, row, system, Arguments::new(), 0.0, outcome);
                self.results.append(&Record::Result(measured))?;
            }
            contenders.push((row, able));
        }
        let asked = self.run.rounds;
        let turns: usize =
            contenders.iter().map(|(row, systems)| row.rounds(asked) * systems.len()).sum();
        let mut turn = 0;
        for round in 0..asked {
            for (row, systems) in contenders.iter().filter(|(row, _)| round < row.rounds(asked)) {
                for system in plan::turns(systems, round, row.rounds(asked)) {
                    turn += 1;
                    let measured = self.turn(round + 1, row, system).await?;
                    let outcome = &measured.outcome;
                    say(&format!(
                        "[{turn}/{turns}] round {}, {}, {}: {}",
                        round + 1,
                        row.name,
                        system.name,
                        told(row, outcome)
                    ));
                    self.drains.note(&measured, &self.drain);
                    self.results.append(&Record::Result(measured))?;
                }
            }
        }
        Ok(())
    }

    async fn turn(&mut self, round: usize, row: &Row, system: &System) -> Result<Measured, Error> {
        let arguments = plan::arguments(row, &system.name, &self.drains, self.options.quick);
        let start = Instant::now();
        let outcome = match &arguments {
            Err(reason) => Outcome::NotRun { reason: reason.clone() },
            Ok(arguments) => self.on_a_fresh_database(round, row, system, arguments).await?,
        };
        let (arguments, seconds) = (arguments.unwrap_or_default(), start.elapsed().as_secs_f64());
        Ok(self.measured(round, row, system, arguments, seconds, outcome))
    }

    fn measured(
        &self,
        round: usize,
        row: &Row,
        system: &System,
        arguments: Arguments,
        seconds: f64,
        outcome: Outcome,
    ) -> Measured {
        Measured {
            run: self.run.id.clone(),
            round,
            row: row.name.clone(),
            system: system.name.clone(),
            role: system.role,
            arguments,
            seconds,
            outcome,
        }
    }

    async fn on_a_fresh_database(
        &mut self,
        round: usize,
        row: &Row,
        system: &System,
        arguments: &Arguments,
    ) -> Result<Outcome, Error> {
        let name = format!("{}_{}", row.name, system.name);
        let url = self.postgres.fresh(&name).await?;
        let limit = Duration::from_secs(row.limit_seconds);
        let outcome = match &system.program {
            Program::Adapter(command) => {
                let log = self.folder.join(format!("{}-{}-{round}.log", row.name, system.name));
                adapted(command, row, arguments, &url, &log, limit).await
            }
            Program::Raw => {
                let folder = self.folder.join(format!("{}-raw-{round}", row.name));
                let bin_dir = self.bin_dir.as_deref();
                let raw = Raw { url: &url, bin_dir, folder: &folder, limit };
                raw.run(&row.work, arguments).await
            }
        };
        self.postgres.drop(&name).await?;
        Ok(outcome)
    }
}

/// Runs an adapter to its end.
async fn adapted(
    command: &[PathBuf],
    row: &Row,
    arguments: &Arguments,
    url: &Url,
    log: &Path,
    limit: Duration,
) -> Outcome {
    let Some((program, before)) = command.split_first() else {
        return Outcome::NotRun { reason: "there is no command".to_owned() };
    };
    let mut process = Command::new(program);
    process.args(before).arg(&row.work).env("DATABASE_URL", url.as_str());
    for (name, value) in arguments {
        process.arg(format!("--{name}")).arg(value.to_string());
    }
    let fields: Vec<&str> = row.measures.iter().map(|measure| measure.field.as_str()).collect();
    match process::run(process, limit, log).await {
        Ok(finished) => adapter::outcome(&finished, &row.work, &fields),
        Err(error) => Outcome::Failed { reason: format!("{}: {error}", program.display()) },
    }
}

/// Builds the adapters and asks them for their systems.
async fn roster(options: &Options, rows: &[Row]) -> Result<Roster, Error> {
    let root = options.root.canonicalize().map_err(Error::io("resolve", &options.root))?;
    let mut roster = Roster::default();
    let is_wanted = |name: &str| {
        options.systems.is_empty() || options.systems.iter().any(|wanted| wanted == name)
    };
    if let Some(program) = &options.ours {
        roster.add(crate::systems::OURS, Role::Ours, Ok(vec![program.clone()])).await;
    } else if is_wanted(crate::systems::OURS) {
        say("building our adapter");
        roster.add(crate::systems::OURS, Role::Ours, builds::ours(&root).await).await;
    }
    // It brings a bare system of its own, and takes minutes to build: only for the rows that need it.
    let bare_or_ours = is_wanted(crate::systems::OURS) || is_wanted(crate::systems::RAW);
    if options.ours.is_none() && bare_or_ours && rows.iter().any(|row| row.work == "webhook") {
        say("building our adapter of webhooks");
        roster.add("autopilot's webhooks", Role::Ours, builds::webhooks(&root).await).await;
    }
    let only_others =
        |name: &String| [crate::systems::OURS, crate::systems::RAW].contains(&name.as_str());
    if !options.peers.is_empty() {
        for program in &options.peers {
            let name = program.display().to_string();
            roster.add(&name, Role::Peer, Ok(vec![program.clone()])).await;
        }
    } else if options.systems.is_empty() || !options.systems.iter().all(only_others) {
        say("building the peers");
        roster.add("tests/peers", Role::Peer, builds::peers(&root).await).await;
        roster.add("tests/peers/node", Role::Peer, builds::node_peers(&root).await).await;
    }
    roster.add_raw(&raw::WORKS);
    for absent in &roster.absent {
        say(&format!("{}: not run: {}", absent.name, absent.reason));
    }
    roster.keep(&options.systems)?;
    Ok(roster)
}

/// The arguments of a drain of this kind of run, and the rates of earlier ones on this machine.
fn known_drains(options: &Options, file: &Path) -> Result<(Arguments, Drains), Error> {
    let row = rows::load(&["drain".to_owned()])?.into_iter().next();
    let arguments = row.map(|row| row.arguments(options.quick)).unwrap_or_default();
    let mut drains = Drains::default();
    for record in results::read(file)? {
        match record {
            Record::Result(measured) => drains.note(&measured, &arguments),
            Record::Run(_) => {}
        }
    }
    Ok((arguments, drains))
}

/// What git calls the sources, where it knows them. What a run writes itself makes them no others.
async fn commit(root: &Path) -> Option<String> {
    let commit = git(root, &["describe", "--always"]).await?;
    let status = [
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        ".",
        ":!BENCHMARKS.md",
        ":!tests/bench/charts",
        ":!tests/bench/results.jsonl",
    ];
    let changed = git(root, &status).await?;
    Some(if changed.is_empty() { commit } else { format!("{commit}-dirty") })
}

async fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).current_dir(root).output().await.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

fn announce(run: &Run) {
    let settings = run.postgres.settings.iter().map(|(name, value)| format!("{name}={value}"));
    say(&run.machine.describe());
    say(&format!("Postgres {}: {}", run.postgres.version, settings.collect::<Vec<_>>().join(" ")));
    let cores = run.machine.cores as f64;
    if let Some(load) = run.machine.load_before.filter(|load| *load > cores / 2.0) {
        say(&format!("the machine is busy (load {load}): do not trust the figures"));
    }
}

/// An outcome in a few words: the row's figures, or why there are none.
fn told(row: &Row, outcome: &Outcome) -> String {
    let told = |measure| {
        comparison::figure(measure, outcome)
            .map(|(_, figure)| format!("{} {}", table::number(figure), measure.unit))
            .unwrap_or_else(|reason| reason)
    };
    let mut told: Vec<String> = row.measures.iter().map(told).collect();
    // A reason is the same for all.
    told.dedup();
    told.join(", ")
}
