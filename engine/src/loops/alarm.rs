//! What wakes the claim loop: hints, by way of the database or from the process's own writers, and slots that become free.

use std::sync::Arc;

use tokio::sync::Notify;

use super::hints::{Hint, Hinted};
use crate::config::WorkerConfig;

/// What wakes the claim loop.
#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    /// Those that are claimed from.
    queues: Arc<[String]>,
    /// There may be something to claim.
    pub(crate) work: Arc<Notify>,
    /// A slot is free again.
    pub(crate) freed: Arc<Notify>,
    /// Which lanes somebody has named as having something, and where to look.
    pub(super) hinted: Arc<Hinted>,
}

impl Alarm {
    pub(crate) fn new(config: &WorkerConfig) -> Self {
        Self {
            queues: config.queues.iter().map(|(queue, _)| queue.clone()).collect(),
            work: Arc::default(),
            freed: Arc::default(),
            hinted: Arc::default(),
        }
    }

    /// Takes in a hint, where it is about a queue of ours.
    pub(super) fn heed(&self, hint: Hint) {
        if self.queues.iter().any(|queue| queue == hint.queue()) {
            self.hinted.push(hint);
            self.work.notify_one();
        }
    }
}
