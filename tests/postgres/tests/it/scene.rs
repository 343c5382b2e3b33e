//! What the tests share: a state directory, and ways to look at processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use autopilot_postgres::Options;

/// A state directory of its own, removed when dropped.
pub(crate) struct Scene {
    dir: PathBuf,
}

impl Scene {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("autopilot-pg-{}-{count}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).unwrap();
        Self { dir }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Of a durable cluster, which fails at once where another process owns the directory.
    pub(crate) fn durable(&self) -> Options {
        Options {
            state_dir: Some(self.state()),
            lock_timeout: Duration::ZERO,
            ..Options::default()
        }
    }

    pub(crate) fn ephemeral(&self) -> Options {
        Options { ephemeral: true, ..self.durable() }
    }

    /// The program, on this state directory, out of reach of the caller's settings.
    pub(crate) fn program(&self, verb: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_autopilot-postgres"));
        command.env_remove("DATABASE_URL").env_remove("AUTOPILOT_PG_BIN");
        command.env_remove("AUTOPILOT_PG_USER").stdin(Stdio::null());
        command.arg(verb).arg("--ephemeral").arg("--state").arg(self.state());
        command
    }

    /// The process id that the server wrote into its data directory.
    pub(crate) fn server_pid(&self, data: &str) -> Option<u32> {
        self.server_line(data, 1)
    }

    /// The port that it wrote there.
    pub(crate) fn server_port(&self, data: &str) -> Option<u32> {
        self.server_line(data, 4)
    }

    fn server_line(&self, data: &str, number: usize) -> Option<u32> {
        let file = self.state().join(data).join("postmaster.pid");
        fs::read_to_string(file).ok()?.lines().nth(number - 1)?.parse().ok()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.dir).ok();
    }
}

/// Waits for a condition; a machine that is busy only makes it take longer.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn is_alive(pid: u32) -> bool {
    Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output()
        .is_ok_and(|output| output.status.success() && !output.stdout.starts_with(b"Z"))
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
