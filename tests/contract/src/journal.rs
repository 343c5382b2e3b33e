//! What went over the wire, and what was wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::HeaderMap;
use bytes::Bytes;

use crate::relay::Answer;

/// A request, as it can be sent again.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Sent {
    /// The path, and its query without the question mark.
    pub(crate) fn path_and_query(&self) -> (&str, &str) {
        self.path.split_once('?').unwrap_or((&self.path, ""))
    }
}

/// All exchanges with one description between.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// Of each operation a request that succeeded, and its answer.
    pub(crate) accepted: BTreeMap<String, (Sent, Answer)>,
    /// The operations that have failed at least once, as they should.
    pub(crate) failed: BTreeSet<String>,
    /// What the description does not allow.
    pub(crate) problems: Vec<String>,
    /// How many exchanges there were.
    pub(crate) exchanges: usize,
}

impl Journal {
    /// An exchange that the description allows.
    pub(crate) fn passed(&mut self, operation: &str, sent: Sent, answer: &Answer) {
        self.exchanges += 1;
        if answer.status.is_success() {
            self.accepted.entry(operation.to_owned()).or_insert_with(|| (sent, answer.clone()));
        } else {
            self.failed.insert(operation.to_owned());
        }
    }
}
