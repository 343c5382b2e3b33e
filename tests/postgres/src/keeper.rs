//! Starts programs as the server's user, in such a way that they do not outlive us.

use std::convert::Infallible;
use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::user::ServerUser;

/// A command that runs as the server's user, in an environment of its own and outside our process
/// group: Ctrl-C in a terminal must not stop the database before those who use it.
///
/// Linux can signal a child when its parent dies (`PR_SET_PDEATHSIG`), which is what leaves no
/// server behind after a `kill -9`. The call has to be made in the child, after it changed its user,
/// and std offers no safe way to make it there. So util-linux's `setpriv` does both, then becomes the
/// program, under the same process id. Where it is missing or too small (busybox, macOS), std drops root
/// and there is no such signal; a server that was left behind is then ended by the next start.
pub(crate) fn command(program: &Path, user: &ServerUser) -> Command {
    let mut command = match setpriv(user) {
        Some(mut command) => {
            command.arg(program);
            command
        }
        None => {
            let mut command = Command::new(program);
            if user.drops_root {
                // As root, this also clears the supplementary groups.
                command.uid(user.uid).gid(user.gid);
            }
            command
        }
    };
    clear_environment(&mut command);
    // Our own directory may be closed to the user.
    command.current_dir("/").process_group(0).stdin(Stdio::null());
    command
}

/// PGDATA, PGPORT, PGHOST, PGUSER and their like would redirect the programs, and the locale would
/// translate the messages that we look for.
pub(crate) fn clear_environment(command: &mut Command) {
    command.env_clear().env("LC_ALL", "C");
    for name in ["PATH", "LD_LIBRARY_PATH"] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
}

fn setpriv(user: &ServerUser) -> Option<Command> {
    let setpriv = || {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "INT"]);
        if user.drops_root {
            command.args(["--reuid", &user.uid.to_string(), "--regid", &user.gid.to_string()]);
            command.arg("--clear-groups");
        }
        command
    };
    let mut probe = setpriv();
    probe.arg("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success()).then(setpriv)
}

/// Keeps the thread alive that started a child: the signal of [`command`] is sent when that *thread*
/// ends, not the process, and a caller may start a cluster from a thread of any runtime.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Its drop lets the thread go.
    _hold: mpsc::Sender<Infallible>,
}

/// Starts a child from a thread that lives as long as the keeper.
pub(crate) fn spawn(mut command: Command) -> io::Result<(Child, Keeper)> {
    let (hold, held) = mpsc::channel();
    let (report, reported) = mpsc::channel();
    thread::Builder::new().name("postgres-keeper".to_owned()).spawn(move || {
        if report.send(command.spawn()).is_ok() {
            // Nothing can be sent: this returns when the keeper is dropped.
            held.recv().ok();
        }
    })?;
    let child = reported.recv().map_err(io::Error::other)??;
    Ok((child, Keeper { _hold: hold }))
}
