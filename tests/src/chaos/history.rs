//! What was struck when, and what was seen: a line of JSON each.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

/// The history of one run.
#[derive(Debug, Clone)]
pub struct History {
    began: Instant,
    file: Arc<Mutex<File>>,
}

impl History {
    /// A new one, in the folder's `history.jsonl`.
    ///
    /// # Panics
    /// When the file cannot be made.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let file = File::create(folder.join("history.jsonl")).expect("the history can be written");
        Self { began: Instant::now(), file: Arc::new(Mutex::new(file)) }
    }

    /// Writes down that something happened now.
    pub fn note(&self, what: &str, detail: Value) {
        let at = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let line = json!({ "ms": at, "what": what, "detail": detail });
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writeln!(file, "{line}") {
            eprintln!("the history cannot be written: {error}");
        }
    }
}
