//! The queues that a process serves: their free slots, their marks, and whether there may be more to claim.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::lanes::{Lanes, PerLane, Seen};

/// All queues of a process.
#[derive(Debug)]
pub(super) struct Queues {
    queues: Vec<Queue>,
    places: HashMap<String, usize>,
}

#[derive(Debug)]
struct Queue {
    name: String,
    total: usize,
    slots: Arc<Semaphore>,
    /// The slots that the claim under way may fill.
    reserved: Option<OwnedSemaphorePermit>,
    lanes: Lanes,
    /// The last claim found something, so the next may start at the fast marks.
    busy: bool,
    /// The last claim took as many as it could, so there may be more.
    backlog: bool,
}

/// What a claim asks for, a row for each queue.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) names: Vec<String>,
    pub(super) free: Vec<i64>,
    /// A column for each lane.
    pub(super) marks: PerLane<Vec<DateTime<Utc>>>,
}

/// Safe marks to keep, a row each.
#[derive(Debug, Default)]
pub(super) struct Moved {
    pub(super) queues: Vec<String>,
    pub(super) lanes: Vec<i16>,
    pub(super) safe: Vec<DateTime<Utc>>,
}

impl Queues {
    /// Queues with so many slots each.
    pub(super) fn new(slots: &[(String, usize)]) -> Self {
        let queues: Vec<Queue> = slots
            .iter()
            .map(|(name, slots)| Queue {
                name: name.clone(),
                total: *slots,
                slots: Arc::new(Semaphore::new(*slots)),
                reserved: None,
                lanes: Lanes::new(),
                busy: false,
                backlog: false,
            })
            .collect();
        let places =
            queues.iter().enumerate().map(|(at, queue)| (queue.name.clone(), at)).collect();
        Self { queues, places }
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.queues.iter().map(|queue| queue.name.clone()).collect()
    }

    pub(super) fn slots(&self) -> HashMap<String, Arc<Semaphore>> {
        self.queues.iter().map(|queue| (queue.name.clone(), Arc::clone(&queue.slots))).collect()
    }

    /// Whether some queue may have more to claim.
    pub(super) fn has_backlog(&self) -> bool {
        self.queues.iter().any(|queue| queue.backlog)
    }

    /// Whether such a queue has so many free slots that a claim is worth its while: a quarter, or a quarter of a batch.
    /// Slots become free one by one; a claim for each would cost more than it brings.
    pub(super) fn has_room(&self, batch: usize) -> bool {
        self.queues.iter().any(|queue| {
            queue.backlog && queue.slots.available_permits() >= queue.total.min(batch).div_ceil(4)
        })
    }

    /// What to claim: as many as there are free slots, `batch` of a queue at most. The slots are reserved until
    /// [`release`](Self::release): jobs that begin here without a claim take slots at any time.
    pub(super) fn ask(&mut self, batch: usize) -> Option<Asked> {
        let (mut names, mut free, mut marks) = (Vec::new(), Vec::new(), Vec::new());
        for queue in &mut self.queues {
            let slots = queue.slots.available_permits().min(batch);
            let reserve = u32::try_from(slots).unwrap_or(u32::MAX);
            if slots > 0
                && let Ok(reserved) = Arc::clone(&queue.slots).try_acquire_many_owned(reserve)
            {
                queue.reserved = Some(reserved);
                names.push(queue.name.clone());
                free.push(i64::try_from(slots).unwrap_or(i64::MAX));
                // An idle claim starts at the safe marks: then it sees everything, and there is little to walk.
                marks.push(if queue.busy { queue.lanes.fast() } else { queue.lanes.safe() });
                (queue.busy, queue.backlog) = (false, false);
            }
        }
        (!names.is_empty()).then(|| Asked { names, free, marks: Lanes::columns(marks.into_iter()) })
    }

    /// Takes in a claimed job; the slot that it gets.
    pub(super) fn admit(
        &mut self,
        queue: &str,
        lane: i16,
        run_at: DateTime<Utc>,
    ) -> Option<OwnedSemaphorePermit> {
        let queue = self.named(queue)?;
        queue.busy = true;
        queue.lanes.claimed(lane, run_at);
        queue.reserved.as_mut()?.split(1)
    }

    /// Frees the slots that a claim did not fill.
    pub(super) fn release(&mut self) {
        for queue in &mut self.queues {
            queue.reserved = None;
        }
    }

    /// Notes which queues gave as many jobs as were asked for.
    pub(super) fn note_backlogs(&mut self, asked: &Asked, claimed: &HashMap<String, i64>) {
        for (name, free) in asked.names.iter().zip(&asked.free) {
            if claimed.get(name).is_some_and(|claimed| claimed >= free)
                && let Some(queue) = self.named(name)
            {
                queue.backlog = true;
            }
        }
    }

    /// The safe marks, a column for each lane.
    pub(super) fn safe(&self) -> PerLane<Vec<DateTime<Utc>>> {
        Lanes::columns(self.queues.iter().map(|queue| queue.lanes.safe()))
    }

    /// Starts a lane at the mark that was kept.
    pub(super) fn kept(&mut self, queue: &str, lane: i16, safe: DateTime<Utc>) {
        if let Some(queue) = self.named(queue) {
            queue.lanes.kept(lane, safe);
        }
    }

    /// Takes in a look at a lane: in how long its first job is due, if it could be taken then.
    pub(super) fn seen(&mut self, queue: &str, seen: Seen) -> Option<Duration> {
        let queue = self.named(queue)?;
        queue.lanes.seen(seen);
        let wait = (seen.first? - seen.now).to_std().unwrap_or_default();
        (queue.slots.available_permits() > 0).then_some(wait)
    }

    /// The safe marks that have moved since they were taken last.
    pub(super) fn take_moved(&mut self) -> Moved {
        let mut moved = Moved::default();
        for queue in &mut self.queues {
            for (lane, safe) in queue.lanes.take_moved() {
                moved.queues.push(queue.name.clone());
                moved.lanes.push(lane);
                moved.safe.push(safe);
            }
        }
        moved
    }

    fn named(&mut self, name: &str) -> Option<&mut Queue> {
        self.places.get(name).and_then(|place| self.queues.get_mut(*place))
    }
}
