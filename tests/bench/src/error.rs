//! What can keep a benchmark from being run or reported.

use std::io;
use std::path::{Path, PathBuf};

/// Why nothing was run, or nothing reported. What goes wrong with one system is not among these: it is
/// a result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot {action} {path}", path = path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("tests/bench/rows.toml is not what it should be")]
    Rows(#[source] toml::de::Error),
    #[error("there is no row or work {name:?}; there are the rows {rows}")]
    NoSuchRow { name: String, rows: String },
    #[error("there is no system {name:?}; there are {systems}{absent}")]
    NoSuchSystem { name: String, systems: String, absent: String },
    #[error(
        "DATABASE_URL is not set: run this under `autopilot-postgres run -- …`, as `make bench` does"
    )]
    NoDatabase,
    #[error("DATABASE_URL is no URL of a database")]
    BadDatabase(#[source] url::ParseError),
    #[error("the server could not be asked")]
    Postgres(#[from] sqlx::Error),
    #[error(
        "{setting} is {value} on this server, so commits are not durable and no figure would mean \
         anything: use a cluster without --ephemeral"
    )]
    NotDurable { setting: String, value: String },
    #[error(
        "{path}, line {line}, is no record of a benchmark: {reason}. Remove the line, or the file to \
         start anew", path = path.display()
    )]
    BadRecord { path: PathBuf, line: usize, reason: String },
    #[error("{path} holds no finished result: run `make bench` first", path = path.display())]
    NoResults { path: PathBuf },
    #[error(
        "{path} needs the lines {begin} and {end}, once each and in this order: what stands between \
         them is replaced, everything else is kept", path = path.display()
    )]
    Markers { path: PathBuf, begin: &'static str, end: &'static str },
    #[error("stopped by a signal; what was measured so far is kept, `bench report` tells it")]
    Interrupted,
}

impl Error {
    /// For `map_err`: names the file and what was done with it.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}
