//! Runs a program to its end, or to its time limit.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

/// How long a program may take to end after it was asked to.
const PATIENCE: Duration = Duration::from_secs(5);

/// A program that has come to its end.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) ended: Ended,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// How it came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Exited(i32),
    Signalled(i32),
    /// We stopped it, after this many seconds.
    TimedOut {
        seconds: u64,
    },
}

impl From<ExitStatus> for Ended {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, signal) => Self::Signalled(signal.unwrap_or_default()),
        }
    }
}

/// Runs a program with all processes it starts in a group of their own, which does not outlive it, nor
/// this future. What it says on standard error goes to the file `log`.
pub(crate) async fn run(mut command: Command, limit: Duration, log: &Path) -> io::Result<Finished> {
    command.process_group(0).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(File::create(log)?).spawn()?;
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let mut stdout = child.stdout.take().ok_or_else(|| io::Error::other("it has no output"))?;
    let output = tokio::spawn(async move {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).await.map(|_length| bytes)
    });
    let ended = match timeout(limit, child.wait()).await {
        Ok(status) => Ended::from(status?),
        Err(_elapsed) => {
            group.signal(Signal::TERM);
            if timeout(PATIENCE, child.wait()).await.is_err() {
                group.signal(Signal::KILL);
                child.wait().await?;
            }
            Ended::TimedOut { seconds: limit.as_secs() }
        }
    };
    // It ends when everybody who could write to it has ended.
    drop(group);
    let bytes = timeout(PATIENCE, output).await.map_err(io::Error::from)???;
    let stdout = String::from_utf8_lossy(&bytes).into_owned();
    let stderr = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    Ok(Finished { ended, stdout, stderr })
}

/// The process group of a program we started; what is left of it when dropped is killed.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            // That nobody is left to get it is what we want.
            kill_process_group(pid, signal).ok();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Folder, eventually};

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    async fn run_for(script: &str, limit: Duration) -> Finished {
        let folder = Folder::new();
        run(shell(script), limit, &folder.path().join("log")).await.unwrap()
    }

    const LONG: Duration = Duration::from_secs(60);

    fn is_alive(pid: &str) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    #[tokio::test]
    async fn output_errors_and_exit_code_are_told_apart() {
        let finished = run_for("echo out; echo err >&2; exit 3", LONG).await;
        assert_eq!(finished.ended, Ended::Exited(3));
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(run_for("kill -9 $$", LONG).await.ended, Ended::Signalled(9));
    }

    #[tokio::test]
    async fn what_takes_too_long_is_stopped_with_all_that_it_started() {
        let script = "sh -c 'trap : TERM; echo $$; while :; do sleep 1; done'";
        let finished = run_for(script, Duration::from_millis(300)).await;
        assert_eq!(finished.ended, Ended::TimedOut { seconds: 0 });
        eventually("it is gone", || !is_alive(&finished.stdout));
    }

    #[tokio::test]
    async fn what_a_program_leaves_behind_is_stopped() {
        let finished = run_for("sleep 300 & echo $!", LONG).await;
        assert_eq!(finished.ended, Ended::Exited(0));
        eventually("it is gone", || !is_alive(&finished.stdout));
    }

    #[tokio::test]
    async fn a_run_that_is_given_up_leaves_nothing() {
        let folder = Folder::new();
        let (file, log) = (folder.path().join("pid"), folder.path().join("log"));
        let script = format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 300", file.display());
        let run = tokio::spawn(async move { run(shell(&script), LONG, &log).await });
        while !file.exists() {
            tokio::task::yield_now().await;
        }
        let pid = fs::read_to_string(&file).unwrap();
        assert!(is_alive(&pid));
        run.abort();
        assert!(run.await.unwrap_err().is_cancelled());
        eventually("it is gone", || !is_alive(&pid));
    }
}
