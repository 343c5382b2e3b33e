//! Looking: where the lanes stand, and when their first jobs are due.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::sight::{Errand, Sight};
use super::{Claimer, sight};
use crate::loops::lanes::{LaneId, Seen};
use crate::loops::queues::Marks;

/// The safe marks are kept this often, if they moved: a process that starts walks what was claimed since.
const KEEP: Duration = Duration::from_secs(1);

/// So often it is read what workspaces weigh.
const WEIGH: Duration = Duration::from_secs(10);

/// So long it does not look, for each lane that it looked at: that took about 10 µs, so looks take a tenth of the time.
const REST_EACH: Duration = Duration::from_micros(100);

/// How often it looks before it leaves.
const LAST_LOOKS: usize = 3;

impl Claimer {
    /// Looks at every lane: moves the marks, and says in how long the next job is due.
    pub(crate) async fn look(&mut self) -> Result<Option<Duration>, sqlx::Error> {
        if self.looker.is_out() {
            // It may have missed what this one is to see. What it has seen must not be taken in later: the marks would
            // rise by a newer proof over what an older snapshot does not show.
            let sight = self.looker.back().await?;
            self.take_in(sight);
        }
        self.begin_look();
        let sight = self.looker.back().await?;
        Ok(self.take_in(sight))
    }

    /// Begins to look at every lane; claims go on meanwhile. What is claimed while it looks is seen as ready at worst, and
    /// asked for once more.
    pub(super) fn begin_look(&mut self) {
        (self.looked, self.again) = (Instant::now(), false);
        let questions = self.queues.questions();
        let lanes = u32::try_from(questions.known.queues.len()).unwrap_or(u32::MAX);
        self.rest = REST_EACH.saturating_mul(lanes);
        let errand = Errand {
            questions,
            writers: self.proof.is_stalled(),
            moved: if self.kept.elapsed() < KEEP { Marks::default() } else { self.take_moved() },
            weights: self.weighed.is_none_or(|weighed| weighed.elapsed() >= WEIGH),
        };
        self.looker.send(errand);
    }

    /// Takes in what a look has seen: in how long the next job is due.
    pub(super) fn take_in(&mut self, sight: Sight) -> Option<Duration> {
        let Sight { lanes, writers, weights } = sight;
        let first = lanes.first()?;
        let (started, snapshot) = (first.started, first.snapshot());
        let before = self.server.replace((started, snapshot.xmax));
        if before.is_some_and(|(before, xmax)| before != started || xmax > snapshot.xmax) {
            // Behind a pooler an idle connection does not break when the server does.
            self.doubt_all();
            return Some(Duration::ZERO);
        }
        let proven = self.proof.seen(snapshot, writers);
        let (mut due_in, mut found) = (None::<Duration>, HashMap::new());
        for stands in lanes {
            let lane = LaneId { number: stands.lane, share: stands.share };
            let seen = Seen { lane, first: stands.first, now: snapshot.now, proven };
            if let Some(wait) = self.queues.seen(&stands.queue, seen) {
                due_in = Some(due_in.map_or(wait, |due| due.min(wait)));
            }
            if !stands.known {
                *found.entry(stands.queue).or_insert(0) += 1;
            }
        }
        self.queues.all_seen(snapshot.now, proven, &found);
        if let Some(weights) = weights {
            self.queues.weigh(weights.into_iter());
            self.weighed = Some(Instant::now());
        }
        due_in
    }

    /// Keeps the safe marks as they are at the end, so that whoever comes next has nothing to walk.
    pub(crate) async fn leave(&mut self) {
        // One look notes a moment, the next proves it, unless somebody is just at a write.
        for _ in 0..LAST_LOOKS {
            let looked = match self.load_marks().await {
                Ok(()) => self.look().await,
                Err(error) => Err(error),
            };
            if let Err(error) = looked {
                return tracing::debug!(%error, "the marks were not kept; the next process walks a little");
            }
        }
        if let Err(error) = self.keep_moved().await {
            tracing::debug!(%error, "the marks were not kept; the next process walks a little");
        }
    }

    /// Keeps the safe marks that have moved.
    pub(crate) async fn keep_moved(&mut self) -> Result<(), sqlx::Error> {
        sight::keep(self.take_moved(), &self.pool).await
    }

    fn take_moved(&mut self) -> Marks {
        self.kept = Instant::now();
        self.queues.take_moved()
    }
}
