//! One client's session, as far as it is kept up towards a pooler that has none.
//!
//! Between two [`Sync`](SYNC)s everything reaches the same connection of the server, and so does everything of a
//! transaction. So a statement's text is sent again wherever it is bound, under no name, and the settings before the first
//! statement of a transaction that is not plain text, as `BEGIN` is. The answers to what the client did not ask are kept from
//! it.

use std::collections::{HashMap, VecDeque};
use std::io;

use super::message::{self, at};

const PARSE: u8 = b'P';
const BIND: u8 = b'B';
const DESCRIBE: u8 = b'D';
const EXECUTE: u8 = b'E';
const CLOSE: u8 = b'C';
const SYNC: u8 = b'S';
const QUERY: u8 = b'Q';

const PARSE_COMPLETE: u8 = b'1';
const BIND_COMPLETE: u8 = b'2';
const DATA_ROW: u8 = b'D';
const COMMAND_COMPLETE: u8 = b'C';
const ERROR: u8 = b'E';
const COPY_IN: u8 = b'G';
const READY: u8 = b'Z';

/// Where the server stands, as it says when it is ready.
const IDLE: u8 = b'I';
const IN_TRANSACTION: u8 = b'T';
const FAILED: u8 = b'E';

/// What must be alone in its transaction.
const ALONE: &[u8] = b"VACUUM";

/// What is known of a client.
#[derive(Debug)]
pub(super) struct Session {
    /// The statement that sets what the session has set, as messages; empty where there is nothing.
    settings: Vec<u8>,
    /// The statements that the client believes to be prepared: what follows the name in the message that made each.
    statements: HashMap<Vec<u8>, Vec<u8>>,
    /// Which of them the server has under no name, since the last [`SYNC`].
    recalled: Option<Vec<u8>>,
    /// The one whose text the server has not accepted yet.
    doubtful: Option<Vec<u8>>,
    status: u8,
    /// Whether the transaction has its settings.
    is_set: bool,
    /// Whether the answer to the settings is under way.
    setting: bool,
    /// For each text on its way, whether it was the client that sent it.
    texts: VecDeque<bool>,
    /// Whether the server has been asked for something and is not ready yet.
    awaiting: bool,
}

impl Session {
    pub(super) fn new(settings: &[(String, String)]) -> Self {
        Self {
            settings: set(settings),
            statements: HashMap::new(),
            recalled: None,
            doubtful: None,
            status: IDLE,
            is_set: false,
            setting: false,
            texts: VecDeque::new(),
            awaiting: false,
        }
    }

