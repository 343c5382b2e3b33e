//! The ledger: what was asked of the sandbox, and what it did about it.
//!
//! One JSON object a line, appended and synced to disk **before** the answer leaves, so that a
//! test which kills everything can still count what really happened. A line counts once its
//! newline is on disk: a torn last line is work that nobody was told about.

mod summary;
mod writer;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use summary::{DoubleEffect, Summary};
pub(crate) use writer::{Receipt, Writer};

use crate::Provider;

/// Whether a record tells of a request or of its consequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A request arrived, whatever became of it.
    Call,
    /// Something was created, bought, sent or deleted.
    Effect,
}

/// What the caller of the ledger knows about a record; the writer adds number and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The provider that was called.
    pub provider: Provider,
    /// Call or effect.
    pub kind: Kind,
    /// Provider and verb, such as `twilio.buy_number`.
    pub operation: String,
    /// The workspace or friendly name, where the request tells.
    pub subject: Option<String>,
    /// The caller's key: Stripe's header, or WhatsApp's `biz_opaque_callback_data`.
    pub idempotency_key: Option<String>,
    /// Whatever else helps to read the ledger. Never a credential.
    pub detail: Value,
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Counts from 1 without gaps, across restarts on the same file.
    pub seq: u64,
    /// When the record was written.
    pub at: DateTime<Utc>,
    /// What happened.
    #[serde(flatten)]
    pub entry: Entry,
}

/// Why the ledger could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file system refused.
    #[error("cannot {action} the ledger {}: {source}; check the path and its permissions", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The ledger's file.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// A line that is not the torn last one is no record.
    #[error("line {line} of the ledger {} is not a record: {source}; was the file edited?", path.display())]
    Corrupt {
        /// The ledger's file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// An entry cannot be written as JSON.
    #[error("cannot encode a ledger entry: {0}")]
    Encode(#[from] serde_json::Error),
    /// The writing thread has ended, after an earlier error or a stop.
    #[error("the ledger is closed: the sandbox was stopped, or an earlier write failed")]
    Closed,
}

/// Reads ledgers; the running sandbox does the writing.
#[derive(Debug)]
pub struct Ledger;

impl Ledger {
    /// All records of the file, oldest first. A last line without its newline is left out.
    ///
    /// # Errors
    /// When the file cannot be read, or a complete line is no record.
    pub fn read(path: impl AsRef<Path>) -> Result<Vec<Record>, LedgerError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| LedgerError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        parse(path, complete_lines(&bytes))
    }

    /// Counts what the file holds.
    ///
    /// # Errors
    /// As [`Ledger::read`].
    pub fn summary(path: impl AsRef<Path>) -> Result<Summary, LedgerError> {
        Ok(Summary::of(&Self::read(path)?))
    }
}

/// The bytes up to and including the last newline.
fn complete_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

fn parse(path: &Path, lines: &[u8]) -> Result<Vec<Record>, LedgerError> {
    lines
        .split(|byte| *byte == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
        .map(|(index, line)| {
            serde_json::from_slice(line).map_err(|source| LedgerError::Corrupt {
                path: path.to_owned(),
                line: index + 1,
                source,
            })
        })
        .collect()
}
