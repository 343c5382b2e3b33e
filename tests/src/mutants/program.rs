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

/// All tests that are asked, as they are.
const ALL: Duration = Duration::from_secs(1_200);

/// What became of a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// This test failed, or the tests did not end.
    Caught(String),
    /// No test saw it.
    Survived,
}

/// The compiled tests.
#[derive(Debug)]
pub(super) struct Program {
    bytes: Vec<u8>,
    copy: PathBuf,
    database: String,
}

impl Program {
    /// The compiled tests, which find their databases there; copies are written into the folder.
    pub(super) fn new(program: &Path, folder: &Path, database: &str) -> Self {
        let bytes = fs::read(program).expect("the compiled tests can be read");
        Self { bytes, copy: folder.join("mutant"), database: database.to_owned() }
    }

    /// Whether it holds the statement, so that its mutants can be tried.
    pub(super) fn holds(&self, statement: &Statement) -> bool {
        memmem::find(&self.bytes, statement.text.as_bytes()).is_some()
    }

    /// What the tests say of themselves as they are: those whose names have one of these words in them, and none of
    /// the skipped.
    pub(super) async fn unbroken(&self, words: &str, skipped: &[&str]) -> Fate {
        self.write(&self.bytes);
        let mut command = self.command();
        command
            .args(words.split_whitespace())
            .args(skipped.iter().flat_map(|name| ["--skip", name]));
        outcome(command, ALL).await
    }

    /// What these tests say of a mutant.
    pub(super) async fn fate<'t>(
        &self,
        statement: &Statement,
        mutant: &Mutant,
        tests: impl Iterator<Item = &'t String>,
    ) -> Fate {
        let (from, to) = (statement.text.as_bytes(), mutant.of(&statement.text));
        let mut bytes = self.bytes.clone();
        for place in memmem::find_iter(&self.bytes, from) {
            if let Some(found) = bytes.get_mut(place..place + from.len()) {
                found.copy_from_slice(to.as_bytes());
            }
        }
        self.write(&bytes);
        let mut command = self.command();
        command.arg("--exact").args(tests);
        outcome(command, LIMIT).await
    }

    fn write(&self, bytes: &[u8]) {
        fs::write(&self.copy, bytes).expect("the copy can be written");
        fs::set_permissions(&self.copy, fs::Permissions::from_mode(0o755)).expect("and run");
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.copy);
        command.env_remove("AUTOPILOT_TEST_DATABASE_URL").env("DATABASE_URL", &self.database);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }
}

/// What tests say until the first fails.
async fn outcome(mut command: Command, limit: Duration) -> Fate {
    let mut child = command.kill_on_drop(true).spawn().expect("the tests start");
    let said = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let fate = tokio::time::timeout(limit, first_failure(said)).await;
    let fate = match fate {
        Ok(Some(test)) => Fate::Caught(test),
        Ok(None) if child.wait().await.is_ok_and(|status| status.success()) => Fate::Survived,
        Ok(None) => Fate::Caught("the tests ended without a word".to_owned()),
        Err(_elapsed) => Fate::Caught(format!("no end within {limit:?}")),
    };
    drop(child.kill().await);
    fate
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
