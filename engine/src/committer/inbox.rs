//! What waits to be written, and how the writers share it.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, mpsc};

use super::{Batch, Pending};

/// A batch of so many is shared between two writers.
const SHARED: usize = 32;

/// Where the writers take their batches from.
pub(super) struct Inbox {
    changes: Mutex<mpsc::Receiver<Box<Pending>>>,
    /// How many writers are at a flush.
    flushing: AtomicUsize,
}

impl Inbox {
    pub(super) fn new(changes: mpsc::Receiver<Box<Pending>>) -> Self {
        Self { changes: Mutex::new(changes), flushing: AtomicUsize::new(0) }
    }

    /// The next batch; empty when there will be none any more. A writer that finds the other one idle leaves it half of a
    /// large batch: while the database works on the one, the attempts of the other go on. Otherwise all of them would
    /// wait for each other in step.
    pub(super) async fn take(&self) -> Batch {
        let mut batch = Vec::new();
        let mut changes = self.changes.lock().await;
        let Some(first) = changes.recv().await else { return batch };
        // Those that became ready together get a chance to join.
        tokio::task::yield_now().await;
        let waiting = changes.len();
        let share = if waiting >= SHARED && self.flushing.load(Ordering::Relaxed) == 0 {
            waiting / 2
        } else {
            waiting
        };
        batch.reserve_exact(share + 1);
        batch.push(first);
        while batch.len() <= share
            && let Ok(next) = changes.try_recv()
        {
            batch.push(next);
        }
        self.flushing.fetch_add(1, Ordering::Relaxed);
        batch
    }

    pub(super) fn flushed(&self) {
        self.flushing.fetch_sub(1, Ordering::Relaxed);
    }
}
