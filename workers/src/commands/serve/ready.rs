//! The file that tells a supervisor that the HTTP server listens, and where.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::fail::Fail;

/// There from when the server listens until it is told to stop; what a process that was killed has left is taken away by the next one.
pub(super) struct ReadyFile {
    path: PathBuf,
    told: Option<String>,
}

impl ReadyFile {
    /// Takes away what an earlier process has left: whoever waits for the file would take that for this one's.
    ///
    /// # Errors
    /// What stands there cannot be removed, as a folder cannot.
    pub(super) fn at(path: &Path) -> Result<Self, Fail> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Fail::usage(format!(
                "cannot remove what stands at --ready-file {}: {error}; name a file that this process may write and remove",
                path.display()
            ))),
            Ok(()) | Err(_) => Ok(Self { path: path.to_owned(), told: None }),
        }
    }

    /// Writes the address whole or not at all, for whoever reads the file as soon as it is there.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn tell(&mut self, address: SocketAddr) -> Result<(), Fail> {
        let line = format!("http://{address}\n");
        let draft = self.path.with_extension(format!("{}.tmp", std::process::id()));
        let written =
            std::fs::write(&draft, &line).and_then(|()| std::fs::rename(&draft, &self.path));
        written.map_err(|error| {
            Fail::usage(format!("cannot write --ready-file {}: {error}", self.path.display()))
        })?;
        self.told = Some(line);
        Ok(())
    }

    /// Takes the file away, unless a later process has told its own address there.
    ///
    /// Before the listener is closed: a successor may then listen at the same address and tell the same.
    pub(super) fn withdraw(&self) {
        let stands = std::fs::read_to_string(&self.path).ok();
        let is_ours = stands.is_some() && stands == self.told;
        if is_ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the file of --ready-file stays, though nothing listens any more");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

    fn path() -> PathBuf {
        std::env::temp_dir().join(format!("autopilot-ready-{}", uuid::Uuid::now_v7()))
    }

    #[test]
    fn the_file_stands_while_the_server_listens() {
        let path = path();
        std::fs::write(&path, "http://127.0.0.1:1\n").unwrap();
        let mut ready = ReadyFile::at(&path).unwrap();
        assert!(!path.exists(), "what a killed process left is not taken for ours");
        ready.withdraw();
        ready.tell(ADDRESS).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "http://127.0.0.1:8080\n");
        ready.withdraw();
        assert!(!path.exists());
    }

    #[test]
    fn what_a_later_process_told_stays() {
        let path = path();
        let mut ready = ReadyFile::at(&path).unwrap();
        ready.tell(ADDRESS).unwrap();
        std::fs::write(&path, "http://127.0.0.1:8081\n").unwrap();
        ready.withdraw();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "http://127.0.0.1:8081\n");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_folder_is_refused_by_its_name() {
        let folder = path();
        std::fs::create_dir(&folder).unwrap();
        let fail = ReadyFile::at(&folder).err().unwrap().to_string();
        assert!(fail.contains(&folder.display().to_string()), "{fail}");
        assert!(fail.contains("--ready-file") && fail.contains("name a file"), "{fail}");
        std::fs::remove_dir(&folder).unwrap();
    }
}
