//! The server process: how it is started, when it is ready, how it is stopped.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::detect::Installation;
use crate::keeper::{self, Keeper};
use crate::state::StateDir;
use crate::user::ServerUser;
use crate::{Error, orphan, settings};

/// How often another free port is tried when somebody took the one we found.
const PORT_TRIES: u32 = 8;
/// Long, because a durable cluster may have to replay its log after a crash.
const READY_TIMEOUT: Duration = Duration::from_secs(120);
const FAST_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(60);
const IMMEDIATE_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long processes of a server that was killed may take to notice it.
const LEFTOVER_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// All that a server needs to be started, once its data is there.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) installation: Installation,
    pub(crate) user: ServerUser,
    pub(crate) state: StateDir,
    pub(crate) data: PathBuf,
    pub(crate) ephemeral: bool,
    /// The caller's settings, over our own.
    pub(crate) chosen: Vec<(String, String)>,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    /// After the child, so that it goes last.
    _keeper: Keeper,
}

/// Why a server did not become ready.
enum Failure {
    PortTaken(Error),
    /// A server that was killed left processes, which hold its shared memory until they notice.
    DataInUse(Error),
    Other(Error),
}

impl Server {
    /// Starts the server and waits until it accepts connections: on `port`, which a cluster that is
    /// started again keeps, or on any free one.
    pub(crate) fn start(setup: &Setup, port: Option<u16>) -> Result<Self, Error> {
        orphan::end(&setup.data)?;
        let start = Instant::now();
        let mut tries = 1;
        loop {
            let candidate = match port {
                Some(port) => port,
                None => {
                    free_port().map_err(Error::io("find a free port on", "127.0.0.1".as_ref()))?
                }
            };
            match Self::start_on(setup, candidate) {
                Ok(server) => return Ok(server),
                Err(Failure::PortTaken(_)) if tries < PORT_TRIES => tries += 1,
                Err(Failure::DataInUse(_)) if start.elapsed() < LEFTOVER_TIMEOUT => {
                    thread::sleep(10 * POLL);
                }
                Err(
                    Failure::PortTaken(error) | Failure::DataInUse(error) | Failure::Other(error),
                ) => return Err(error),
            }
        }
    }

    fn start_on(setup: &Setup, port: u16) -> Result<Self, Failure> {
        let program = setup.installation.program("postgres");
        let (log, log_start) = setup.state.open_log().map_err(Failure::Other)?;
        let log_again = log
            .try_clone()
            .map_err(|source| Failure::Other(Error::io("open", &setup.state.log())(source)))?;
        let mut command = keeper::command(&program, &setup.user);
        command.arg("-D").arg(&setup.data).stdout(log).stderr(log_again);
        for (name, value) in settings::of(setup, port) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let (child, keeper) = keeper::spawn(command)
            .map_err(|source| Failure::Other(Error::spawn(&program)(source)))?;
        let mut server = Self { child, port, _keeper: keeper };
        let Err(what) = server.wait_until_ready(&setup.data) else { return Ok(server) };
        server.stop();
        let log = setup.state.log();
        let text = read_from(&log, log_start).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n");
        let error = Error::NotReady { what, log, tail };
        Err(if text.contains("could not bind") {
            Failure::PortTaken(error)
        } else if text.contains("pre-existing shared memory block") {
            Failure::DataInUse(error)
        } else {
            Failure::Other(error)
        })
    }

    /// Waits for the eighth line of `postmaster.pid`, which needs no client and no attempt to connect.
    fn wait_until_ready(&mut self, data: &Path) -> Result<(), String> {
        let start = Instant::now();
        let own = self.child.id().to_string();
        while start.elapsed() < READY_TIMEOUT {
            if let Some(status) = self.exited() {
                return Err(format!("ended before it was ready ({status})"));
            }
            // The file of an earlier run bears another process id.
            let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
            let mut lines = text.lines().map(str::trim);
            if lines.next() == Some(&own) && lines.nth(6) == Some("ready") {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        Err(format!("was not ready within {} seconds", READY_TIMEOUT.as_secs()))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How the server ended, if it has.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Fast shutdown; when that takes too long, an immediate one, which the next start recovers from.
    /// Does nothing where the server has ended.
    pub(crate) fn stop(&mut self) {
        let stopped = self.signal(Signal::INT, FAST_SHUTDOWN_TIMEOUT)
            || self.signal(Signal::QUIT, IMMEDIATE_SHUTDOWN_TIMEOUT);
        if !stopped && self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }

    /// Immediate shutdown, without a checkpoint: what a crash leaves, without the orphaned processes.
    pub(crate) fn crash(&mut self) {
        if !self.signal(Signal::QUIT, IMMEDIATE_SHUTDOWN_TIMEOUT) && self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }

    /// Signals our own child, which is ours until it was waited for, and waits for its end.
    fn signal(&mut self, signal: Signal, patience: Duration) -> bool {
        let start = Instant::now();
        if self.exited().is_some() {
            return true;
        }
        kill_process(Pid::from_child(&self.child), signal).ok();
        while start.elapsed() < patience {
            if self.exited().is_some() {
                return true;
            }
            thread::sleep(POLL);
        }
        false
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn read_from(path: &Path, start: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
