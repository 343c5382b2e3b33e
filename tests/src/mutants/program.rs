//! The compiled tests with one statement changed in them, and what they say.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use memchr::memmem;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::{Mutant, Statement};

/// A test that has not ended by then was broken too.
const LIMIT: Duration = Duration::from_secs(240);

/// What became of a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// This test failed, or the tests did not end.
    Caught(String),
    /// No test saw it.
    Survived,
}

/// The compiled tests.
#[derive(Debug)]
pub struct Program {
    bytes: Vec<u8>,
    copy: PathBuf,
    tests: Vec<String>,
}

impl Program {
    /// The compiled tests, of which those run whose names begin so; copies are written into the folder.
    ///
    /// # Panics
    /// When the program cannot be read.
    #[must_use]
    pub fn new(program: &Path, folder: &Path, tests: &[&str]) -> Self {
        let bytes = fs::read(program).expect("the compiled tests can be read");
        let tests = tests.iter().map(|&name| name.to_owned()).collect();
        Self { bytes, copy: folder.join("mutant"), tests }
    }

    /// Whether it holds the statement, so that its mutants can be tried.
    #[must_use]
    pub fn holds(&self, statement: &Statement) -> bool {
        memmem::find(&self.bytes, statement.text.as_bytes()).is_some()
    }

    /// What the tests say of themselves as they are.
    ///
    /// # Panics
    /// When they cannot be run.
    pub async fn unbroken(&self) -> Fate {
        self.try_with(&self.bytes).await
    }

    /// What the tests say of a mutant.
    ///
    /// # Panics
    /// When they cannot be run, or do not hold the statement.
    pub async fn fate(&self, statement: &Statement, mutant: &Mutant) -> Fate {
        let (from, to) = (statement.text.as_bytes(), mutant.of(&statement.text));
        let mut bytes = self.bytes.clone();
        let places: Vec<usize> = memmem::find_iter(&self.bytes, from).collect();
        assert!(!places.is_empty(), "the tests do not hold {}", statement.file);
        for place in places {
            if let Some(found) = bytes.get_mut(place..place + from.len()) {
                found.copy_from_slice(to.as_bytes());
            }
        }
        self.try_with(&bytes).await
    }

    async fn try_with(&self, bytes: &[u8]) -> Fate {
        fs::write(&self.copy, bytes).expect("the copy can be written");
        fs::set_permissions(&self.copy, fs::Permissions::from_mode(0o755)).expect("and run");
        let mut command = Command::new(&self.copy);
        command.args(&self.tests).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().expect("the tests start");
        let said = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let fate = tokio::time::timeout(LIMIT, first_failure(said)).await;
        let fate = match fate {
            Ok(Some(test)) => Fate::Caught(test),
            Ok(None) if child.wait().await.is_ok_and(|status| status.success()) => Fate::Survived,
            Ok(None) => Fate::Caught("the tests ended without a word".to_owned()),
            Err(_elapsed) => Fate::Caught(format!("no end within {LIMIT:?}")),
        };
        drop(child.kill().await);
        fate
    }
}

/// The first test that fails; none when all that ran have passed.
async fn first_failure<R>(mut said: tokio::io::Lines<R>) -> Option<String>
where
    R: tokio::io::AsyncBufRead + Unpin,
{
    while let Ok(Some(line)) = said.next_line().await {
        if let Some(test) = line.strip_suffix("... FAILED") {
            return Some(test.trim_start_matches("test ").trim_end().to_owned());
        }
    }
    None
}
