//! Two processes' locks over one store, with clocks that can be moved.

use std::time::Duration;

use autopilot_engine::{Acquired, Busy, Held, Locks, PgPool, Redis};
use autopilot_tests::redis::RedisServer;
use autopilot_tests::{Lab, World, eventually};

/// What the processes of a test share.
pub(super) struct Stand {
    pub(super) world: World<Lab>,
    other: PgPool,
    locks: [Locks; 2],
    pub(super) redis: Option<RedisServer>,
}

impl Stand {
    /// Locks that are rows alone; the second process reaches them through a pool of its own.
    pub(super) fn over(world: World<Lab>, other: PgPool) -> Self {
        let locks = [Locks::new(world.pool().clone()), Locks::new(other.clone())];
        Self { world, other, locks, redis: None }
    }

    /// A database, and no Redis.
    pub(super) async fn over_postgres() -> Self {
        let world = Lab::noting().await;
        let options = world.pool().connect_options().as_ref().clone();
        let other = PgPool::connect_with(options).await.unwrap();
        Self::over(world, other)
    }

    /// A Redis before it, which both processes reach; none where none can be had.
    pub(super) async fn over_both() -> Option<Self> {
        let redis = RedisServer::start().await?;
        let mut stand = Self::over_postgres().await;
        stand.locks = [stand.shedding(0, &redis).await, stand.shedding(1, &redis).await];
        stand.redis = Some(redis);
        Some(stand)
    }

    /// The locks of a process behind a Redis, once it is connected to it.
    pub(super) async fn shedding(&self, process: usize, redis: &RedisServer) -> Locks {
        let locks = self.locks(process).shedding(Redis::new(&redis.url()).unwrap());
        connected(&locks, redis).await;
        locks
    }

    /// Gives a process other locks.
    pub(super) fn change(&mut self, process: usize, locks: Locks) {
        let [here, there] = &mut self.locks;
        *(if process == 0 { here } else { there }) = locks;
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

    /// Lets time pass, by every clock that has a say: keys of Redis live for ten seconds.
    pub(super) async fn pass(&self, time: Duration) {
        self.world.clock.advance(time).await.unwrap();
        if let Some(redis) = &self.redis {
            redis.flush().await;
        }
    }

    pub(super) async fn close(self) {
        self.other.close().await;
        self.world.close().await;
    }
}

/// Waits until what is asked for here is asked of that Redis.
pub(super) async fn connected(locks: &Locks, redis: &RedisServer) {
    eventually("Redis is asked", async || {
        let asked = locks.acquire("first", Duration::from_secs(60)).await.unwrap();
        let Acquired::Held(held) = asked else { return false };
        let known = redis.say("EXISTS autopilot:lock:first").await;
        held.release().await.unwrap();
        known.as_deref() == Some(":1")
    })
    .await;
}

/// Does it over each store: Postgres alone, and Postgres behind a Redis.
pub(super) async fn over_each_store(test: impl AsyncFn(&Stand)) {
    let stand = Stand::over_postgres().await;
    test(&stand).await;
    stand.close().await;
    if let Some(stand) = Stand::over_both().await {
        test(&stand).await;
        stand.close().await;
    }
}