    /// Takes what the client has said as far as it is whole, and writes what the pooler is told. What comes before the
    /// server is ready waits: it may belong to the next transaction.
    ///
    /// # Errors
    /// When this is not the protocol.
    pub(super) fn requests(&mut self, asked: &mut Vec<u8>, out: &mut Vec<u8>) -> io::Result<()> {
        let mut place = 0;
        while !self.awaiting
            && let Some(message) = at(asked, place)?
        {
            let body = asked.get(message.body.clone()).unwrap_or_default();
            if self.request(message.kind, body, out).is_none() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a message has no end"));
            }
            place = message.body.end;
        }
        asked.drain(..place);
        Ok(())
    }

    /// One message of the client; none where it is broken.
    fn request(&mut self, kind: u8, body: &[u8], out: &mut Vec<u8>) -> Option<()> {
        match kind {
            PARSE => {
                let (name, text) = message::text(body)?;
                self.statements.insert(name.to_owned(), text.to_owned());
                self.doubtful = Some(name.to_owned());
                self.prepare(name, text, true, out);
            }
            BIND => {
                let (portal, rest) = message::text(body)?;
                let (name, values) = message::text(rest)?;
                self.recall(name, out);
                message::write(out, BIND, &[portal, b"\0\0", values]);
            }
            DESCRIBE if body.first() == Some(&b'S') => {
                let (name, _) = message::text(body.get(1..)?)?;
                self.recall(name, out);
                message::write(out, DESCRIBE, &[b"S\0"]);
            }
            CLOSE if body.first() == Some(&b'S') => {
                let (name, _) = message::text(body.get(1..)?)?;
                self.statements.remove(name);
                self.recalled = None;
                message::write(out, CLOSE, &[b"S\0"]);
            }
            other => {
                if matches!(other, SYNC | QUERY) {
                    self.awaiting = true;
                    self.recalled = None;
                }
                message::write(out, other, &[body]);
            }
        }
        Some(())
    }

    /// Sends the text of a statement again, where the server has another one or none.
    fn recall(&mut self, name: &[u8], out: &mut Vec<u8>) {
        if self.recalled.as_deref() != Some(name)
            && let Some(text) = self.statements.get(name).cloned()
        {
            self.prepare(name, &text, false, out);
        }
    }

    fn prepare(&mut self, name: &[u8], text: &[u8], by_client: bool, out: &mut Vec<u8>) {
        if !self.is_set && !self.settings.is_empty() && self.status != FAILED && !is_alone(text) {
            out.extend(&self.settings);
            self.is_set = true;
            self.setting = true;
        }
        message::write(out, PARSE, &[b"\0", text]);
        self.texts.push_back(by_client);
        self.recalled = Some(name.to_owned());
    }

    /// Takes what the server has said as far as it is whole, and writes what the client is told.
    ///
    /// # Errors
    /// When this is not the protocol.
    pub(super) fn replies(&mut self, answered: &mut Vec<u8>, out: &mut Vec<u8>) -> io::Result<()> {
        let mut place = 0;
        while let Some(message) = at(answered, place)? {
            let body = answered.get(message.body.clone()).unwrap_or_default();
            if self.is_asked_for(message.kind, body) {
                message::write(out, message.kind, &[body]);
            }
            place = message.body.end;
        }
        answered.drain(..place);
        Ok(())
    }

    /// Notes one message of the server, and says whether the client gets it.
    fn is_asked_for(&mut self, kind: u8, body: &[u8]) -> bool {
        match kind {
            PARSE_COMPLETE | BIND_COMPLETE | DATA_ROW if self.setting => return false,
            COMMAND_COMPLETE if self.setting => {
                self.setting = false;
                return false;
            }
            PARSE_COMPLETE => {
                let by_client = self.texts.pop_front().unwrap_or(true);
                if by_client {
                    self.doubtful = None;
                }
                return by_client;
            }
            ERROR => {
                // The rest up to the next Sync is not done.
                self.setting = false;
                self.texts.clear();
                if let Some(name) = self.doubtful.take() {
                    self.statements.remove(&name);
                }
            }
            // The client is to send rows before the server is ready.
            COPY_IN => self.awaiting = false,
            READY => self.ready(body.first().copied().unwrap_or(IDLE)),
            _ => {}
        }
        true
    }

    fn ready(&mut self, status: u8) {
        // Rolled back to a savepoint, the settings may be gone with what came after it.
        if status == IDLE || (self.status, status) == (FAILED, IN_TRANSACTION) {
            self.is_set = false;
        }
        self.status = status;
        self.awaiting = false;
        self.texts.clear();
    }
}

/// Whether a statement must be alone in its transaction: nothing may be set before it.
fn is_alone(text: &[u8]) -> bool {
    let lines = text.split(|byte| *byte == b'\n');
    let mut said = lines.filter(|line| !line.starts_with(b"--"));
    said.next().is_some_and(|line| {
        line.get(..ALONE.len()).is_some_and(|word| word.eq_ignore_ascii_case(ALONE))
    })
}

/// The messages that set these for the transaction that is open.
fn set(settings: &[(String, String)]) -> Vec<u8> {
    let mut messages = Vec::new();
    if settings.is_empty() {
        return messages;
    }
    let calls = (0..settings.len())
        .map(|place| format!("set_config(${}, ${}, true)", place * 2 + 1, place * 2 + 2));
    let text = format!("SELECT {}", calls.collect::<Vec<_>>().join(", "));
    message::write(&mut messages, PARSE, &[b"\0", text.as_bytes(), b"\0\0\0"]);
    let mut values = Vec::new();
    for value in settings.iter().flat_map(|(name, value)| [name, value]) {
        values.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
        values.extend(value.as_bytes());
    }
    let count = u16::try_from(settings.len() * 2).unwrap_or(u16::MAX).to_be_bytes();
    // No portal, no name, all values as text, and so the answers.
    message::write(&mut messages, BIND, &[b"\0\0\0\0", &count, &values, b"\0\0"]);
    message::write(&mut messages, EXECUTE, &[b"\0\0\0\0\0"]);
    messages
}

#[cfg(test)]
mod tests;
