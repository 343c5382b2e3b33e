//! The other process: it runs the jobs and notes when each began.

use std::error::Error;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use autopilot_engine::{Job, Registry, Run};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::arguments::Arguments;
use crate::fleet::{Fleet, connect};
use crate::latency::monotonic;
use crate::report;

/// When jobs were due, and when they began.
pub(crate) struct Log {
    picked: Mutex<Vec<(i64, i64)>>,
}

/// Carries the moment at which it was due.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stamped {
    pub(crate) due: i64,
}

impl Job for Stamped {
    type App = Log;
    const KIND: &'static str = "load.stamped";

    async fn run(&self, run: &mut Run<'_, Log>) -> autopilot_engine::Result {
        let picked = (self.due, monotonic());
        run.app.picked.lock().unwrap_or_else(PoisonError::into_inner).push(picked);
        Ok(())
    }
}

/// The other process itself: works until its standard input says so, then prints what it saw.
pub(crate) async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let slots = arguments.get("slots", 200)?;
    let pool = connect().await?;
    let app = Arc::new(Log { picked: Mutex::default() });
    let fleet = Fleet::start(&pool, &app, Registry::new().register::<Stamped>(), slots, slots);
    report::line("ready");
    let mut input = String::new();
    BufReader::new(tokio::io::stdin()).read_line(&mut input).await?;
    fleet.stop().await?;
    let picked = app.picked.lock().unwrap_or_else(PoisonError::into_inner);
    let lines: Vec<String> = picked.iter().map(|(due, began)| format!("{due} {began}")).collect();
    report::line(&lines.join("\n"));
    Ok(())
}

/// The other process as this one sees it.
pub(crate) struct Other {
    child: Child,
}

impl Other {
    /// Starts it.
    pub(crate) async fn start(slots: usize) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["pickup-worker", "--slots", &slots.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut ready = [0_u8; 6];
        child.stdout.as_mut().ok_or("no output of the worker")?.read_exact(&mut ready).await?;
        Ok(Self { child })
    }

    /// Stops it: when each of so many jobs was due and when it began, in order.
    pub(crate) async fn stop(mut self, jobs: usize) -> Result<Vec<(i64, i64)>, Box<dyn Error>> {
        let mut input = self.child.stdin.take().ok_or("no input of the worker")?;
        input.write_all(b"stop\n").await?;
        drop(input);
        let output = self.child.wait_with_output().await?;
        let mut picked: Vec<(i64, i64)> = Vec::new();
        for line in String::from_utf8(output.stdout)?.lines() {
            if let Some((due, began)) = line.split_once(' ') {
                picked.push((due.parse()?, began.parse()?));
            }
        }
        picked.sort_unstable();
        if picked.len() == jobs {
            return Ok(picked);
        }
        Err(format!("{} of {jobs} jobs were run", picked.len()).into())
    }
}
