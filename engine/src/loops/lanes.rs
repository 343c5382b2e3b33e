//! Where each lane's claims start. Finished jobs leave dead index entries behind, and while somebody holds an old
//! snapshot open vacuum cannot remove them; a claim that starts at the mark never walks them.
//!
//! The *fast* mark follows what this process has claimed. The *safe* mark is proven: no transaction that could still
//! bring a row below it is open. A sweep from the safe mark finds what late committers left behind the fast one.

use chrono::{DateTime, TimeDelta, Utc};

use crate::job::Priority;

/// How far the fast mark stays behind what was claimed: rows are stamped shortly before they commit.
const SLACK: TimeDelta = TimeDelta::milliseconds(20);

/// How far the proven mark stays behind the moment that it was proven for: a row is stamped after its transaction
/// has its id, up to scheduling delays.
const PROOF_SLACK: TimeDelta = TimeDelta::seconds(1);

/// The marks of one queue, a pair for each priority.
#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: [Lane; 4],
}

#[derive(Debug, Clone, Copy)]
struct Lane {
    fast: DateTime<Utc>,
    safe: DateTime<Utc>,
    proven: DateTime<Utc>,
    candidate: Option<(DateTime<Utc>, u64)>,
}

/// What a sweep saw of one lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Swept {
    pub(crate) priority: i16,
    pub(crate) first_ready: Option<DateTime<Utc>>,
    pub(crate) now: DateTime<Utc>,
    pub(crate) xmin: u64,
    pub(crate) xmax: u64,
}

impl Lanes {
    /// Starts at the marks that were kept, or at the beginning of time.
    pub(crate) fn new(kept: impl IntoIterator<Item = (i16, DateTime<Utc>)>) -> Self {
        let start = DateTime::UNIX_EPOCH;
        let lane = Lane { fast: start, safe: start, proven: start, candidate: None };
        let mut lanes = Self { lanes: [lane; 4] };
        for (priority, safe) in kept {
            if let Some(lane) = lanes.lane(priority) {
                *lane = Lane { fast: safe, safe, proven: safe, candidate: None };
            }
        }
        lanes
    }

    fn lane(&mut self, priority: i16) -> Option<&mut Lane> {
        usize::try_from(priority).ok().and_then(|index| self.lanes.get_mut(index))
    }

    pub(crate) fn priorities() -> Vec<i16> {
        Priority::ALL.into_iter().map(Priority::number).collect()
    }

    pub(crate) fn fast(&self) -> Vec<DateTime<Utc>> {
        self.lanes.iter().map(|lane| lane.fast).collect()
    }

    pub(crate) fn safe(&self) -> Vec<DateTime<Utc>> {
        self.lanes.iter().map(|lane| lane.safe).collect()
    }

    /// A job was claimed that was due at `run_at`: what lies before it in its lane is claimed too.
    pub(crate) fn claimed(&mut self, priority: i16, run_at: DateTime<Utc>) {
        if let Some(lane) = self.lane(priority) {
            lane.fast = lane.fast.max(run_at - SLACK);
        }
    }

    /// Takes in a sweep. True when it found a ready job below the fast mark, which is lowered to it.
    pub(crate) fn swept(&mut self, seen: Swept) -> bool {
        let Some(lane) = self.lane(seen.priority) else { return false };
        match lane.candidate {
            Some((at, xmax)) if seen.xmin >= xmax => {
                // Every transaction that was open at the candidate's snapshot has ended: nothing can come below it.
                lane.proven = lane.proven.max(at - PROOF_SLACK);
                lane.candidate = Some((seen.now, seen.xmax));
            }
            Some(_) => {}
            None => lane.candidate = Some((seen.now, seen.xmax)),
        }
        let bound = seen.first_ready.unwrap_or(seen.now).min(lane.proven) - SLACK;
        lane.safe = lane.safe.max(bound);
        match seen.first_ready {
            Some(first) if first - SLACK < lane.fast => {
                lane.fast = first - SLACK;
                true
            }
            Some(_) => true,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn sweep(first: Option<i64>, now: i64, xmin: u64, xmax: u64) -> Swept {
        Swept { priority: 0, first_ready: first.map(at), now: at(now), xmin, xmax }
    }

    #[test]
    fn the_safe_mark_waits_for_every_transaction_that_was_open() {
        let mut lanes = Lanes::new([]);
        lanes.swept(sweep(None, 10, 100, 105));
        lanes.swept(sweep(None, 20, 104, 110)); // 104 was open at the first sweep and still is
        assert_eq!(lanes.safe()[0], DateTime::UNIX_EPOCH);
        lanes.swept(sweep(None, 30, 105, 120));
        assert_eq!(lanes.safe()[0], at(10) - PROOF_SLACK - SLACK);
    }

    #[test]
    fn a_late_committer_lowers_the_fast_mark_again() {
        let mut lanes = Lanes::new([]);
        lanes.claimed(0, at(50));
        assert_eq!(lanes.fast()[0], at(50) - SLACK);
        assert!(lanes.swept(sweep(Some(40), 60, 1, 2)));
        assert_eq!(lanes.fast()[0], at(40) - SLACK);
    }

    #[test]
    fn the_safe_mark_never_passes_a_ready_job() {
        let mut lanes = Lanes::new([]);
        lanes.swept(sweep(Some(5), 10, 1, 2));
        lanes.swept(sweep(Some(5), 100, 50, 60));
        assert!(lanes.safe()[0] <= at(5));
    }
}
