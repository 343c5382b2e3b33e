//! Hints: somebody may find work. They are never needed, only faster than the next look.
//!
//! Those that travel with grouped commits are at most one a queue in a short time, because Postgres serialises the commits
//! of transactions that notify.

mod hint;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use tokio::time::Instant;

pub use hint::Hint;

use super::lanes::LaneId;
use super::listen::send_all;
use crate::enqueue::NewJob;
use hint::Part;

/// At most one notification per queue in this time.
pub(super) const DEBOUNCE: Duration = Duration::from_millis(5);

/// A queue of which more lanes would have to be named at once is looked at as a whole.
const NAMED: usize = 8;

/// What was hinted at and not heeded yet.
#[derive(Debug, Default)]
pub(crate) struct Hinted(Mutex<HashSet<Hint>>);

/// What the claimer is to do about hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heed {
    Claim,
    Look,
}

impl Hinted {
    /// Takes in a hint. What is everybody's is claimed in any case.
    pub(super) fn push(&self, hint: Hint) {
        if hint.part != Part::Common {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(hint);
        }
    }

    /// Passes on which lanes were named, and says whether some were not.
    pub(super) fn take(&self, mut expect: impl FnMut(&str, LaneId)) -> Heed {
        let hints = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut heed = Heed::Claim;
        for hint in hints {
            match hint.part {
                Part::Own(lane) => expect(&hint.queue, lane),
                Part::Any => heed = Heed::Look,
                Part::Common => {}
            }
        }
        heed
    }
}

/// Which queues have been hinted at lately, and which are owed a hint; shared by those who write.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hints {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    sent: HashMap<String, Instant>,
    owed: HashMap<String, HashSet<Hint>>,
    /// The owed ones are going to be sent.
    waits: bool,
}

impl Hints {
    /// What may be sent now for these jobs, along with their commit. The rest is sent over `pool` when it may be.
    pub(crate) fn take<'j>(
        &self,
        jobs: impl Iterator<Item = &'j NewJob>,
        pool: &PgPool,
    ) -> Vec<String> {
        let now = Instant::now();
        let mut state = self.lock();
        let mut due = Vec::new();
        for (queue, hints) in by_queue(jobs) {
            if state.sent.get(queue).is_none_or(|sent| now.duration_since(*sent) >= DEBOUNCE) {
                state.sent.insert(queue.to_owned(), now);
                let owed = state.owed.remove(queue).unwrap_or_default();
                due.extend(payloads(queue, hints.into_iter().chain(owed).collect()));
            } else {
                state.owed.entry(queue.to_owned()).or_default().extend(hints);
            }
        }
        if !state.owed.is_empty() && !state.waits {
            state.waits = true;
            tokio::spawn(self.clone().send_owed(pool.clone()));
        }
        due
    }

    /// Sends what is owed when it has been owed long enough.
    async fn send_owed(self, pool: PgPool) {
        tokio::time::sleep(DEBOUNCE).await;
        let owed = self.lock().take_owed();
        send_all(&pool, &owed).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it is locked leaves it usable: at worst a hint is missing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_owed(&mut self) -> Vec<String> {
        let now = Instant::now();
        self.waits = false;
        let mut due = Vec::new();
        for (queue, hints) in self.owed.drain() {
            due.extend(payloads(&queue, hints));
            self.sent.insert(queue, now);
        }
        due
    }
}

/// The hints at the queues of these jobs.
fn by_queue<'j>(jobs: impl Iterator<Item = &'j NewJob>) -> HashMap<&'j str, HashSet<Hint>> {
    let mut queues: HashMap<&str, HashSet<Hint>> = HashMap::new();
    let mut last: Option<(&str, i16, i32)> = None;
    for job in jobs {
        // Most jobs of a batch are alike.
        let part =
            (job.queue.as_str(), if job.share == 0 { 0 } else { job.priority.number() }, job.share);
        if last.replace(part) != Some(part) {
            queues.entry(&job.queue).or_default().insert(Hint::from(job));
        }
    }
    queues
}

/// What is sent for a queue: each of its hints, or where they are many, that it is to be looked at.
pub(super) fn payloads(queue: &str, hints: HashSet<Hint>) -> Vec<String> {
    if hints.len() > NAMED {
        return vec![Hint::anywhere(queue).payload()];
    }
    hints.iter().map(Hint::payload).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(share: i32) -> Hint {
        Hint { queue: "q".to_owned(), part: Part::Own(LaneId { number: 2, share }) }
    }

    #[test]
    fn a_hint_is_understood_as_it_was_meant() {
        for hint in [Hint::from("q"), own(7), Hint::anywhere("q")] {
            assert_eq!(Hint::parse(&hint.payload()), hint);
        }
        assert_eq!(Hint::parse("q\u{1f}of a later version"), Hint::anywhere("q"));
    }

    #[test]
    fn many_lanes_of_a_queue_are_not_named_one_by_one() {
        let few: HashSet<Hint> = (0..8).map(own).collect();
        assert_eq!(payloads("q", few).len(), 8);
        let many: HashSet<Hint> = (0..9).map(own).collect();
        assert_eq!(payloads("q", many), [Hint::anywhere("q").payload()]);
    }

    #[test]
    fn the_claimer_is_told_which_lanes_were_named_and_whether_to_look() {
        let hinted = Hinted::default();
        hinted.push(own(7));
        let mut named = Vec::new();
        assert_eq!(
            hinted.take(|queue, lane| named.push((queue.to_owned(), lane.share))),
            Heed::Claim
        );
        assert_eq!(named, [("q".to_owned(), 7)]);
        hinted.push(Hint::anywhere("q"));
        assert_eq!(hinted.take(|_, _| {}), Heed::Look);
        assert_eq!(hinted.take(|_, _| {}), Heed::Claim, "it was heeded");
    }
}
