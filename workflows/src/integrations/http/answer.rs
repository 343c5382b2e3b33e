//! A complete answer, and whether the call that it answers changed anything.

use autopilot_engine::Effect;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use std::time::Duration;

use super::retry_after;

/// Whether a call only looks or may change something: what a lost answer means depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// GET and HEAD: repeating it is harmless.
    Read,
    /// Everything else.
    Write,
}

impl Access {
    pub(crate) fn of(method: &Method) -> Self {
        if method == Method::GET || method == Method::HEAD { Self::Read } else { Self::Write }
    }

    /// The effect if nobody can tell whether the provider executed the call.
    #[must_use]
    pub const fn if_lost(self) -> Effect {
        match self {
            Self::Read => Effect::None,
            Self::Write => Effect::Unknown,
        }
    }

    /// The effect if the provider said that it executed the call.
    #[must_use]
    pub const fn if_executed(self) -> Effect {
        match self {
            Self::Read => Effect::None,
            Self::Write => Effect::Executed,
        }
    }
}

/// What a provider answered. No `Debug`: the body may hold secrets.
#[derive(Clone)]
pub struct Answer {
    /// The status, any of them.
    pub status: StatusCode,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body, at most [`super::MAX_ANSWER`] bytes.
    pub body: Bytes,
    /// Whether the call could change anything.
    pub access: Access,
}

impl Answer {
    /// The value of a header, if it is there and text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// How long the provider asks to wait (`Retry-After` in either form), if it says so readably.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after::parse(self.header("retry-after")?, self.header("date"))
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] names the place, never the content.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Unreadable> {
        serde_json::from_slice(&self.body).map_err(|error| Unreadable::from(&error))
    }
}

/// Why a body cannot be read. It says where, never what stood there: answers carry secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at line {line}, column {column}")]
pub struct Unreadable {
    problem: &'static str,
    line: usize,
    column: usize,
}

impl From<&serde_json::Error> for Unreadable {
    fn from(error: &serde_json::Error) -> Self {
        use serde_json::error::Category;

        let problem = match error.classify() {
            Category::Io | Category::Syntax => "not JSON",
            Category::Eof => "JSON that ends too early",
            Category::Data => "JSON of another shape than agreed",
        };
        Self { problem, line: error.line(), column: error.column() }
    }
}

/// How much of a provider's own sentence is passed on to people.
const EXCERPT: usize = 200;

/// A provider's own sentence, cut to a line that is fit for a log.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(EXCERPT).collect()
}
