//! Up to which moment no transaction is open any more that could still bring a row. A row is stamped by the clock after
//! its transaction has its id and has locked the table, and both are visible to others: so all that was stamped before a
//! moment has been decided once every transaction has ended that had an id then, or, where one of those stays open for
//! other reasons, every one that had the table locked for writing then.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};

/// How far the proven moment stays behind the one that it was proven for: a row is stamped after its transaction has
/// its id, up to scheduling delays.
pub(super) const SLACK: TimeDelta = TimeDelta::seconds(1);

/// What is proven so far, and what is to be proven next.
#[derive(Debug)]
pub(super) struct Proof {
    proven: DateTime<Utc>,
    candidate: Option<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    at: DateTime<Utc>,
    xmax: u64,
    /// A look came too early for it.
    stalled: bool,
    /// Who had the table locked for writing at some moment after it, and had not ended at the last look.
    writers: Option<Writers>,
}

/// The transactions that have the table locked for writing, by their virtual ids.
pub(super) type Writers = HashSet<String>;

/// The snapshot of a look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Snapshot {
    pub(super) now: DateTime<Utc>,
    pub(super) xmin: u64,
    pub(super) xmax: u64,
}

impl Proof {
    /// Nothing is proven.
    pub(super) const fn new() -> Self {
        Self { proven: DateTime::UNIX_EPOCH, candidate: None }
    }

    /// Whether the next look had better ask first who writes: somebody's transaction stays open.
    pub(super) fn is_stalled(&self) -> bool {
        self.candidate.as_ref().is_some_and(|candidate| candidate.stalled)
    }

    /// Takes in a look: its snapshot, and who wrote just before it was taken, if that was asked. Returns the moment that
    /// is proven now.
    pub(super) fn seen(&mut self, snapshot: Snapshot, writers: Option<Writers>) -> DateTime<Utc> {
        let next =
            Candidate { at: snapshot.now, xmax: snapshot.xmax, stalled: false, writers: None };
        let Some(candidate) = &mut self.candidate else {
            self.candidate = Some(next);
            return self.proven;
        };
        if candidate.has_passed(snapshot, writers) {
            self.proven = self.proven.max(candidate.at - SLACK);
            *candidate = next;
        } else {
            candidate.stalled = true;
        }
        self.proven
    }
}

impl Candidate {
    fn has_passed(&mut self, snapshot: Snapshot, writers: Option<Writers>) -> bool {
        if snapshot.xmin >= self.xmax {
            return true;
        }
        let Some(now) = writers else { return false };
        // Asked after the candidate's moment and before this snapshot: whoever is not among them now has ended, and the
        // snapshot sees what they did.
        let left = match &self.writers {
            Some(then) => then.intersection(&now).cloned().collect(),
            None => now,
        };
        self.writers.insert(left).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn snapshot(now: i64, xmin: u64, xmax: u64) -> Snapshot {
        Snapshot { now: at(now), xmin, xmax }
    }

    fn writing(transactions: &[&str]) -> Option<Writers> {
        Some(transactions.iter().map(|id| (*id).to_owned()).collect())
    }

    #[test]
    fn a_moment_is_proven_when_every_transaction_that_was_open_has_ended() {
        let mut proof = Proof::new();
        proof.seen(snapshot(10, 100, 105), None);
        // 104 was open at the first look and still is.
        assert_eq!(proof.seen(snapshot(20, 104, 110), None), DateTime::UNIX_EPOCH);
        assert_eq!(proof.seen(snapshot(30, 105, 120), None), at(10) - SLACK);
    }

    #[test]
    fn a_transaction_that_stays_open_and_writes_elsewhere_proves_nothing_wrong() {
        let mut proof = Proof::new();
        proof.seen(snapshot(10, 100, 105), None);
        assert!(!proof.is_stalled());
        proof.seen(snapshot(20, 100, 110), None);
        assert!(proof.is_stalled());
        // Two write at the queue, and one of them is still at it when it is asked again.
        assert_eq!(
            proof.seen(snapshot(30, 100, 115), writing(&["3/7", "4/9"])),
            DateTime::UNIX_EPOCH
        );
        assert_eq!(
            proof.seen(snapshot(40, 100, 120), writing(&["4/9", "5/1"])),
            DateTime::UNIX_EPOCH
        );
        assert_eq!(proof.seen(snapshot(50, 100, 125), writing(&["5/1"])), at(10) - SLACK);
        assert!(!proof.is_stalled(), "the next moment is to be proven");
    }

    #[test]
    fn nobody_who_writes_is_proof_enough() {
        let mut proof = Proof::new();
        proof.seen(snapshot(10, 100, 105), None);
        proof.seen(snapshot(20, 100, 110), None);
        assert_eq!(proof.seen(snapshot(30, 100, 115), writing(&[])), at(10) - SLACK);
    }
}
