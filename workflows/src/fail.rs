//! Failures that many steps have in common.

use autopilot_engine::{Class, EnqueueError, Failure, Stop};

/// A job could not be enqueued: the attempt is tried again.
pub(crate) fn unwritten(error: EnqueueError) -> Stop {
    Stop::Failed(Failure::new(Class::TransientNetwork, "enqueue", error.to_string()))
}
