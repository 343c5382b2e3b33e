//! Keeps a database for as long as a command runs, or a signal does not come.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use autopilot_postgres::{Database, Error, Options};
use rustix::process::{Pid, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::restarts::Restarts;
use crate::{print, say, with_causes};

/// What shells answer for a command that cannot be started.
const EXIT_NOT_STARTED: u8 = 127;
const WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// Why a run ended without an exit code of the command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Postgres(#[from] Error),
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    #[error("cannot wait for signals and the command")]
    Wait(#[source] io::Error),
    #[error("DATABASE_URL is set, so there is nothing to start: unset it, or use its database")]
    NothingToStart,
    #[error("the server died too often; see the end of its log ({0})")]
    DiedTooOften(String),
}

/// Runs a command with `DATABASE_URL` set, and answers its exit code, 128 and the signal's number where
/// a signal ended it. The database is stopped after the command, whatever came of it.
pub(crate) fn command(
    options: &Options,
    database: &str,
    command: &[OsString],
) -> Result<ExitCode, Failure> {
    runtime()?.block_on(async {
        // Before the start: a signal that comes during it must not leave a server behind.
        let mut signals = Signals::new()?;
        let mut database_of_run = Database::open(options)?;
        say(&database_of_run.describe());
        let url = database_of_run.url(database)?;
        let Some((program, arguments)) = command.split_first() else {
            return Ok(ExitCode::from(EXIT_NOT_STARTED));
        };
        let mut command = Command::new(program);
        match command.args(arguments).env("DATABASE_URL", url).spawn() {
            Ok(mut child) => attend(&mut child, &mut signals, &mut database_of_run).await,
            Err(error) => {
                say(&format!("autopilot-postgres: cannot run {}: {error}", program.display()));
                Ok(ExitCode::from(EXIT_NOT_STARTED))
            }
        }
    })
}

/// Runs a cluster until a signal comes, whose URL is printed when it is ready.
pub(crate) fn foreground(options: &Options, database: &str) -> Result<ExitCode, Failure> {
    if options.database_url.is_some() {
        return Err(Failure::NothingToStart);
    }
    runtime()?.block_on(async {
        let mut signals = Signals::new()?;
        let mut database_of_run = Database::open(options)?;
        say(&database_of_run.describe());
        print(&format!("DATABASE_URL={}", database_of_run.url(database)?))?;
        let mut restarts = Restarts::default();
        loop {
            tokio::select! {
                _ = signals.next() => return Ok(ExitCode::SUCCESS),
                () = tokio::time::sleep(WATCH_INTERVAL) => {
                    revive(&mut database_of_run, &mut restarts).await?;
                }
            }
        }
    })
}

/// Waits for the command, passes signals on to it, and starts a server again that died.
async fn attend(
    child: &mut Child,
    signals: &mut Signals,
    database: &mut Database,
) -> Result<ExitCode, Failure> {
    let mut restarts = Restarts::default();
    loop {
        tokio::select! {
            status = child.wait() => return Ok(exit_code(status.map_err(Failure::Wait)?)),
            kind = signals.next() => forward(kind, child),
            () = tokio::time::sleep(WATCH_INTERVAL) => {
                if let Err(failure) = revive(database, &mut restarts).await {
                    forward(SignalKind::terminate(), child);
                    child.wait().await.map_err(Failure::Wait)?;
                    return Err(failure);
                }
            }
        }
    }
}

/// Starts the server again if it died, with a growing delay, and gives up after too many deaths.
async fn revive(database: &mut Database, restarts: &mut Restarts) -> Result<(), Failure> {
    let description = database.describe();
    let Some(cluster) = database.cluster_mut() else { return Ok(()) };
    while let Some(status) = cluster.exited() {
        let Some(delay) = restarts.after_death(Instant::now()) else {
            return Err(Failure::DiedTooOften(description));
        };
        say(&format!("autopilot-postgres: the server died ({status}); starting it again"));
        tokio::time::sleep(delay).await;
        if let Err(error) = cluster.restart() {
            say(&format!("autopilot-postgres: {}", with_causes(&error)));
        }
    }
    Ok(())
}

/// Ctrl-C in a terminal reaches the whole foreground group: the command has it already, and a second
/// one often means "at once".
fn forward(kind: SignalKind, child: &Child) {
    if kind == SignalKind::interrupt() && io::stdin().is_terminal() {
        return;
    }
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let signal = rustix::process::Signal::from_named_raw(kind.as_raw_value());
    if let (Some(pid), Some(signal)) = (pid, signal) {
        // That it has just ended is what the caller waits for.
        kill_process(pid, signal).ok();
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// The signals that ask us to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(Failure::Wait);
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Wait)
}
