//! What is said in a hint, and how it travels.

use crate::enqueue::NewJob;
use crate::loops::lanes::LaneId;

/// Between the parts of a notification; no queue's name has it.
const SEPARATOR: char = '\u{1f}';

/// Which queue has work, and where workspaces take turns in it, whose. Made from a queue's name or from the job that was
/// enqueued; only the latter says whose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hint {
    pub(super) queue: String,
    pub(super) part: Part,
}

/// Which part of a queue a hint is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// What is everybody's.
    Common,
    /// One workspace's part of a lane.
    Own(LaneId),
    /// Whatever a look finds.
    Any,
}

impl Hint {
    /// At one lane.
    pub(crate) fn at(queue: &str, lane: LaneId) -> Self {
        let part = if lane.share == 0 { Part::Common } else { Part::Own(lane) };
        Self { queue: queue.to_owned(), part }
    }

    /// At a queue, wherever in it.
    pub(crate) fn anywhere(queue: &str) -> Self {
        Self { queue: queue.to_owned(), part: Part::Any }
    }

    pub(in crate::loops) fn queue(&self) -> &str {
        &self.queue
    }

    /// As it is sent.
    pub(crate) fn payload(&self) -> String {
        let Self { queue, part } = self;
        match part {
            Part::Common => queue.clone(),
            Part::Own(LaneId { number, share }) => {
                format!("{queue}{SEPARATOR}{number}{SEPARATOR}{share}")
            }
            Part::Any => format!("{queue}{SEPARATOR}"),
        }
    }

    /// As it was sent. What another version adds to it is not understood, and looked for.
    pub(in crate::loops) fn parse(payload: &str) -> Self {
        let Some((queue, part)) = payload.split_once(SEPARATOR) else {
            return Self::from(payload);
        };
        let lane = part.split_once(SEPARATOR).and_then(|(number, share)| {
            Some(LaneId { number: number.parse().ok()?, share: share.parse().ok()? })
        });
        Self { queue: queue.to_owned(), part: lane.map_or(Part::Any, Part::Own) }
    }
}

impl From<&str> for Hint {
    fn from(queue: &str) -> Self {
        Self { queue: queue.to_owned(), part: Part::Common }
    }
}

impl From<&NewJob> for Hint {
    fn from(job: &NewJob) -> Self {
        let lane = LaneId { number: job.priority.number(), share: job.share };
        Self::at(&job.queue, lane)
    }
}
