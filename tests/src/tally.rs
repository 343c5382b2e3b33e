//! How much a client says to Postgres: statements and round trips, counted on the wire.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What was said over all connections of a proxy.
#[derive(Debug, Default)]
pub struct Tally {
    statements: AtomicUsize,
    round_trips: AtomicUsize,
}

/// What was said up to a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// Statements that were executed.
    pub statements: usize,
    /// How often an answer was waited for.
    pub round_trips: usize,
}

impl Tally {
    /// What was said so far.
    #[must_use]
    pub fn said(&self) -> Said {
        Said {
            statements: self.statements.load(Ordering::Relaxed),
            round_trips: self.round_trips.load(Ordering::Relaxed),
        }
    }

    fn message(&self, kind: u8) {
        if matches!(kind, b'E' | b'Q') {
            self.statements.fetch_add(1, Ordering::Relaxed);
        }
        if matches!(kind, b'S' | b'Q') {
            self.round_trips.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Said {
    /// What was said since an earlier moment.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            statements: self.statements - earlier.statements,
            round_trips: self.round_trips - earlier.round_trips,
        }
    }
}

/// Finds the messages in what one client says. The first has no kind: it opens the connection.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    opened: bool,
    header: Vec<u8>,
    rest: usize,
}

impl Messages {
    pub(crate) fn read(&mut self, bytes: &[u8], tally: &Tally) {
        for byte in bytes {
            if self.rest > 0 {
                self.rest -= 1;
                continue;
            }
            self.header.push(*byte);
            let length = if self.opened { self.header.get(1..5) } else { self.header.get(..4) };
            let Some(&[a, b, c, d]) = length else { continue };
            // The length counts itself.
            self.rest = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(4) - 4;
            if let (true, Some(kind)) = (self.opened, self.header.first()) {
                tally.message(*kind);
            }
            self.opened = true;
            self.header.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_wherever_the_packets_are_cut() {
        let mut said: Vec<u8> = vec![0, 0, 0, 8, 0, 3, 0, 0];
        for kind in [b'P', b'B', b'E', b'S', b'Q'] {
            said.extend([kind, 0, 0, 0, 6, b'E', b'S']);
        }
        for size in 1..said.len() {
            let (tally, mut messages) = (Tally::default(), Messages::default());
            for packet in said.chunks(size) {
                messages.read(packet, &tally);
            }
            assert_eq!(tally.said(), Said { statements: 2, round_trips: 2 }, "packets of {size}");
        }
    }
}
