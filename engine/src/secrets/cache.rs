//! The data keys that this process used last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::data_key::DataKey;
use crate::WorkspaceId;

/// How many workspaces' keys a process keeps open at most.
const CAPACITY: usize = 1024;

/// How long a key is used without asking whether it still exists. It bounds how long other processes go on after
/// [`erase`](super::Vault::erase).
const MAX_AGE: Duration = Duration::from_secs(300);

/// Bounded in size and age; what leaves it is wiped once nobody uses it.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<WorkspaceId, Cached>>);

struct Cached {
    key: Arc<DataKey>,
    since: Instant,
}

impl Cache {
    pub(super) fn get(&self, workspace: WorkspaceId) -> Option<Arc<DataKey>> {
        let keys = self.keys();
        let cached = keys.get(&workspace)?;
        (cached.since.elapsed() < MAX_AGE).then(|| Arc::clone(&cached.key))
    }

    pub(super) fn insert(&self, workspace: WorkspaceId, key: Arc<DataKey>) {
        let mut keys = self.keys();
        if keys.len() >= CAPACITY && !keys.contains_key(&workspace) {
            keys.retain(|_, cached| cached.since.elapsed() < MAX_AGE);
            let oldest = keys.iter().min_by_key(|(_, cached)| cached.since).map(|(id, _)| *id);
            if let Some(oldest) = oldest.filter(|_| keys.len() >= CAPACITY) {
                keys.remove(&oldest);
            }
        }
        keys.insert(workspace, Cached { key, since: Instant::now() });
    }

    pub(super) fn remove(&self, workspace: WorkspaceId) {
        self.keys().remove(&workspace);
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<WorkspaceId, Cached>> {
        // Every state that a panic could leave is a valid one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_never_outgrows_its_capacity_and_keeps_the_newest() {
        let cache = Cache::default();
        let workspaces: Vec<_> = (0..=CAPACITY).map(|_| WorkspaceId::now_v7()).collect();
        for workspace in &workspaces {
            cache.insert(*workspace, Arc::new(DataKey::random().expect("randomness")));
        }
        assert_eq!(cache.keys().len(), CAPACITY);
        assert!(cache.get(workspaces[0]).is_none());
        assert!(cache.get(workspaces[CAPACITY]).is_some());
    }
}
