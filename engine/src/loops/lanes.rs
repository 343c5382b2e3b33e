//! Where each lane's claims start. Finished jobs leave dead index entries behind, and while somebody holds an old
//! snapshot open vacuum cannot remove them; a claim that starts at the mark never walks them.
//!
//! The *fast* mark follows what this process has claimed. The *safe* mark is proven (see `proof`): no transaction that
//! could still bring a row below it is open. A look from the safe mark finds what late committers left behind the fast one.

use chrono::{DateTime, TimeDelta, Utc};

/// How far the fast mark stays behind what was claimed: rows are stamped shortly before they commit.
const SLACK: TimeDelta = TimeDelta::milliseconds(20);

/// Their numbers in rows, best first: what had begun and lost its process, then the priorities.
const NUMBERS: [i16; 5] = [-1, 0, 1, 2, 3];

/// A value for each lane.
pub(crate) type PerLane<T> = [T; NUMBERS.len()];

/// The marks of one queue, a pair for each lane.
#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: PerLane<Lane>,
}

#[derive(Debug, Clone, Copy)]
struct Lane {
    fast: DateTime<Utc>,
    safe: DateTime<Utc>,
    /// The safe mark as it was kept last.
    kept: DateTime<Utc>,
    /// When the last job that was claimed was due: what the kept mark has to pass.
    claimed: DateTime<Utc>,
}

/// What a look saw of one lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) lane: i16,
    /// When its first job that nobody has is due, or was.
    pub(crate) first: Option<DateTime<Utc>>,
    pub(crate) now: DateTime<Utc>,
    /// Up to when nothing can come any more.
    pub(crate) proven: DateTime<Utc>,
}

impl Lanes {
    /// Starts at the beginning of time.
    pub(crate) const fn new() -> Self {
        let start = DateTime::UNIX_EPOCH;
        let lane = Lane { fast: start, safe: start, kept: start, claimed: start };
        Self { lanes: [lane; NUMBERS.len()] }
    }

    /// Starts a lane at the mark that was kept.
    pub(crate) fn kept(&mut self, lane: i16, safe: DateTime<Utc>) {
        if let Some(lane) = self.lane(lane) {
            *lane = Lane { fast: safe, safe, kept: safe, claimed: safe };
        }
    }

    /// The safe marks that have moved since they were kept last, and would spare a new process something to walk; they
    /// count as kept from now on. An idle lane has none.
    pub(crate) fn take_moved(&mut self) -> Vec<(i16, DateTime<Utc>)> {
        let mut moved = Vec::new();
        for (number, lane) in NUMBERS.into_iter().zip(&mut self.lanes) {
            if lane.safe > lane.kept && lane.kept < lane.claimed {
                lane.kept = lane.safe;
                moved.push((number, lane.safe));
            }
        }
        moved
    }

    fn lane(&mut self, number: i16) -> Option<&mut Lane> {
        let index = NUMBERS.iter().position(|known| *known == number)?;
        self.lanes.get_mut(index)
    }

    pub(crate) fn fast(&self) -> PerLane<DateTime<Utc>> {
        self.lanes.map(|lane| lane.fast)
    }

    pub(crate) fn safe(&self) -> PerLane<DateTime<Utc>> {
        self.lanes.map(|lane| lane.safe)
    }

    /// The marks of several queues, a column for each lane.
    pub(crate) fn columns(
        queues: impl Iterator<Item = PerLane<DateTime<Utc>>>,
    ) -> PerLane<Vec<DateTime<Utc>>> {
        let mut columns: PerLane<Vec<DateTime<Utc>>> = Default::default();
        for marks in queues {
            for (column, mark) in columns.iter_mut().zip(marks) {
                column.push(mark);
            }
        }
        columns
    }

    /// A job was claimed that was due at `run_at`: what lies before it in its lane is claimed too.
    pub(crate) fn claimed(&mut self, lane: i16, run_at: DateTime<Utc>) {
        if let Some(lane) = self.lane(lane) {
            lane.fast = lane.fast.max(run_at - SLACK);
            lane.claimed = lane.claimed.max(run_at);
        }
    }

    /// Takes in a look: raises the safe mark as far as is proven, and lowers the fast one to a job that is ready below it.
    pub(crate) fn seen(&mut self, seen: Seen) {
        let Some(lane) = self.lane(seen.lane) else { return };
        let first = seen.first.unwrap_or(seen.now);
        lane.safe = lane.safe.max(first.min(seen.now).min(seen.proven) - SLACK);
        lane.fast = lane.fast.min(first - SLACK).max(lane.safe);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn look(first: Option<i64>, now: i64, proven: i64) -> Seen {
        Seen { lane: 0, first: first.map(at), now: at(now), proven: at(proven) }
    }

    #[test]
    fn the_safe_mark_waits_for_the_proof() {
        let mut lanes = Lanes::new();
        lanes.seen(look(None, 20, 9));
        assert_eq!(lanes.safe()[1], at(9) - SLACK);
    }

    #[test]
    fn a_mark_is_kept_until_it_has_passed_what_was_claimed_and_then_left_alone() {
        let mut lanes = Lanes::new();
        lanes.seen(look(None, 11, 10));
        assert_eq!(lanes.take_moved(), [], "nothing was claimed");
        lanes.claimed(0, at(20));
        for (now, proven) in [(21, 11), (22, 21), (40, 30)] {
            lanes.seen(look(None, now, proven));
        }
        assert_eq!(lanes.take_moved(), [(0, at(30) - SLACK)]);
        lanes.seen(look(None, 50, 49));
        assert_eq!(lanes.take_moved(), [], "an idle lane writes nothing");
    }

    #[test]
    fn a_late_committer_lowers_the_fast_mark_again() {
        let mut lanes = Lanes::new();
        lanes.claimed(0, at(50));
        assert_eq!(lanes.fast()[1], at(50) - SLACK);
        lanes.seen(look(Some(40), 60, 0));
        assert_eq!(lanes.fast()[1], at(40) - SLACK);
    }

    #[test]
    fn the_safe_mark_never_passes_a_ready_job() {
        let mut lanes = Lanes::new();
        lanes.seen(look(Some(5), 100, 90));
        assert!(lanes.safe()[1] <= at(5));
    }
}
