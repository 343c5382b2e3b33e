//! The other process: it runs the jobs and notes when each began.

use std::error::Error;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use autopilot_engine::{Job, Planned, Registry, Run};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::arguments::Arguments;
use crate::fairness::{NoTurn, Turn};
use crate::fleet::{Fleet, Target};
use crate::latency::monotonic;
use crate::report;
use crate::workflow::Seven;

/// When jobs were due, and when they began.
pub(crate) struct Log {
    picked: Mutex<Vec<(i64, i64)>>,
}

/// Carries the moment at which it was due.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stamped {
    pub(crate) due: i64,
}

impl Log {
    pub(crate) fn began(&self, due: i64) {
        let picked = (due, monotonic());
        self.picked.lock().unwrap_or_else(PoisonError::into_inner).push(picked);
    }
}

impl Job for Stamped {
    type App = Log;
    const KIND: &'static str = "load.stamped";

    async fn run(&self, run: &mut Run<'_, Log>) -> autopilot_engine::Result {
        run.app.began(self.due);
        Ok(())
    }
}

/// The same as a durable run of seven steps that do nothing.
#[derive(Serialize, Deserialize)]
pub(crate) struct StampedRun {
    pub(crate) due: i64,
}

impl Job for StampedRun {
    type App = Log;
    const KIND: &'static str = "load.stamped-run";
    const STEPS: &'static [Planned] = Seven::STEPS;

    async fn run(&self, run: &mut Run<'_, Log>) -> autopilot_engine::Result {
        run.app.began(self.due);
        for (number, step) in Self::STEPS.iter().enumerate() {
            let _number: usize = run.step(step.name, async |_| Ok(number)).await?;
        }
        Ok(())
    }
}

/// The other process itself: works until its standard input says so, then prints what it saw.
pub(crate) async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let slots = arguments.get("slots", 200)?;
    let pool = Target::from_environment()?.pool().await?;
    let connected = monotonic();
    let app = Arc::new(Log { picked: Mutex::default() });
    let registry = Registry::new()
        .register::<Stamped>()
        .register::<StampedRun>()
        .register::<Turn>()
        .register::<NoTurn>();
    let fleet = Fleet::start(&pool, &app, registry, slots, slots);
    report::line("ready");
    let mut input = String::new();
    BufReader::new(tokio::io::stdin()).read_line(&mut input).await?;
    fleet.stop().await?;
    let picked = app.picked.lock().unwrap_or_else(PoisonError::into_inner);
    report::line(&connected.to_string());
    let lines: Vec<String> = picked.iter().map(|(due, began)| format!("{due} {began}")).collect();
    report::line(&lines.join("\n"));
    Ok(())
}

/// The other process as this one sees it.
pub(crate) struct Other {
    child: Child,
    output: BufReader<ChildStdout>,
}

/// What the other process saw, by the clock that both share.
pub(crate) struct Seen {
    /// When it had connected to the database, before there was a worker in it.
    pub(crate) connected: i64,
    /// When each job was due and when it began, in order.
    pub(crate) picked: Vec<(i64, i64)>,
}

impl Other {
    /// Starts it.
    pub(crate) async fn start(target: &Target, slots: usize) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["pickup-worker", "--slots", &slots.to_string()])
            .env("DATABASE_URL", target.url())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut output = BufReader::new(child.stdout.take().ok_or("no output of the worker")?);
        let mut ready = String::new();
        output.read_line(&mut ready).await?;
        if ready.trim_end() != "ready" {
            return Err("the worker's process did not start; its reason is on stderr".into());
        }
        Ok(Self { child, output })
    }

    /// Stops it: what it saw of so many jobs, or an error where it ran more or fewer.
    pub(crate) async fn stop(self, jobs: usize) -> Result<Seen, Box<dyn Error>> {
        let seen = self.finish().await?;
        if seen.picked.len() == jobs {
            return Ok(seen);
        }
        Err(format!("{} of {jobs} jobs were run", seen.picked.len()).into())
    }

    /// Stops it: what it saw.
    pub(crate) async fn finish(mut self) -> Result<Seen, Box<dyn Error>> {
        let mut input = self.child.stdin.take().ok_or("no input of the worker")?;
        input.write_all(b"stop\n").await?;
        drop(input);
        let mut output = String::new();
        self.output.read_to_string(&mut output).await?;
        let status = self.child.wait().await?;
        if !status.success() {
            return Err(format!("the worker's process ended with {status}").into());
        }
        let mut lines = output.lines();
        let connected = lines.next().unwrap_or_default().parse()?;
        let mut picked: Vec<(i64, i64)> = Vec::new();
        for line in lines {
            if let Some((due, began)) = line.split_once(' ') {
                picked.push((due.parse()?, began.parse()?));
            }
        }
        picked.sort_unstable();
        Ok(Seen { connected, picked })
    }
}
