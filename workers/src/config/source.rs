//! Where configuration comes from, and what can be wrong with it.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// A configuration file that was read.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// Its path as it was given, for messages.
    pub(crate) path: PathBuf,
    /// All of its text.
    pub(crate) text: String,
}

impl File {
    /// Reads a configuration file that somebody named.
    ///
    /// # Errors
    ///
    /// When it cannot be read: a file that was named and is missing is never skipped in silence.
    pub(crate) fn read(path: &Path) -> Result<Self, Unreadable> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self { path: path.to_owned(), text }),
            Err(source) => Err(Unreadable { path: path.to_owned(), source }),
        }
    }
}

/// A configuration file that was named and cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot read the configuration file {}: {source}; correct --config or AUTOPILOT_CONFIG",
    path.display()
)]
pub(crate) struct Unreadable {
    path: PathBuf,
    source: io::Error,
}

/// This process's environment, as text. What is not text is marked by U+FFFD and will fail its check; what has
/// a name that is not text cannot be ours.
pub(crate) fn environment(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (String, String)> {
    variables.filter_map(|(name, value)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    })
}

/// Where the value of a key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// `worker.toml`, as it was compiled in.
    Default,
    /// The file that was named.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Whether a problem keeps the process from starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    /// It does.
    Error,
    /// It does not, but somebody should know.
    Warning,
}

/// One thing that is wrong, or odd, with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// Whether the process can start nevertheless.
    pub(crate) severity: Severity,
    /// The dotted key, or the name as it was written where there is no such key; empty for a whole file.
    pub(crate) key: String,
    /// Where the value comes from.
    pub(crate) source: Source,
    /// What is wrong, without any secret's characters.
    pub(crate) what: String,
    /// What to do.
    pub(crate) fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        if self.key.is_empty() {
            write!(f, "{severity}: {} {}", self.source, self.what)?;
        } else {
            write!(f, "{severity}: {} ({}) {}", self.key, self.source, self.what)?;
        }
        if self.fix.is_empty() { Ok(()) } else { write!(f, "; {}", self.fix) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    #[test]
    fn what_is_not_text_is_marked_and_what_has_no_name_is_left_out() {
        let [text, bytes] = [OsString::from("A"), OsString::from_vec(vec![b'a', 0xff])];
        let variables =
            [(text.clone(), text.clone()), (text.clone(), bytes.clone()), (bytes, text)];
        let read: Vec<_> = environment(variables.into_iter()).collect();
        let expected = [("A", "A"), ("A", "a\u{fffd}")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
