//! Installs Postgres on Debian and Ubuntu, without a cluster of the package's own.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Error;

const SCRIPT: &str = include_str!("install.sh");

/// Installs the package, after saying so on standard error. Answers whether it did: it does not
/// where there is no apt-get, and where we are neither root nor have a sudo that asks no password.
pub(crate) fn postgresql() -> Result<bool, Error> {
    if !Path::new("/etc/debian_version").exists() || !Path::new("/usr/bin/apt-get").exists() {
        return Ok(false);
    }
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new("sh")
    } else if sudo_works() {
        let mut command = Command::new("sudo");
        command.args(["-n", "sh"]);
        command
    } else {
        return Ok(false);
    };
    command.args(["-c", SCRIPT, "install"]).stdin(Stdio::null()).stdout(io::stderr());
    let said = writeln!(
        io::stderr(),
        "postgres: none is installed; running `apt-get install postgresql` (no cluster of its own, \
         nothing is started by it)"
    );
    said.map_err(Error::io("write to", Path::new("standard error")))?;
    let status = command.status().map_err(Error::spawn(Path::new("apt-get")))?;
    if status.success() { Ok(true) } else { Err(Error::Install { status }) }
}

fn sudo_works() -> bool {
    let silent = Command::new("sudo")
        .args(["-n", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    silent.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::TempDir;

    /// Runs the script against an `apt-get` that writes down what it was asked and whether the
    /// drop-in was there, and that fails until the lists were updated.
    fn calls(lists_are_fresh: bool) -> (Vec<String>, TempDir) {
        let dir = TempDir::new();
        let body = "cd \"$(dirname \"$0\")\"\n\
                    echo \"$* $(cat createcluster.d/autopilot.conf 2>/dev/null)\" >>calls\n\
                    if [ \"$1\" = update ]; then touch fresh; fi\ntest -e fresh";
        dir.script("apt-get", body);
        if lists_are_fresh {
            fs::write(dir.path().join("fresh"), "").unwrap();
        }
        let path = format!("{}:/usr/bin:/bin", dir.path().display());
        let status = Command::new("sh")
            .args(["-c", SCRIPT, "install"])
            .arg(dir.path())
            .env("PATH", path)
            .status()
            .unwrap();
        assert!(status.success());
        let calls = fs::read_to_string(dir.path().join("calls")).unwrap();
        (calls.lines().map(|line| line.trim().to_owned()).collect(), dir)
    }

    #[test]
    fn the_package_is_installed_while_no_cluster_may_be_made() {
        let (calls, dir) = calls(true);
        assert_eq!(
            calls,
            [
                "install -y --no-install-recommends postgresql-common",
                "install -y --no-install-recommends postgresql create_main_cluster = false",
            ]
        );
        assert!(!dir.path().join("createcluster.d/autopilot.conf").exists());
    }

    #[test]
    fn the_lists_are_updated_only_when_they_have_to_be() {
        let (calls, _dir) = calls(false);
        assert_eq!(calls[1], "update");
        assert_eq!(calls.len(), 4);
    }
}
