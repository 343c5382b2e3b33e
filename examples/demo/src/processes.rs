//! The processes of the demo: the real program, started as an operator would.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Trouble;

/// How the program is started: its file, its environment, where its logs go.
#[derive(Debug)]
pub(crate) struct Program {
    file: PathBuf,
    env: Vec<(String, String)>,
    logs: PathBuf,
}

/// A running process of the program; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Program {
    /// The program beside this one, as `cargo build` leaves it.
    pub(crate) fn beside_us(env: Vec<(String, String)>, logs: &Path) -> Result<Self, Trouble> {
        let file = std::env::current_exe()?.with_file_name("autopilot");
        if !file.exists() {
            return Err(format!("{} is not built; run `make demo`", file.display()).into());
        }
        std::fs::create_dir_all(logs)?;
        Ok(Self { file, env, logs: logs.to_owned() })
    }

    /// Runs a command to its end and insists that it succeeds.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<(), Trouble> {
        let output =
            self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).output()?;
        if output.status.success() {
            Ok(())
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("autopilot {} failed: {}", arguments.join(" "), said.trim()).into())
        }
    }

    /// Starts a process that goes on; its log is `<name>.log`.
    pub(crate) fn start(&self, name: &str, arguments: &[&str]) -> Result<Process, Trouble> {
        let log = File::create(self.logs.join(format!("{name}.log")))?;
        let child =
            self.command(arguments).stdout(Stdio::null()).stderr(Stdio::from(log)).spawn()?;
        Ok(Process { child })
    }

    /// The environment as shell text, for who wants to try commands.
    pub(crate) fn write_env(&self, path: &Path) -> Result<(), Trouble> {
        let lines: Vec<String> =
            self.env.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect();
        std::fs::write(path, lines.concat())?;
        Ok(())
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.file);
        command.args(arguments).env_clear().envs(self.env.iter().cloned()).stdin(Stdio::null());
        command
    }
}

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no good-bye, nothing given back.
    pub(crate) fn kill(mut self) -> Result<(), Trouble> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(mut self) -> Result<(), Trouble> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM)?;
        }
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Waits for a condition; the demo gives up after 30 s.
pub(crate) async fn until(
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<bool, Trouble>,
) -> Result<(), Trouble> {
    let begun = Instant::now();
    while !condition().await? {
        if begun.elapsed() > Duration::from_secs(30) {
            return Err(format!("waited 30 s in vain: {what}").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
