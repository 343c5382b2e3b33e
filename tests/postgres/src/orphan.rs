//! Ends a server that a killed process of ours left behind.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Error;

const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// Ends the server that still runs on `data`, by fast shutdown, and waits for it.
///
/// The caller holds the lock of the state directory, so the server has lost its owner. It is known by
/// the process id in its own `postmaster.pid`, and by its working directory being the data:
/// after a restart of the machine that id may be anybody's.
pub(crate) fn end(data: &Path) -> Result<(), Error> {
    let Some(pid) = server_of(data) else { return Ok(()) };
    let start = Instant::now();
    // It may have ended by now, or be ending already, which a second signal does not change.
    kill_process(pid, Signal::INT).ok();
    while server_of(data) == Some(pid) {
        if start.elapsed() > PATIENCE {
            let pid = pid.as_raw_nonzero().get();
            return Err(Error::Orphan { data: data.to_owned(), pid });
        }
        thread::sleep(POLL);
    }
    Ok(())
}

/// The server that runs on `data`. Where there is no `/proc` to ask, none is found, and postgres itself
/// refuses to start beside another.
fn server_of(data: &Path) -> Option<Pid> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid = text.lines().next()?.trim().parse().ok().and_then(Pid::from_raw)?;
    let dir = fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero())).ok()?;
    (dir == data.canonicalize().ok()?).then_some(pid)
}
