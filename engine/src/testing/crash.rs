//! Crashes at exact places: an attempt that reaches its crash point stands still there for ever, and the test then
//! kills the worker. Nothing is written in between, so it is as if the process had died at that point.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::run::boundary::Boundary;

/// A boundary that an attempt reached, and the step that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which boundary.
    pub boundary: Boundary,
    /// The step, or `None` at the end of an attempt.
    pub step: Option<&'static str>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) => write!(f, "{:?} of {step}", self.boundary),
            None => write!(f, "{:?}", self.boundary),
        }
    }
}

/// Notes the boundaries that a worker's attempts reach, in order, and stops the attempt that reaches a chosen one.
#[derive(Debug, Clone)]
pub struct CrashPoints {
    passed: Arc<Mutex<Vec<Place>>>,
    stop_at: Option<usize>,
    stopped: watch::Sender<Option<Place>>,
    /// One attempt after the other.
    turns: Option<Arc<Semaphore>>,
}

/// An attempt's turn, until it is dropped.
pub(crate) type Turn = OwnedSemaphorePermit;

impl CrashPoints {
    /// Notes and stops nowhere.
    #[must_use]
    pub fn none() -> Self {
        Self {
            passed: Arc::default(),
            stop_at: None,
            stopped: watch::Sender::new(None),
            turns: None,
        }
    }

    /// Stops at the boundary number `index`, counted from 0 over all attempts of the worker.
    #[must_use]
    pub fn at(index: usize) -> Self {
        Self { stop_at: Some(index), ..Self::none() }
    }

    /// Lets an attempt begin only when no other is under way, whatever queues they are of: boundaries are counted in the order in which they
    /// are passed, and a job that another enqueues would else run beside its end.
    #[must_use]
    pub fn in_turn(self) -> Self {
        Self { turns: Some(Arc::new(Semaphore::new(1))), ..self }
    }

    pub(crate) async fn turn(&self) -> Option<Turn> {
        // Never closed.
        Arc::clone(self.turns.as_ref()?).acquire_owned().await.ok()
    }

    /// The boundaries that were reached so far.
    #[must_use]
    pub fn passed(&self) -> Vec<Place> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where an attempt stands still, if one does.
    #[must_use]
    pub fn stopped(&self) -> Option<Place> {
        self.stopped.borrow().clone()
    }

    pub(crate) async fn reach(&self, place: Place) {
        let index = {
            let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
            passed.push(place.clone());
            passed.len() - 1
        };
        if self.stop_at == Some(index) {
            self.stopped.send_replace(Some(place));
            std::future::pending::<()>().await;
        }
    }
}
