//! Group commit, the part that all who write have in common: what waits to be written, and how two writers share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, mpsc};

/// So much waits at most; beyond it those who hand in wait. One batch takes all of it.
const QUEUE: usize = 1024;

/// A batch of so many is shared between two writers.
const SHARED: usize = 32;

/// What waits to be written.
#[derive(Debug)]
pub(crate) struct Group<T> {
    waiting: Mutex<mpsc::Receiver<T>>,
    writing: AtomicUsize,
}

/// What a writer has taken. While it lives, its writer counts as busy.
#[derive(Debug)]
pub(crate) struct Turn<'g> {
    writing: &'g AtomicUsize,
}

impl<T> Group<T> {
    /// A group, and where to hand in for it.
    pub(crate) fn new() -> (mpsc::Sender<T>, Arc<Self>) {
        let (sender, waiting) = mpsc::channel(QUEUE);
        (sender, Arc::new(Self { waiting: Mutex::new(waiting), writing: AtomicUsize::new(0) }))
    }

    /// The next batch; none when there will be none any more. A writer that finds the other one idle leaves it half of a
    /// large batch: while the database works on the one, those who wait for the other go on. Otherwise all of them would
    /// wait for each other in step. No timer: alone, a write is a batch of its own.
    pub(crate) async fn take(&self) -> Option<(Vec<T>, Turn<'_>)> {
        let mut waiting = self.waiting.lock().await;
        let first = waiting.recv().await?;
        // Those that became ready together get a chance to join.
        tokio::task::yield_now().await;
        let more = waiting.len();
        let alone = self.writing.fetch_add(1, Ordering::Relaxed) == 0;
        let turn = Turn { writing: &self.writing };
        let share = if more >= SHARED && alone { more / 2 } else { more };
        let mut batch = Vec::with_capacity(share + 1);
        batch.push(first);
        while batch.len() <= share
            && let Ok(next) = waiting.try_recv()
        {
            batch.push(next);
        }
        Some((batch, turn))
    }

    /// A turn for somebody who writes by himself, without the way over a writer's task: only where nobody writes.
    pub(crate) fn alone(&self) -> Option<Turn<'_>> {
        let (idle, busy) = (0, 1);
        let turn =
            self.writing.compare_exchange(idle, busy, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        turn.then(|| Turn { writing: &self.writing })
    }
}

/// Whether nothing waits.
pub(crate) fn is_empty<T>(sender: &mpsc::Sender<T>) -> bool {
    sender.capacity() == sender.max_capacity()
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.writing.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_idle_writer_is_left_half_of_a_large_batch_and_a_busy_one_nothing() {
        let (sender, group) = Group::new();
        for number in 0..100 {
            sender.send(number).await.unwrap();
        }
        let (half, turn) = group.take().await.unwrap();
        assert_eq!(half, (0..50).collect::<Vec<_>>());
        let (rest, other) = group.take().await.unwrap();
        assert_eq!(rest, (50..100).collect::<Vec<_>>());
        drop((turn, other));
        drop(sender);
        assert!(group.take().await.is_none());
    }

    #[tokio::test]
    async fn only_one_writes_alone_and_nobody_beside_a_writer() {
        let (sender, group) = Group::new();
        let alone = group.alone().unwrap();
        assert!(group.alone().is_none());
        drop(alone);
        sender.send(1).await.unwrap();
        assert!(!is_empty(&sender));
        let (_batch, turn) = group.take().await.unwrap();
        assert!(is_empty(&sender) && group.alone().is_none());
        drop(turn);
        assert!(group.alone().is_some());
    }

    #[tokio::test]
    async fn a_small_batch_is_not_shared() {
        let (sender, group) = Group::new();
        for number in 0..20 {
            sender.send(number).await.unwrap();
        }
        assert_eq!(group.take().await.unwrap().0.len(), 20);
    }
}
