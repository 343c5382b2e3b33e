//! The real program: `autopilot serve --http`, which needs no worker to take webhooks.

use std::error::Error;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::arguments::Arguments;
use crate::events::SECRET;
use crate::wrk::{self, Load};
use crate::{agree, count};

/// How long it may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures it, and compares what was answered with what is there.
pub(crate) async fn measure(url: &str, arguments: &Arguments) -> Result<Load, Box<dyn Error>> {
    let program = std::env::current_exe()?.with_file_name("autopilot");
    if !program.is_file() {
        return Err(format!("{} is not built", program.display()).into());
    }
    let migrated = Command::new(&program).arg("migrate").stdout(Stdio::null()).status().await?;
    if !migrated.success() {
        return Err(format!("autopilot migrate: {migrated}").into());
    }
    let server = Server::start(&program).await?;
    let load = wrk::send(&server.address, arguments).await?;
    server.stop().await?;
    agree("events", load.answers, count(url, "SELECT count(*) FROM studio.inbox").await?)?;
    let jobs = "SELECT count(*) FROM engine.job j JOIN studio.inbox i ON i.job_id = j.id
                WHERE i.state = 'received'";
    agree("jobs with an event", load.answers, count(url, jobs).await?)?;
    agree("jobs", load.answers, count(url, "SELECT count(*) FROM engine.job").await?)?;
    Ok(load)
}

/// The program, serving; killed when it is dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    async fn start(program: &PathBuf) -> Result<Self, Box<dyn Error>> {
        let ready = format!("autopilot-webhook-load-{}.ready", std::process::id());
        let ready = std::env::temp_dir().join(ready);
        std::fs::remove_file(&ready).ok();
        let mut child = Command::new(program)
            .args(["serve", "--http", "--ready-file"])
            .arg(&ready)
            .env("AUTOPILOT__HTTP__BIND", "127.0.0.1:0")
            .env("STRIPE_WEBHOOK_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let begun = Instant::now();
        while !ready.is_file() {
            if let Some(status) = child.try_wait()? {
                return Err(format!("autopilot serve ended at once: {status}").into());
            }
            if begun.elapsed() > PATIENCE {
                return Err("autopilot serve does not become ready".into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let told = std::fs::read_to_string(&ready)?;
        std::fs::remove_file(&ready)?;
        let address = told.trim().trim_start_matches("http://").to_owned();
        Ok(Self { child, address })
    }

    async fn stop(mut self) -> Result<(), Box<dyn Error>> {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(pid.ok_or("autopilot serve has ended")?, Signal::TERM)?;
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await??;
        if status.success() { Ok(()) } else { Err(format!("autopilot serve: {status}").into()) }
    }
}
