//! Where each lane's claims may start. Finished jobs leave dead index entries behind, and while somebody holds an old
//! snapshot open vacuum cannot remove them; a claim that starts at the mark never walks them.
//!
//! The *fast* mark follows what this process has claimed. The *safe* mark is proven (see `proof`): no transaction that
//! could still bring a row below it is open. A look from the safe mark finds what late committers left behind the fast one.

mod lane;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

pub(super) use lane::Lane;
pub(crate) use lane::LaneId;
use lane::SLACK;

/// A share in which nothing has stood for so long is forgotten; if something comes, it is found like a new one.
const FORGET: TimeDelta = TimeDelta::hours(1);

/// The numbers of the lanes in rows, best first: what had begun and lost its process, then the priorities.
pub(super) const NUMBERS: [i16; 5] = [-1, 0, 1, 2, 3];

/// The lanes of one queue that are known: everybody's, and those of workspaces in which something stands or stood lately.
#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: BTreeMap<LaneId, Lane>,
    /// The safe mark of every lane that is not known.
    floor: DateTime<Utc>,
}

/// What a look saw of one lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) lane: LaneId,
    /// When its first job that nobody has is due, or was.
    pub(crate) first: Option<DateTime<Utc>>,
    pub(crate) now: DateTime<Utc>,
    /// Up to when nothing can come any more.
    pub(crate) proven: DateTime<Utc>,
}

/// The shares of a lane between two known ones that are next to each other, or behind the last. Everybody's, the first, is
/// always known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) number: i16,
    pub(super) after: i32,
    pub(super) before: i64,
}

impl Gap {
    /// Behind every share.
    const END: i64 = i32::MAX as i64 + 1;
}

impl Lanes {
    /// Everybody's lanes, from the beginning of time.
    pub(crate) fn new() -> Self {
        let start = DateTime::UNIX_EPOCH;
        let lanes = NUMBERS.map(|number| (LaneId::common(number), Lane::at(start)));
        Self { lanes: lanes.into(), floor: start }
    }

    /// Starts a lane at the mark that was kept.
    pub(crate) fn kept(&mut self, lane: LaneId, safe: DateTime<Utc>) {
        self.lanes.insert(lane, Lane::at(safe));
    }

    /// The safe marks that have moved since they were kept last, and would spare a new process something to walk; they
    /// count as kept from now on. An idle lane has none.
    pub(crate) fn take_moved(&mut self) -> Vec<(LaneId, DateTime<Utc>)> {
        let mut moved = Vec::new();
        for (id, lane) in &mut self.lanes {
            if lane.safe > lane.kept && lane.kept < lane.claimed {
                lane.kept = lane.safe;
                moved.push((*id, lane.safe));
            }
        }
        moved
    }

    /// The known lanes with their safe marks.
    pub(super) fn safe(&self) -> impl Iterator<Item = (LaneId, DateTime<Utc>)> {
        self.lanes.iter().map(|(id, lane)| (*id, lane.safe))
    }

    /// The parts of a lane that are worth asking, everybody's first.
    pub(super) fn worth_asking(&self, number: i16) -> impl Iterator<Item = (LaneId, &Lane)> {
        let last = LaneId { number, share: i32::MAX };
        self.lanes
            .range(LaneId::common(number)..=last)
            .filter(|(id, lane)| id.is_common() || lane.expected)
            .map(|(id, lane)| (*id, lane))
    }

    /// What lies between the known lanes.
    pub(super) fn gaps(&self) -> impl Iterator<Item = Gap> {
        let next = self.lanes.keys().skip(1).map(Some).chain(std::iter::once(None));
        self.lanes.keys().zip(next).map(|(lane, next)| {
            let next = next.filter(|next| next.number == lane.number);
            let before = next.map_or(Gap::END, |next| i64::from(next.share));
            Gap { number: lane.number, after: lane.share, before }
        })
    }

    /// Somebody says that something is due in a lane. Whether nothing was expected there before.
    pub(super) fn expect(&mut self, lane: LaneId) -> bool {
        if self.lanes.get(&lane).is_some_and(|lane| lane.expected) {
            return false;
        }
        let least = self.least_served(lane.number);
        self.lanes.entry(lane).or_insert_with(|| Lane::at(self.floor)).expect(least);
        true
    }

    /// A job was claimed that was due at `run_at`: what lies before it in its lane is claimed too. It counts `cost` for its
    /// workspace.
    pub(crate) fn claimed(&mut self, lane: LaneId, run_at: DateTime<Utc>, cost: f64) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.fast = lane.fast.max(run_at - SLACK);
            lane.claimed = lane.claimed.max(run_at);
            lane.served += cost;
        }
    }

    /// A claim has asked for more of this lane than there was.
    pub(super) fn emptied(&mut self, lane: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.expected = false;
        }
    }

    /// Takes in a look: raises the safe mark as far as is proven, and lowers the fast one to a job that is ready below it.
    pub(crate) fn seen(&mut self, seen: Seen) {
        let Seen { lane: id, first, now, proven } = seen;
        let lane = self.lanes.entry(id).or_insert_with(|| Lane::at(DateTime::UNIX_EPOCH));
        let begin = first.unwrap_or(now);
        lane.safe = lane.safe.max(begin.min(now).min(proven) - SLACK);
        lane.fast = lane.fast.min(begin - SLACK).max(lane.safe);
        lane.first = first;
        if first.is_some() {
            lane.seen = now;
        }
        if first.is_some_and(|first| first <= now) {
            self.expect(id);
        }
    }

    /// Every lane has been looked at, also those that were not known: whatever is still not known was empty. Forgets those
    /// in which nothing has stood for long, unless somebody has said meanwhile that something does.
    pub(super) fn all_seen(&mut self, now: DateTime<Utc>, proven: DateTime<Utc>) {
        self.floor = self.floor.max(now.min(proven) - SLACK);
        self.lanes.retain(|id, lane| {
            let stands = lane.first.is_some() || lane.expected;
            id.is_common() || stands || now - lane.seen < FORGET
        });
    }

    /// What the workspaces that stand in a lane have had, the least of it: whoever comes back begins there, and cannot
    /// make up for the time in which it had nothing.
    fn least_served(&self, number: i16) -> f64 {
        self.worth_asking(number)
            .map(|(_, lane)| lane.served)
            .min_by(f64::total_cmp)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
