//! The program under measurement: one worker process of the autopilot.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::providers::{self, Provider};
use super::scene::Scene;
use crate::arguments::Arguments;
use crate::proc::Memory;
use crate::{Failure, proc};

/// A running `autopilot serve --workers`. Dropping it kills it.
pub(super) struct Program {
    child: Child,
    id: u32,
    log: PathBuf,
}

impl Program {
    /// Starts it with its defaults, on the scene's database and providers. It logs into the scene's folder.
    pub(super) fn start(
        arguments: &Arguments,
        scene: &Scene,
        providers: &[Provider],
    ) -> Result<Self, Failure> {
        let beside = std::env::current_exe()?.with_file_name("autopilot");
        let program: PathBuf = arguments.get("program", beside)?;
        let log = scene.folder.join("worker.log");
        let child = Command::new(&program)
            .args(["serve", "--workers"])
            .env_clear()
            .envs(scene.sandbox.env())
            .envs(providers::env(providers))
            .env("DATABASE_URL", scene.database.url.as_str())
            .env("ENCRYPTION_KEY", "scale:MuApZfODMzrbToUR2qtxmJmc+S+mY5+AfgM+ACmSMcI=")
            .env("PUBLIC_BASE_URL", "https://scale.example")
            .env("AUTOPILOT__LOG__FILTER", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{}: {error}; build it first", program.display()))?;
        let id = child.id().ok_or("the program has ended at once")?;
        Ok(Self { child, id, log })
    }

    /// Its memory.
    pub(super) fn memory(&self) -> Result<Memory, Failure> {
        proc::memory(self.id).map_err(|error| {
            format!("the program has ended ({error}): see {}", self.log.display()).into()
        })
    }

    /// Lets it drain.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        let id = Pid::from_raw(i32::try_from(self.id)?).ok_or("the program has no number")?;
        kill_process(id, Signal::TERM)?;
        let status = self.child.wait().await?;
        if status.success() {
            return Ok(());
        }
        Err(format!("the program ended with {status}: see {}", self.log.display()).into())
    }
}
