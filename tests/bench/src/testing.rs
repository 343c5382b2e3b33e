//! What the unit tests share.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chrono::DateTime;

use crate::adapter::{Answer, Figure, Outcome};
use crate::machine::Machine;
use crate::postgres::Stated;
use crate::results::{Measured, Run};
use crate::rows::Arguments;
use crate::systems::Role;

/// A folder of its own, removed when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("autopilot-bench-{}-{count}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a shell script that can be run.
    pub(crate) fn script(&self, name: &str, lines: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.join(name);
        fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
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

/// A run of three rounds.
pub(crate) fn run(id: &str) -> Run {
    Run {
        id: id.to_owned(),
        started: DateTime::UNIX_EPOCH,
        command: "run".to_owned(),
        commit: Some("abc".to_owned()),
        rounds: 3,
        trial: false,
        machine: Machine::here(),
        postgres: Stated { version: "15.18".to_owned(), settings: Vec::new() },
        absent: Vec::new(),
    }
}

/// A result of the run `r` whose answer is a rate.
pub(crate) fn measured(row: &str, system: &str, role: Role, rate: f64) -> Measured {
    let figures = [("rate".to_owned(), Figure::One(rate))].into();
    let (system, work) = (system.to_owned(), row.to_owned());
    let answer = Answer { system: format!("{system} 1.0"), work, settings: None, figures };
    Measured {
        run: "r".to_owned(),
        round: 1,
        row: row.to_owned(),
        system,
        role,
        arguments: Arguments::new(),
        seconds: 1.0,
        outcome: Outcome::Done { answer },
    }
}
