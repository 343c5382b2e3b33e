//! The queues that a process serves: their free slots, their lanes, and whether there may be more to claim.

mod rows;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::lanes::{LaneId, Lanes, Seen};
use super::order::{Weights, order};
pub(super) use rows::{Asked, Marks, Questions};

/// A look that found so many lanes that nobody knew, in one gap, has not found all.
const FOUND: usize = 1_000;

/// All queues of a process.
#[derive(Debug)]
pub(super) struct Queues {
    queues: Vec<Queue>,
    places: HashMap<String, usize>,
    weights: ShareWeights,
    ageing: Duration,
}

/// What the workspaces' shares weigh where somebody has said so.
#[derive(Debug, Default)]
pub(super) struct ShareWeights(HashMap<i32, f64>);

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
    /// The last claim took as many as it could, or there was no slot to claim for: there may be more.
    backlog: bool,
    /// Somebody has said that a workspace has something which had nothing before: it waits for no more than a slot.
    newcomer: bool,
}

impl Weights for ShareWeights {
    fn of(&self, share: i32) -> f64 {
        self.0.get(&share).copied().unwrap_or(1.0)
    }
}

impl Queues {
    /// Queues with so many slots each.
    pub(super) fn new(slots: &[(String, usize)], ageing: Duration) -> Self {
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
                newcomer: false,
            })
            .collect();
        let places =
            queues.iter().enumerate().map(|(at, queue)| (queue.name.clone(), at)).collect();
        Self { queues, places, weights: ShareWeights::default(), ageing }
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
    /// Slots become free one by one; a claim for each would cost more than it brings. For a newcomer one is enough.
    pub(super) fn has_room(&self, batch: usize) -> bool {
        self.queues.iter().any(|queue| {
            let enough = if queue.newcomer { 1 } else { queue.total.min(batch).div_ceil(4) };
            queue.backlog && queue.slots.available_permits() >= enough
        })
    }

    /// Whether a claim could bring anything.
    pub(super) fn has_free_slot(&self) -> bool {
        self.queues.iter().any(|queue| queue.slots.available_permits() > 0)
    }

    /// What to claim: as many as there are free slots, `batch` of a queue at most. The slots are reserved until
    /// [`release`](Self::release): jobs that begin here without a claim take slots at any time.
    pub(super) fn ask(&mut self, batch: usize) -> Option<Asked> {
        let mut asked = Asked::default();
        for queue in &mut self.queues {
            let slots = queue.slots.available_permits().min(batch);
            queue.backlog |= slots == 0;
            let reserve = u32::try_from(slots).unwrap_or(u32::MAX);
            if slots > 0
                && let Ok(reserved) = Arc::clone(&queue.slots).try_acquire_many_owned(reserve)
            {
                queue.reserved = Some(reserved);
                // An idle claim starts at the safe marks: then it sees everything, and there is little to walk.
                let wanted = order(&queue.lanes, &self.weights, slots, queue.busy, self.ageing);
                asked.push(&queue.name, slots, &wanted);
                (queue.busy, queue.backlog, queue.newcomer) = (false, false, false);
            }
        }
        (!asked.names.is_empty()).then_some(asked)
    }

    /// Takes in a claimed job; the slot that it gets.
    pub(super) fn admit(
        &mut self,
        queue: &str,
        lane: LaneId,
        run_at: DateTime<Utc>,
    ) -> Option<OwnedSemaphorePermit> {
        let cost = 1.0 / self.weights.of(lane.share);
        let queue = self.named(queue)?;
        queue.busy = true;
        queue.lanes.claimed(lane, run_at, cost);
        queue.reserved.as_mut()?.split(1)
    }

    /// Frees the slots that a claim did not fill.
    pub(super) fn release(&mut self) {
        for queue in &mut self.queues {
            queue.reserved = None;
        }
    }

    /// Notes what a claim says of the lanes that it asked: which queues may have more, and which workspaces have nothing.
    pub(super) fn note(&mut self, asked: &Asked, claimed: &HashMap<(usize, LaneId), i64>) {
        for (place, name) in asked.names.iter().enumerate() {
            let Some(queue) = self.places.get(name).and_then(|at| self.queues.get_mut(*at)) else {
                continue;
            };
            queue.note(asked, place, claimed);
        }
    }

    /// What a look asks: each known lane from its safe mark, and what lies between them.
    pub(super) fn questions(&self) -> Questions {
        let mut questions = Questions::default();
        for queue in &self.queues {
            for (lane, safe) in queue.lanes.safe() {
                questions.known.push(&queue.name, lane, safe);
            }
            for gap in queue.lanes.gaps() {
                questions.gaps.push(&queue.name, gap);
            }
        }
        questions
    }

    /// Every lane begins at the beginning of time.
    pub(super) fn forget_marks(&mut self) {
        for queue in &mut self.queues {
            queue.lanes = Lanes::new();
        }
    }

    /// Starts a lane at the mark that was kept.
    pub(super) fn kept(&mut self, queue: &str, lane: LaneId, safe: DateTime<Utc>) {
        if let Some(queue) = self.named(queue) {
            queue.lanes.kept(lane, safe);
        }
    }

    /// Somebody says that a lane has something.
    pub(super) fn expect(&mut self, queue: &str, lane: LaneId) {
        if let Some(queue) = self.named(queue) {
            queue.newcomer |= queue.lanes.expect(lane);
        }
    }

    /// Takes in what each workspace weighs.
    pub(super) fn weigh(&mut self, weights: impl Iterator<Item = (i32, f64)>) {
        self.weights = ShareWeights(weights.collect());
    }

    /// Takes in a look at a lane: in how long its first job is due, if it could be taken then.
    pub(super) fn seen(&mut self, queue: &str, seen: Seen) -> Option<Duration> {
        let queue = self.named(queue)?;
        queue.lanes.seen(seen);
        let wait = (seen.first? - seen.now).to_std().unwrap_or_default();
        (queue.slots.available_permits() > 0).then_some(wait)
    }

    /// A look at all lanes is over, which has found so many new ones of each queue.
    pub(super) fn all_seen(
        &mut self,
        now: DateTime<Utc>,
        proven: DateTime<Utc>,
        found: &HashMap<String, usize>,
    ) {
        for queue in &mut self.queues {
            if found.get(&queue.name).is_none_or(|found| *found < FOUND) {
                queue.lanes.all_seen(now, proven);
            }
        }
    }

    /// The safe marks that have moved since they were taken last.
    pub(super) fn take_moved(&mut self) -> Marks {
        let mut moved = Marks::default();
        for queue in &mut self.queues {
            for (lane, safe) in queue.lanes.take_moved() {
                moved.push(&queue.name, lane, safe);
            }
        }
        moved
    }

    fn named(&mut self, name: &str) -> Option<&mut Queue> {
        self.places.get(name).and_then(|place| self.queues.get_mut(*place))
    }
}

impl Queue {
    /// Takes in what a claim gave of each lane; this queue was the one at `place` in it.
    fn note(&mut self, asked: &Asked, place: usize, claimed: &HashMap<(usize, LaneId), i64>) {
        let mut all = 0;
        let mut gave_its_share = false;
        let given: Vec<(LaneId, i64, i64)> = asked
            .lanes(place)
            .map(|(lane, most)| (lane, most, claimed.get(&(place, lane)).copied().unwrap_or(0)))
            .collect();
        for (_, most, given) in &given {
            all += given;
            gave_its_share |= given >= most;
        }
        let filled = asked.free.get(place).is_some_and(|free| all >= *free);
        self.backlog = filled || (gave_its_share && all > 0);
        if !filled {
            for (lane, most, given) in given {
                if given < most {
                    self.lanes.emptied(lane);
                }
            }
        }
    }
}
