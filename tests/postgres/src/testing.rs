//! What the unit tests share.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of its own, removed when dropped.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("autopilot-pg-unit-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes a script that can be run. Another process writes it: a process that another test forks
    /// meanwhile would hold it open for writing, and the system runs no file that is ("text file busy").
    pub(crate) fn script(&self, name: &str, body: &str) {
        let draft = self.0.join(format!("{name}.draft"));
        fs::write(&draft, format!("#!/bin/sh\n{body}\n")).unwrap();
        let copy =
            Command::new("install").args(["-m", "755"]).arg(&draft).arg(self.0.join(name)).status();
        assert!(copy.unwrap().success());
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
