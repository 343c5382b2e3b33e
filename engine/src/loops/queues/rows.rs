//! What claims, looks and kept marks send to the database: columns, a row for each lane.

use chrono::{DateTime, Utc};

use crate::loops::lanes::{Gap, LaneId};
use crate::loops::order::Wanted;

/// What a claim asks for: a row for each queue, and of each queue some rows for its lanes.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) names: Vec<String>,
    pub(crate) free: Vec<i64>,
    /// The places of the queue's first and last lane, from 1.
    pub(crate) first_lanes: Vec<i32>,
    pub(crate) last_lanes: Vec<i32>,
    pub(crate) numbers: Vec<i16>,
    pub(crate) shares: Vec<i32>,
    pub(crate) marks: Vec<DateTime<Utc>>,
    pub(crate) most: Vec<i64>,
}

/// What a look asks about.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    pub(crate) known: Marks,
    pub(crate) gaps: Gaps,
}

/// Safe marks, a row each.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    pub(crate) queues: Vec<String>,
    pub(crate) numbers: Vec<i16>,
    pub(crate) shares: Vec<i32>,
    pub(crate) safe: Vec<DateTime<Utc>>,
}

/// What lies between the known lanes, a row each.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    pub(crate) queues: Vec<String>,
    pub(crate) numbers: Vec<i16>,
    pub(crate) after: Vec<i32>,
    pub(crate) before: Vec<i64>,
}

impl Asked {
    pub(super) fn push(&mut self, queue: &str, free: usize, wanted: &[Wanted]) {
        let place = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        self.names.push(queue.to_owned());
        self.free.push(i64::try_from(free).unwrap_or(i64::MAX));
        self.first_lanes.push(place(self.numbers.len() + 1));
        for lane in wanted {
            self.numbers.push(lane.lane.number);
            self.shares.push(lane.lane.share);
            self.marks.push(lane.mark);
            self.most.push(i64::try_from(lane.most).unwrap_or(i64::MAX));
        }
        self.last_lanes.push(place(self.numbers.len()));
    }

    /// The place of a queue.
    pub(crate) fn place(&self, queue: &str) -> Option<usize> {
        self.names.iter().position(|name| name == queue)
    }

    /// The lanes of the queue at `place`, and how many each may give.
    pub(super) fn lanes(&self, place: usize) -> impl Iterator<Item = (LaneId, i64)> {
        let at = |places: &[i32]| places.get(place).and_then(|place| usize::try_from(*place).ok());
        let (first, last) = (at(&self.first_lanes).unwrap_or(1), at(&self.last_lanes).unwrap_or(0));
        let lanes = self.numbers.iter().zip(&self.shares).zip(&self.most);
        lanes
            .map(|((number, share), most)| (LaneId { number: *number, share: *share }, *most))
            .take(last)
            .skip(first.saturating_sub(1))
    }
}

impl Marks {
    pub(super) fn push(&mut self, queue: &str, lane: LaneId, safe: DateTime<Utc>) {
        self.queues.push(queue.to_owned());
        self.numbers.push(lane.number);
        self.shares.push(lane.share);
        self.safe.push(safe);
    }
}

impl Gaps {
    pub(super) fn push(&mut self, queue: &str, Gap { number, after, before }: Gap) {
        self.queues.push(queue.to_owned());
        self.numbers.push(number);
        self.after.push(after);
        self.before.push(before);
    }
}
