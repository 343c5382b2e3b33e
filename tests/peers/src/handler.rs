//! What every job of every system does: nothing, and be counted.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::clock;

static HANDLED: AtomicU64 = AtomicU64::new(0);
static RECORDING: AtomicBool = AtomicBool::new(false);
static SAMPLES: Mutex<Vec<Sample>> = Mutex::new(Vec::new());

/// The payload of a warm-up job, of which no sample is kept.
pub const WARM_UP: i64 = 0;

/// The payload of every job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Payload {
    /// A running number, or the moment at which the job was due, by [`clock::now`].
    pub n: i64,
}

/// When a job was due and when its handler started, both by [`clock::now`].
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Sample {
    pub due: i64,
    pub started: i64,
}

/// Handles one job. Systems differ in how they call a handler; all of them end here.
pub fn handle(n: i64) {
    if n != WARM_UP && RECORDING.load(Ordering::Relaxed) {
        let sample = Sample { due: n, started: clock::now() };
        SAMPLES.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
    }
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

/// How many jobs this process has handled.
pub fn handled() -> u64 {
    HANDLED.load(Ordering::Relaxed)
}

/// Keeps a sample of every job from here on.
pub fn record() {
    RECORDING.store(true, Ordering::Relaxed);
}

/// The samples kept so far; later ones start afresh.
pub fn take_samples() -> Vec<Sample> {
    std::mem::take(&mut SAMPLES.lock().unwrap_or_else(PoisonError::into_inner))
}
