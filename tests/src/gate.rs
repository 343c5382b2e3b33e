//! A gate in a job's code, so that a test decides when it goes on.

use tokio::sync::watch;

use autopilot_engine::testing::PATIENCE;

/// Code stops at a gate until the test opens it.
#[derive(Debug)]
pub struct Gate {
    arrived: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { arrived: watch::Sender::new(0), open: watch::Sender::new(false) }
    }
}

impl Gate {
    /// Says that somebody is here, and waits until the gate is open. For the code under test.
    pub async fn pass(&self) {
        self.arrived.send_modify(|count| *count += 1);
        let mut open = self.open.subscribe();
        open.wait_for(|open| *open).await.expect("the gate outlives its waiters");
    }

    /// Waits until `count` arrivals have been seen. For the test.
    ///
    /// # Panics
    /// When they do not come within [`PATIENCE`].
    pub async fn reached(&self, count: usize) {
        let mut arrived = self.arrived.subscribe();
        let waiting = arrived.wait_for(|seen| *seen >= count);
        let seen = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(seen.is_ok(), "{count} arrivals at the gate did not come within {PATIENCE:?}");
    }

    /// How many arrived so far.
    #[must_use]
    pub fn arrivals(&self) -> usize {
        *self.arrived.borrow()
    }

    /// Lets everybody through from now on.
    pub fn open(&self) {
        self.open.send_replace(true);
    }
}
