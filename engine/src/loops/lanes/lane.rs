//! One lane: its name, its marks, and who is served in it.

use chrono::{DateTime, TimeDelta, Utc};

/// How far the fast mark stays behind what was claimed: rows are stamped shortly before they commit.
pub(super) const SLACK: TimeDelta = TimeDelta::milliseconds(20);

/// A lane of a queue, or where workspaces take turns, the part of it that is a workspace's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LaneId {
    pub(crate) number: i16,
    /// 0 is everybody's.
    pub(crate) share: i32,
}

impl LaneId {
    /// Everybody's part of a lane.
    pub(crate) const fn common(number: i16) -> Self {
        Self { number, share: 0 }
    }

    /// Whether it is always asked: what need not be is only asked when something is expected in it.
    pub(super) const fn is_common(self) -> bool {
        self.share == 0
    }
}

/// What is known of a lane.
#[derive(Debug, Clone, Copy)]
pub(in crate::loops) struct Lane {
    pub(super) fast: DateTime<Utc>,
    pub(super) safe: DateTime<Utc>,
    /// The safe mark as it was kept last.
    pub(super) kept: DateTime<Utc>,
    /// When the last job that was claimed was due: what the kept mark has to pass.
    pub(super) claimed: DateTime<Utc>,
    /// When its first job was due, or is, as it was seen last.
    pub(in crate::loops) first: Option<DateTime<Utc>>,
    /// When something was seen in it last.
    pub(super) seen: DateTime<Utc>,
    /// There may be something due in it.
    pub(in crate::loops) expected: bool,
    /// How much its workspace has had, each job divided by the workspace's weight.
    pub(in crate::loops) served: f64,
}

impl Lane {
    pub(super) const fn at(safe: DateTime<Utc>) -> Self {
        Self {
            fast: safe,
            safe,
            kept: safe,
            claimed: safe,
            first: None,
            seen: safe,
            expected: false,
            served: 0.0,
        }
    }

    /// Where a claim starts, which is the safe mark where it should see everything.
    pub(in crate::loops) const fn mark(&self, fast: bool) -> DateTime<Utc> {
        if fast { self.fast } else { self.safe }
    }

    pub(super) fn expect(&mut self, least_served: f64) {
        self.expected = true;
        self.served = self.served.max(least_served);
    }
}
