//! The load, by wrk: one thread, so that the cores are the servers'.

use std::error::Error;
use std::process::Stdio;

use serde::Deserialize;
use tokio::process::Command;

use crate::arguments::Arguments;
use crate::events::{PATH, Prepared};

const SCRIPT: &str = include_str!("../load.lua");

/// What was answered.
#[derive(Debug, Deserialize)]
pub(crate) struct Load {
    /// All of them with 2xx.
    pub(crate) answers: u64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    refused: u64,
    broken: u64,
    /// There were not enough events.
    ran_out: bool,
}

/// Sends events to the server of this address for as long as the arguments say, and waits for the last answer.
///
/// Fails unless all were answered with 2xx.
pub(crate) async fn send(server: &str, arguments: &Arguments) -> Result<Load, Box<dyn Error>> {
    let events = arguments.prepare * arguments.seconds;
    eprintln!("signing {events} events");
    let prepared = Prepared::new(events, chrono::Utc::now().timestamp())?;
    let script = prepared.folder().join("load.lua");
    std::fs::write(&script, SCRIPT)?;
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--timeout", "60s"])
        .arg(format!("--connections={}", arguments.connections))
        // A second more than is sent, for the last answers.
        .arg(format!("--duration={}s", arguments.seconds + 1))
        .arg("--script")
        .arg(script)
        .arg(format!("http://{server}{PATH}"))
        .args(["--".as_ref(), prepared.folder().as_os_str()])
        .arg(arguments.seconds.to_string());
    eprintln!("sending for {} s", arguments.seconds);
    let output = wrk.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output();
    let output = output.await.map_err(|error| format!("wrk does not run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().rfind(|line| line.starts_with('{'));
    let line = line.ok_or_else(|| format!("wrk ended with {}: {said}", output.status))?;
    let load: Load = serde_json::from_str(line)?;
    if load.answers == 0 || load.refused + load.broken > 0 || load.ran_out {
        return Err(format!("the load was not what it should be: {load:?}").into());
    }
    Ok(load)
}
