//! Two processes' locks over one store, with a clock that can be moved.

use std::time::Duration;

use autopilot_engine::{Acquired, Busy, Held, Locks, PgPool};
use autopilot_tests::{Lab, World};

/// What the processes of a test share.
pub(super) struct Stand {
    pub(super) world: World<Lab>,
    other: PgPool,
    locks: [Locks; 2],
}

impl Stand {
    /// Locks that are rows alone; the second process reaches them through a pool of its own.
    pub(super) fn over(world: World<Lab>, other: PgPool) -> Self {
        let locks = [Locks::new(world.pool().clone()), Locks::new(other.clone())];
        Self { world, other, locks }
    }

    /// The locks of a process, 0 or 1.
    pub(super) fn locks(&self, process: usize) -> Locks {
        let [here, there] = &self.locks;
        if process == 0 { here.clone() } else { there.clone() }
    }

    /// Takes a lock in the first process, where it must be free.
    pub(super) async fn held(&self, name: &str, ttl: Duration) -> Held {
        match self.locks(0).acquire(name, ttl).await.unwrap() {
            Acquired::Held(held) => held,
            Acquired::Busy(busy) => panic!("{name} is not free: {busy:?}"),
        }
    }

    /// Asks for a lock in the second process, where it must not be had.
    pub(super) async fn busy(&self, name: &str) -> Busy {
        match self.locks(1).acquire(name, Duration::from_secs(60)).await.unwrap() {
            Acquired::Busy(busy) => busy,
            Acquired::Held(held) => panic!("two have {name}: {held:?}"),
        }
    }

    /// Lets time pass, by every clock that has a say.
    pub(super) async fn pass(&self, time: Duration) {
        self.world.clock.advance(time).await.unwrap();
    }

    pub(super) async fn close(self) {
        self.other.close().await;
        self.world.close().await;
    }
}

/// Does it over each store.
pub(super) async fn over_each_store(test: impl AsyncFn(&Stand)) {
    let world = Lab::noting().await;
    let other = PgPool::connect_with(world.pool().connect_options().as_ref().clone()).await;
    let stand = Stand::over(world, other.unwrap());
    test(&stand).await;
    stand.close().await;
}
