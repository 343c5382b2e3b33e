//! Hints that travel with grouped commits: at most one a queue in a short time, because Postgres serialises the commits
//! of transactions that notify.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use tokio::time::Instant;

use super::listen::hint_all;

/// At most one notification per queue in this time.
pub(super) const DEBOUNCE: Duration = Duration::from_millis(5);

/// Which queues have been hinted at lately, and which are owed a hint; shared by those who write.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hints {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    sent: HashMap<String, Instant>,
    owed: HashSet<String>,
    /// The owed ones are going to be sent.
    waits: bool,
}

impl Hints {
    /// Those of the queues that may be hinted at now, along with a commit. The others are hinted at over `pool` when they
    /// may be again.
    pub(crate) fn take(&self, queues: &HashSet<&str>, pool: &PgPool) -> Vec<String> {
        let now = Instant::now();
        let mut state = self.lock();
        let mut due = Vec::new();
        for queue in queues {
            if state.sent.get(*queue).is_none_or(|sent| now.duration_since(*sent) >= DEBOUNCE) {
                state.sent.insert((*queue).to_owned(), now);
                state.owed.remove(*queue);
                due.push((*queue).to_owned());
            } else {
                state.owed.insert((*queue).to_owned());
            }
        }
        if !state.owed.is_empty() && !state.waits {
            state.waits = true;
            tokio::spawn(self.clone().send_owed(pool.clone()));
        }
        due
    }

    /// Sends what is owed when it has been owed long enough.
    async fn send_owed(self, pool: PgPool) {
        tokio::time::sleep(DEBOUNCE).await;
        let owed = self.lock().take_owed();
        hint_all(&pool, &owed).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it is locked leaves it usable: at worst a hint is missing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_owed(&mut self) -> Vec<String> {
        let now = Instant::now();
        self.waits = false;
        let owed: Vec<String> = self.owed.drain().collect();
        for queue in &owed {
            self.sent.insert(queue.clone(), now);
        }
        owed
    }
}
