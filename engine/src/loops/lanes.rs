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
    /// The safe mark as it was kept last.
    kept: DateTime<Utc>,
    /// When the last job that was claimed was due: what the kept mark has to pass.
    claimed: DateTime<Utc>,
}

/// What a look saw of one lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) priority: i16,
    /// When its first job that nobody has is due, or was.
    pub(crate) first: Option<DateTime<Utc>>,
    pub(crate) now: DateTime<Utc>,
    pub(crate) xmin: u64,
    pub(crate) xmax: u64,
}

impl Lanes {
    /// Starts at the beginning of time.
    pub(crate) const fn new() -> Self {
        let start = DateTime::UNIX_EPOCH;
        let lane = Lane {
            fast: start,
            safe: start,
            proven: start,
            candidate: None,
            kept: start,
            claimed: start,
        };
        Self { lanes: [lane; 4] }
    }

    /// Starts a lane at the mark that was kept.
    pub(crate) fn kept(&mut self, priority: i16, safe: DateTime<Utc>) {
        if let Some(lane) = self.lane(priority) {
            *lane =
                Lane { fast: safe, safe, proven: safe, candidate: None, kept: safe, claimed: safe };
        }
    }

    /// The safe marks that have moved since they were kept last, and would spare a new process something to walk; they
    /// count as kept from now on. An idle lane has none.
    pub(crate) fn take_moved(&mut self) -> Vec<(i16, DateTime<Utc>)> {
        let mut moved = Vec::new();
        for (priority, lane) in Priority::ALL.into_iter().zip(&mut self.lanes) {
            if lane.safe > lane.kept && lane.kept < lane.claimed {
                lane.kept = lane.safe;
                moved.push((priority.number(), lane.safe));
            }
        }
        moved
    }

    fn lane(&mut self, priority: i16) -> Option<&mut Lane> {
        usize::try_from(priority).ok().and_then(|index| self.lanes.get_mut(index))
    }

    pub(crate) fn fast(&self) -> [DateTime<Utc>; 4] {
        self.lanes.map(|lane| lane.fast)
    }

    pub(crate) fn safe(&self) -> [DateTime<Utc>; 4] {
        self.lanes.map(|lane| lane.safe)
    }

    /// The marks of several queues, a column for each priority.
    pub(crate) fn columns(
        queues: impl Iterator<Item = [DateTime<Utc>; 4]>,
    ) -> [Vec<DateTime<Utc>>; 4] {
        let mut columns: [Vec<DateTime<Utc>>; 4] = Default::default();
        for marks in queues {
            for (column, mark) in columns.iter_mut().zip(marks) {
                column.push(mark);
            }
        }
        columns
    }

    /// A job was claimed that was due at `run_at`: what lies before it in its lane is claimed too.
    pub(crate) fn claimed(&mut self, priority: i16, run_at: DateTime<Utc>) {
        if let Some(lane) = self.lane(priority) {
            lane.fast = lane.fast.max(run_at - SLACK);
            lane.claimed = lane.claimed.max(run_at);
        }
    }

    /// Takes in a look: raises the safe mark as far as is proven, and lowers the fast one to a job that is ready below it.
    pub(crate) fn seen(&mut self, seen: Seen) {
        let Some(lane) = self.lane(seen.priority) else { return };
        match lane.candidate {
            Some((at, xmax)) if seen.xmin >= xmax => {
                // Every transaction that was open at the candidate's snapshot has ended: nothing can come below it.
                lane.proven = lane.proven.max(at - PROOF_SLACK);
                lane.candidate = Some((seen.now, seen.xmax));
            }
            Some(_) => {}
            None => lane.candidate = Some((seen.now, seen.xmax)),
        }
        let first = seen.first.unwrap_or(seen.now);
        lane.safe = lane.safe.max(first.min(seen.now).min(lane.proven) - SLACK);
        lane.fast = lane.fast.min(first - SLACK).max(lane.safe);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn sweep(first: Option<i64>, now: i64, xmin: u64, xmax: u64) -> Seen {
        Seen { priority: 0, first: first.map(at), now: at(now), xmin, xmax }
    }

    #[test]
    fn the_safe_mark_waits_for_every_transaction_that_was_open() {
        let mut lanes = Lanes::new();
        lanes.seen(sweep(None, 10, 100, 105));
        lanes.seen(sweep(None, 20, 104, 110)); // 104 was open at the first sweep and still is
        assert_eq!(lanes.safe()[0], DateTime::UNIX_EPOCH);
        lanes.seen(sweep(None, 30, 105, 120));
        assert_eq!(lanes.safe()[0], at(10) - PROOF_SLACK - SLACK);
    }

    #[test]
    fn a_mark_is_kept_until_it_has_passed_what_was_claimed_and_then_left_alone() {
        let mut lanes = Lanes::new();
        lanes.seen(sweep(None, 10, 100, 100));
        lanes.seen(sweep(None, 11, 100, 100));
        assert_eq!(lanes.take_moved(), [], "nothing was claimed");
        lanes.claimed(0, at(20));
        for now in [21, 22, 30, 40] {
            lanes.seen(sweep(None, now, 100, 100));
        }
        assert_eq!(lanes.take_moved(), [(0, at(30) - PROOF_SLACK - SLACK)]);
        lanes.seen(sweep(None, 50, 100, 100));
        assert_eq!(lanes.take_moved(), [], "an idle lane writes nothing");
    }

    #[test]
    fn a_late_committer_lowers_the_fast_mark_again() {
        let mut lanes = Lanes::new();
        lanes.claimed(0, at(50));
        assert_eq!(lanes.fast()[0], at(50) - SLACK);
        lanes.seen(sweep(Some(40), 60, 1, 2));
        assert_eq!(lanes.fast()[0], at(40) - SLACK);
    }

    #[test]
    fn the_safe_mark_never_passes_a_ready_job() {
        let mut lanes = Lanes::new();
        lanes.seen(sweep(Some(5), 10, 1, 2));
        lanes.seen(sweep(Some(5), 100, 50, 60));
        assert!(lanes.safe()[0] <= at(5));
    }
}
