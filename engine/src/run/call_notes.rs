//! What a step's code learns of whom it calls, beside its result.

use std::sync::atomic::{AtomicBool, Ordering};

/// What the code of the step under way has learnt so far. Its place and the run share it.
#[derive(Debug, Default)]
pub(super) struct CallNotes {
    outage: AtomicBool,
    nobody: AtomicBool,
}

impl CallNotes {
    /// A step begins: nothing is known yet.
    pub(super) fn clear(&self) {
        self.outage.store(false, Ordering::Relaxed);
        self.nobody.store(false, Ordering::Relaxed);
    }

    /// A call met an outage that costs no attempt.
    pub(super) fn note_outage(&self) {
        self.outage.store(true, Ordering::Relaxed);
    }

    pub(super) fn met_outage(&self) -> bool {
        self.outage.load(Ordering::Relaxed)
    }

    /// The step ends without having asked anybody.
    pub(super) fn note_nobody(&self) {
        self.nobody.store(true, Ordering::Relaxed);
    }

    pub(super) fn asked_nobody(&self) -> bool {
        self.nobody.load(Ordering::Relaxed)
    }
}
