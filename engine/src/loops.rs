//! What a worker process does beside running attempts. Each loop has the same shape: one round that can be called
//! on its own, an interval with jitter, and a token that stops it.

pub(crate) mod alarm;
pub(crate) mod claim;
pub(crate) mod cron;
pub(crate) mod heartbeat;
pub(crate) mod hints;
pub(crate) mod judge;
pub(crate) mod lanes;
pub(crate) mod listen;
mod order;
mod proof;
mod queues;
pub(crate) mod rescue;
pub(crate) mod upkeep;
pub(crate) mod vacuum;

#[cfg(test)]
mod tests;

use std::time::Duration;

/// An interval spread by a fifth, so that the processes of a fleet do not march in step.
pub(crate) fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + crate::retry::random() / 5.0)
}
