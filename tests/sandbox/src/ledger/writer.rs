//! The thread that writes the ledger: it appends what waits, syncs once, and tells every caller.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use chrono::Utc;
use tokio::sync::oneshot;

use super::{Entry, LedgerError, Record, complete_lines, parse};

struct Request {
    entries: Vec<Entry>,
    written: oneshot::Sender<()>,
}

/// Hands entries to the writing thread. The order of the `submit` calls is the ledger's order.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    requests: mpsc::Sender<Request>,
}

/// Resolves once the entries are on disk.
#[must_use = "an answer may leave only after the receipt has come"]
#[derive(Debug)]
pub(crate) struct Receipt(oneshot::Receiver<()>);

impl Writer {
    /// Opens or creates the file, cuts off a torn last line and continues the numbering.
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(path)
            .map_err(failed("open", path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("read", path))?;
        let complete = complete_lines(&bytes);
        // `usize` to `u64` never loses on the platforms that we build for; the length is a file's.
        file.set_len(complete.len() as u64).map_err(failed("truncate", path))?;
        let seq = parse(path, complete)?.last().map_or(0, |record| record.seq);

        let (requests, waiting) = mpsc::channel();
        let file = Appender { file, path: path.to_owned(), seq };
        std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || file.run(&waiting))
            .map_err(failed("start the writer of", path))?;
        Ok(Self { requests })
    }

    /// Queues the entries; returns at once.
    pub(crate) fn submit(&self, entries: Vec<Entry>) -> Receipt {
        let (written, receipt) = oneshot::channel();
        // A closed channel drops the sender, which the receipt reports as `Closed`.
        let _closed = self.requests.send(Request { entries, written });
        Receipt(receipt)
    }
}

impl Receipt {
    /// Waits until the entries are on disk.
    pub(crate) async fn durable(self) -> Result<(), LedgerError> {
        self.0.await.map_err(|_closed| LedgerError::Closed)
    }
}

struct Appender {
    file: File,
    path: PathBuf,
    seq: u64,
}

impl Appender {
    /// Ends when all writers are gone, or at the first error: a ledger with a hole would lie, so
    /// from then on every receipt says `Closed` and every request fails.
    fn run(mut self, waiting: &mpsc::Receiver<Request>) {
        while let Ok(first) = waiting.recv() {
            let batch: Vec<Request> = std::iter::once(first).chain(waiting.try_iter()).collect();
            if let Err(error) = self.append(&batch) {
                report(&error);
                return;
            }
            for request in batch {
                // The caller may have gone away; its record stays.
                let _gone = request.written.send(());
            }
        }
    }

    fn append(&mut self, batch: &[Request]) -> Result<(), LedgerError> {
        let mut lines = Vec::new();
        for entry in batch.iter().flat_map(|request| &request.entries) {
            self.seq += 1;
            let record = Record { seq: self.seq, at: Utc::now(), entry: entry.clone() };
            serde_json::to_writer(&mut lines, &record)?;
            lines.push(b'\n');
        }
        self.file.write_all(&lines).map_err(failed("append to", &self.path))?;
        self.file.sync_data().map_err(failed("sync", &self.path))
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LedgerError {
    move |source| LedgerError::Io { action, path: path.to_owned(), source }
}

#[expect(clippy::print_stderr, reason = "the sandbox is a tool at a terminal and has no log")]
fn report(error: &LedgerError) {
    eprintln!("autopilot-sandbox: {error}");
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::Provider;
    use crate::ledger::Kind;

    #[tokio::test]
    async fn no_receipt_comes_for_what_could_not_be_written() {
        let path = PathBuf::from("/dev/full");
        let file = OpenOptions::new().write(true).open(&path).expect("a full device");
        let (requests, waiting) = mpsc::channel();
        std::thread::spawn(move || Appender { file, path, seq: 0 }.run(&waiting));
        let writer = Writer { requests };
        for _ in 0..2 {
            let entry = Entry {
                provider: Provider::Twilio,
                kind: Kind::Effect,
                operation: "twilio.buy_number".into(),
                subject: None,
                idempotency_key: None,
                detail: Value::Null,
            };
            let receipt = writer.submit(vec![entry]).durable().await;
            assert!(matches!(receipt, Err(LedgerError::Closed)), "{receipt:?}");
        }
    }
}
