//! The file in which the program tells where it listens.

use std::path::{Path, PathBuf};

use autopilot_engine::testing::eventually;

/// What is given to `autopilot serve --ready-file`.
#[derive(Debug)]
pub struct Ready(PathBuf);

impl Ready {
    /// What a program that was killed has left there is taken away: it could be read before the next one has started.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        drop(std::fs::remove_file(&path));
        Self(path)
    }

    /// Where the file will stand.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The host and port of the program, once it listens.
    pub async fn address(&self) -> String {
        let read = || std::fs::read_to_string(&self.0).unwrap_or_default();
        eventually("the HTTP process listens", async || read().contains(':')).await;
        read().trim().trim_start_matches("http://").to_owned()
    }
}
