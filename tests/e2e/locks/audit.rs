//! Who had a lock when, as the holders themselves write it into the database, and what is wrong with that.
//!
//! It knows nothing of the engine's tables. A holding begins when its holder has written so, by the database's clock, and ends before its holder
//! gives the lock back, or when its time is over, counted from before it asked: never longer than the holder may believe to have the lock, so
//! that two that overlap are two owners.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use autopilot_engine::{Acquired, LockError, Locks, PgPool};
use chrono::{DateTime, Utc};

use super::stand::Stand;

const SCHEMA: &str = "
CREATE SCHEMA audit;
CREATE TABLE audit.holding (
    place bigserial PRIMARY KEY, name text NOT NULL, fence bigint NOT NULL,
    entered timestamptz NOT NULL DEFAULT clock_timestamp(), ends timestamptz NOT NULL
);";

const OVERLAPS: &str = "audit.holding one JOIN audit.holding other ON one.name = other.name AND one.place < other.place
     WHERE one.entered < one.ends AND other.entered < other.ends AND one.entered < other.ends AND other.entered < one.ends";

const FALLS: &str = "(SELECT fence, lag(fence) OVER (PARTITION BY name ORDER BY place) AS before FROM audit.holding) one
     WHERE fence <= before";

const NAMES: [&str; 2] = ["one", "two"];
const TTL: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(60);

/// What a contention came to.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) holdings: i64,
    /// Pairs of holdings of one lock at the same time.
    pub(super) overlaps: i64,
    /// Holdings whose fence is not above that of the one before.
    pub(super) falls: i64,
    /// Holders that came too late to write anything.
    pub(super) late: u64,
}

/// How many ask, and how often each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) tasks: usize,
    pub(super) rounds: usize,
}

pub(super) const PLAN: Plan = Plan { tasks: 12, rounds: 8 };

/// Both processes' tasks take two locks again and again while something goes wrong, until each has had its turns. One in six
/// holders says nothing at the end and lets its time run out; one in six sleeps past it and wants to write all the same.
pub(super) async fn contend(stand: &Stand, plan: Plan, wrong: impl AsyncFnMut() -> bool) -> Found {
    stand.world.execute(SCHEMA).await;
    let late = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..plan.tasks)
        .map(|task| {
            let (locks, pool) = (stand.locks(task % 2), stand.world.pool().clone());
            let late = Arc::clone(&late);
            tokio::spawn(async move {
                for round in 0..plan.rounds {
                    hold(&locks, &pool, task * 5 + round, &late).await;
                }
            })
        })
        .collect();
    let (mut wrong, begun) = (wrong, Instant::now());
    while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
        assert!(begun.elapsed() < 2 * PATIENCE, "somebody is stuck");
        if !wrong().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    Found {
        holdings: stand.world.count("audit.holding").await,
        overlaps: stand.world.count(OVERLAPS).await,
        falls: stand.world.count(FALLS).await,
        late: late.load(Ordering::Relaxed),
    }
}

async fn hold(locks: &Locks, pool: &PgPool, turn: usize, late: &AtomicU64) {
    let now = "SELECT clock_timestamp()";
    // Looked up before each try: the lock's time is counted from then at the earliest.
    let (asked, held) = loop {
        let asked: DateTime<Utc> = sqlx::query_scalar(now).fetch_one(pool).await.unwrap();
        let name = NAMES.get(turn % 2).unwrap();
        match locks.acquire_within(name, TTL, Duration::from_millis(20)).await.unwrap() {
            Acquired::Held(held) => break (asked, held),
            Acquired::Busy(_) => {}
        }
    };
    if turn % 6 == 1 {
        tokio::time::sleep(TTL).await;
    }
    let mut tx = pool.begin().await.unwrap();
    match held.still_mine(&mut tx).await {
        Ok(()) => {}
        Err(LockError::Lost { .. }) => {
            late.fetch_add(1, Ordering::Relaxed);
            return;
        }
        Err(error) => panic!("{error}"),
    }
    let enter = "INSERT INTO audit.holding (name, fence, ends) VALUES ($1, $2, $3) RETURNING place";
    let place: i64 = sqlx::query_scalar(enter)
        .bind(held.name())
        .bind(held.fence())
        .bind(asked + TTL)
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    tokio::time::sleep(Duration::from_millis(3)).await;
    if turn % 6 == 2 {
        return;
    }
    let leave = "UPDATE audit.holding SET ends = least(ends, clock_timestamp()) WHERE place = $1";
    sqlx::query(leave).bind(place).execute(pool).await.unwrap();
    match held.release().await {
        // In use where somebody is just taking it although it is ours.
        Ok(()) | Err(LockError::Lost { .. } | LockError::InUse { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}
