//! One process owns a state directory at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;
use crate::state::StateDir;

const POLL: Duration = Duration::from_millis(50);

/// The right to use a state directory. The system takes it back when the process ends, however it
/// ends. Held in the file is the owner's process id and, once the server is ready, its port.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Waits up to `timeout` for another process to let go.
    pub(crate) fn acquire(state: &StateDir, timeout: Duration) -> Result<Self, Error> {
        let path = state.lock();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if start.elapsed() < timeout => thread::sleep(POLL),
                Err(TryLockError::WouldBlock) => return Err(owned(state)),
                Err(TryLockError::Error(source)) => return Err(Error::io("lock", &path)(source)),
            }
        }
        let mut lock = Self(file);
        lock.write(state, &format!("{}\n", std::process::id()))?;
        Ok(lock)
    }

    /// Says on which port the server answers.
    pub(crate) fn publish(&mut self, state: &StateDir, port: u16) -> Result<(), Error> {
        self.write(state, &format!("{}\n{port}\n", std::process::id()))
    }

    fn write(&mut self, state: &StateDir, text: &str) -> Result<(), Error> {
        let mut replace = || {
            self.0.set_len(0)?;
            self.0.seek(SeekFrom::Start(0))?;
            self.0.write_all(text.as_bytes())
        };
        replace().map_err(Error::io("write", &state.lock()))
    }
}

/// The port of the cluster that runs in a state directory, if one does and is ready.
pub(crate) fn published_port(state: &StateDir) -> Result<Option<u16>, Error> {
    let path = state.lock();
    if !path.exists() {
        return Ok(None);
    }
    let file = File::open(&path).map_err(Error::io("open", &path))?;
    // Whoever is there holds it exclusively: to get it means that the owner is gone.
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
            Ok(text.lines().nth(1).and_then(|port| port.parse().ok()))
        }
        Err(TryLockError::Error(source)) => Err(Error::io("lock", &path)(source)),
    }
}

fn owned(state: &StateDir) -> Error {
    let text = fs::read_to_string(state.lock()).unwrap_or_default();
    let owner = text.lines().next().map(|pid| format!(" (pid {pid})")).unwrap_or_default();
    Error::Owned { state: state.root().to_owned(), owner }
}
