//! Whom the server runs as: Postgres refuses to run as root.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::Error;

/// Whom root gives the server to, in this order, when nobody was named.
const CANDIDATES: [&str; 3] = ["autopilot", "postgres", "nobody"];

/// The user that the server and initdb run as.
#[derive(Debug, Clone)]
pub(crate) struct ServerUser {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// We are root, and the user is not: files are given away, and programs are started as the user.
    pub(crate) drops_root: bool,
}

impl ServerUser {
    /// We ourselves, unless we are root: then who was named, else the `owner` of data that is there
    /// already, else the first candidate that exists.
    pub(crate) fn choose(named: Option<&str>, owner: Option<u32>) -> Result<Self, Error> {
        let own = rustix::process::geteuid();
        if !own.is_root() {
            // initdb looks its own user id up and gives up where that has no name, as under
            // `docker run --user 1234`.
            let uid = own.as_raw();
            return Self::look_up(&uid.to_string(), false).ok_or(Error::NamelessUser { uid });
        }
        let owner = owner.filter(|uid| *uid != 0).map(|uid| uid.to_string());
        let found = match named.or(owner.as_deref()) {
            Some(key) => Self::look_up(key, true),
            None => CANDIDATES.iter().find_map(|name| Self::look_up(name, true)),
        };
        let wanted = named.or(owner.as_deref()).unwrap_or("nobody");
        found
            .filter(|user| user.uid != 0)
            .ok_or_else(|| Error::NoSuchUser { name: wanted.to_owned() })
    }

    /// Gives a file or directory to the user. Without root it is the user's anyway.
    pub(crate) fn own(&self, path: &Path) -> Result<(), Error> {
        if !self.drops_root {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .map_err(Error::io("change the owner of", path))
    }

    /// By name or number, through `id`, which knows every source of users that the system does.
    fn look_up(key: &str, drops_root: bool) -> Option<Self> {
        Some(Self {
            name: id("-un", key)?,
            uid: id("-u", key)?.parse().ok()?,
            gid: id("-g", key)?.parse().ok()?,
            drops_root,
        })
    }
}

fn id(question: &str, key: &str) -> Option<String> {
    let output =
        Command::new("id").args([question, "--", key]).stdin(Stdio::null()).output().ok()?;
    let answer = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !answer.trim().is_empty()).then(|| answer.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_that_does_not_exist_is_an_error_for_root() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let error = ServerUser::choose(Some("nobody-of-that-name"), None).unwrap_err();
        assert!(error.to_string().contains("AUTOPILOT_PG_USER"), "{error}");
    }

    #[test]
    fn root_itself_never_runs_the_server() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        assert!(ServerUser::choose(Some("root"), None).is_err());
        assert_ne!(ServerUser::choose(None, Some(0)).unwrap().uid, 0);
    }

    #[test]
    fn a_user_id_without_a_name_is_not_found() {
        assert!(ServerUser::look_up("54321", false).is_none());
    }
}
