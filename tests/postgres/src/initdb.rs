//! Makes the data directory, whole or not at all.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use crate::server::Setup;
use crate::{Error, detect, keeper, state};

/// The name of the superuser of every private cluster.
pub(crate) const SUPERUSER: &str = "autopilot";

const UNFINISHED: &str = "data.tmp.";

/// Makes the data directory if there is none. It is made beside its place and renamed when whole, so
/// a process that is killed in here leaves nothing that looks like data.
///
/// The caller holds the lock of the state directory.
pub(crate) fn ensure(setup: &Setup, password: &str) -> Result<(), Error> {
    if detect::version_of(&setup.data).is_some() {
        return setup.installation.check_version_of(&setup.data);
    }
    // A file, because the user may not open a pipe of ours by name.
    let password_file = setup.state.socket_dir().join("initdb.password");
    state::write_private(&password_file, password)?;
    setup.user.own(&password_file)?;
    let made = made_whole(setup, |unfinished| run(setup, unfinished, &password_file));
    fs::remove_file(&password_file).map_err(Error::io("remove", &password_file))?;
    made
}

/// Makes the data directory by what fills an empty one.
pub(crate) fn made_whole(
    setup: &Setup,
    fill: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<(), Error> {
    let root = setup.state.root();
    remove_unfinished(root)?;
    let unfinished = root.join(format!("{UNFINISHED}{}", std::process::id()));
    state::private_dir(&unfinished, &setup.user)?;
    fill(&unfinished)?;
    fs::rename(&unfinished, &setup.data).map_err(Error::io("create", &setup.data))?;
    File::open(root).and_then(|dir| dir.sync_all()).map_err(Error::io("write", root))
}

fn run(setup: &Setup, data: &Path, password_file: &Path) -> Result<(), Error> {
    let program = setup.installation.program("initdb");
    let mut command = keeper::command(&program, &setup.user);
    command.arg("-D").arg(data).arg("--pwfile").arg(password_file);
    command.args(["-U", SUPERUSER, "--auth=scram-sha-256", "--locale=C", "-E", "UTF8"]);
    if setup.ephemeral {
        command.arg("--no-sync");
    }
    finish(&mut command, &program)
}

/// Runs a program to its end; what it wrote to standard error is the reason where it failed.
pub(crate) fn finish(command: &mut Command, program: &Path) -> Result<(), Error> {
    let output = command.output().map_err(Error::spawn(program))?;
    if output.status.success() {
        return Ok(());
    }
    let (program, status) = (program.to_owned(), output.status);
    let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Failed { program, status, output })
}

/// Removes what killed processes left: these directories were never data.
fn remove_unfinished(root: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(root).map_err(Error::io("list", root))? {
        let path = entry.map_err(Error::io("list", root))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(UNFINISHED) {
            fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}
