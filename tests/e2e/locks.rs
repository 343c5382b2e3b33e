//! Locks: one holder at a time over all processes, and who was superseded writes nothing. What is promised is tried over each store.

mod audit;
mod lost_answers;
mod redis_faults;
mod stand;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use autopilot_engine::testing::look_after;
use autopilot_engine::{Acquired, LockError};
use autopilot_tests::{Inside, Lab, Script, eventually};
use stand::{Stand, over_each_store};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_lock_has_one_holder_at_a_time_however_many_ask() {
    over_each_store(async |stand: &Stand| {
        static INSIDE: AtomicI64 = AtomicI64::new(0);
        stand.world.execute("CREATE TABLE entry (place bigserial, fence bigint)").await;
        stand.world.execute("CREATE TABLE counter AS SELECT 0 AS n").await;
        let tasks = (0..50).map(|task| {
            let locks = stand.locks(task % 2);
            let pool = stand.world.pool().clone();
            tokio::spawn(async move {
                for _ in 0..4 {
                    let asked = locks.acquire_within("one", MINUTE, MINUTE).await.unwrap();
                    let Acquired::Held(held) = asked else { panic!("{asked:?}") };
                    assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0, "two at a time");
                    let enter = "INSERT INTO entry (fence) VALUES ($1)";
                    sqlx::query(enter).bind(held.fence()).execute(&pool).await.unwrap();
                    // Two at a time would lose one of their counts.
                    let n: i32 =
                        sqlx::query_scalar("SELECT n FROM counter").fetch_one(&pool).await.unwrap();
                    let mut tx = pool.begin().await.unwrap();
                    held.still_mine(&mut tx).await.unwrap();
                    sqlx::query("UPDATE counter SET n = $1 + 1")
                        .bind(n)
                        .execute(&mut *tx)
                        .await
                        .unwrap();
                    tx.commit().await.unwrap();
                    assert_eq!(INSIDE.fetch_sub(1, Ordering::SeqCst), 1, "two at a time");
                    held.release().await.unwrap();
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!(stand.world.value::<i32>("SELECT n FROM counter").await, 200);
        let fences = "SELECT fence::text FROM entry ORDER BY place";
        let fences: Vec<i64> =
            stand.world.texts(fences).await.iter().map(|fence| fence.parse().unwrap()).collect();
        assert_eq!(fences.len(), 200);
        assert!(fences.is_sorted_by(|one, next| one < next), "{fences:?}");
    })
    .await;
}

#[tokio::test]
async fn a_busy_lock_says_who_has_it_and_for_how_long_at_most() {
    over_each_store(async |stand: &Stand| {
        let held = stand.held("one", MINUTE).await;
        let busy = stand.busy("one").await;
        assert_eq!(busy.holder, Some(held.holder()));
        assert!(busy.remaining > Duration::from_secs(30) && busy.remaining <= MINUTE, "{busy:?}");
        assert!(held.remaining() <= MINUTE);
        let other = stand.held("another", MINUTE).await;
        assert_eq!((held.name(), other.name()), ("one", "another"));
        other.release().await.unwrap();
        held.release().await.unwrap();
        stand.held("one", MINUTE).await.release().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_lock_that_was_dropped_is_free_when_its_time_is_over() {
    over_each_store(async |stand: &Stand| {
        drop(stand.held("one", MINUTE).await);
        assert!(stand.busy("one").await.remaining <= MINUTE);
        stand.pass(MINUTE - SECOND).await;
        stand.busy("one").await;
        stand.pass(2 * SECOND).await;
        stand.held("one", MINUTE).await.release().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_lock_that_is_renewed_outlives_its_time_and_one_that_ran_out_is_not_renewed() {
    over_each_store(async |stand: &Stand| {
        let mut held = stand.held("one", MINUTE).await;
        for _ in 0..3 {
            stand.pass(40 * SECOND).await;
            held.renew(MINUTE).await.unwrap();
        }
        stand.busy("one").await;
        // Nobody has taken it: it has run out all the same.
        stand.pass(MINUTE + SECOND).await;
        assert!(matches!(held.renew(MINUTE).await, Err(LockError::Lost { .. })));
        let next = stand.held("one", MINUTE).await;
        assert!(matches!(held.renew(MINUTE).await, Err(LockError::Lost { .. })));
        assert!(matches!(held.renew(2 * 3_600 * SECOND).await, Err(LockError::Invalid(_))));
        assert_eq!(stand.busy("one").await.holder, Some(next.holder()));
        next.release().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_superseded_holder_changes_nothing_by_giving_back() {
    over_each_store(async |stand: &Stand| {
        let first = stand.held("one", MINUTE).await;
        stand.pass(MINUTE + SECOND).await;
        let second = stand.held("one", MINUTE).await;
        assert!(matches!(first.release().await, Err(LockError::Lost { .. })));
        assert_eq!(stand.busy("one").await.holder, Some(second.holder()));
        second.release().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_superseded_holder_writes_nothing_in_its_transaction() {
    over_each_store(async |stand: &Stand| {
        stand.world.execute("CREATE TABLE written (fence bigint)").await;
        let first = stand.held("one", MINUTE).await;
        stand.pass(MINUTE + SECOND).await;
        let mut tx = stand.world.pool().begin().await.unwrap();
        // Run out and taken by nobody is lost as well.
        assert!(matches!(first.still_mine(&mut tx).await, Err(LockError::Lost { .. })));
        let second = stand.held("one", MINUTE).await;
        assert!(matches!(first.still_mine(&mut tx).await, Err(LockError::Lost { .. })));
        tx.rollback().await.unwrap();
        let mut tx = stand.world.pool().begin().await.unwrap();
        second.still_mine(&mut tx).await.unwrap();
        let write = "INSERT INTO written VALUES ($1)";
        sqlx::query(write).bind(second.fence()).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        let own = format!("written WHERE fence = {}", second.fence());
        assert_eq!(stand.world.count(&own).await, 1);
        second.release().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn nobody_takes_a_lock_over_while_its_holders_transaction_is_open() {
    over_each_store(async |stand: &Stand| {
        let first = stand.held("one", MINUTE).await;
        let mut tx = stand.world.pool().begin().await.unwrap();
        first.still_mine(&mut tx).await.unwrap();
        stand.pass(MINUTE + SECOND).await;
        // Whoever asks is told so, and does not wait for the transaction.
        let busy = stand.busy("one").await;
        assert_eq!((busy.holder, busy.remaining), (Some(first.holder()), Duration::ZERO));
        tx.commit().await.unwrap();
        let second = stand.held("one", MINUTE).await;
        assert!(second.fence() > first.fence());
        second.release().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn who_renews_or_gives_back_within_its_own_transaction_is_told_so_and_does_not_hang() {
    over_each_store(async |stand: &Stand| {
        let (mut one, other) = (stand.held("one", MINUTE).await, stand.held("other", MINUTE).await);
        let mut tx = stand.world.pool().begin().await.unwrap();
        one.still_mine(&mut tx).await.unwrap();
        other.still_mine(&mut tx).await.unwrap();
        assert!(matches!(one.renew(MINUTE).await, Err(LockError::InUse { .. })));
        assert!(matches!(other.release().await, Err(LockError::InUse { .. })));
        tx.commit().await.unwrap();
        one.renew(MINUTE).await.unwrap();
        one.release().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn fences_rise_also_after_a_lock_was_given_back_ran_out_or_was_forgotten() {
    over_each_store(async |stand: &Stand| {
        let mut last = 0;
        for round in 0..12 {
            let held = stand.held("one", MINUTE).await;
            assert!(held.fence() > last, "{} after {last}", held.fence());
            last = held.fence();
            match round % 3 {
                0 => held.release().await.unwrap(),
                1 => {
                    drop(held);
                    stand.pass(MINUTE + SECOND).await;
                }
                _ => {
                    held.release().await.unwrap();
                    stand.pass(61 * MINUTE).await;
                    look_after(stand.world.pool()).await.unwrap();
                    assert_eq!(stand.world.count("engine.lock").await, 0);
                }
            }
        }
    })
    .await;
}

/// Holds back the first row of a lock, on a connection of this name, until somebody lets it go.
const HELD_BACK: &str = "
CREATE FUNCTION hold_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('application_name') = 'slow' THEN PERFORM pg_advisory_xact_lock(1); END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER hold_back BEFORE INSERT ON engine.lock FOR EACH ROW EXECUTE FUNCTION hold_back();
";

#[tokio::test]
async fn a_fence_is_not_older_than_that_of_somebody_who_came_and_went_meanwhile() {
    let world = Lab::noting().await;
    world.execute(HELD_BACK).await;
    let mut gate = world.connect().await;
    sqlx::query("SELECT pg_advisory_lock(1)").execute(&mut gate).await.unwrap();
    let options = world.pool().connect_options().as_ref().clone().application_name("slow");
    let slow = sqlx::PgPool::connect_with(options).await.unwrap();
    let stand = Stand::over(world, slow.clone());
    let (here, there) = (stand.locks(0), stand.locks(1));
    let late = tokio::spawn(async move { there.acquire("one", MINUTE).await.unwrap() });
    stand.world.waiting_for_locks(1).await;
    let Acquired::Held(early) = here.acquire("one", MINUTE).await.unwrap() else { panic!() };
    let fence = early.fence();
    early.release().await.unwrap();
    stand.pass(61 * MINUTE).await;
    look_after(stand.world.pool()).await.unwrap();
    assert_eq!(stand.world.count("engine.lock").await, 0);
    sqlx::query("SELECT pg_advisory_unlock(1)").execute(&mut gate).await.unwrap();
    let Acquired::Held(late) = late.await.unwrap() else { panic!() };
    assert!(late.fence() > fence, "{} after {fence}", late.fence());
    slow.close().await;
    stand.close().await;
}

#[tokio::test]
async fn who_waits_has_the_lock_soon_after_it_is_free_and_who_has_waited_enough_is_told() {
    over_each_store(async |stand: &Stand| {
        let held = stand.held("one", MINUTE).await;
        let (begun, patience) = (Instant::now(), Duration::from_millis(50));
        let asked = stand.locks(1).acquire_within("one", MINUTE, patience).await.unwrap();
        assert!(matches!(asked, Acquired::Busy(busy) if busy.holder == Some(held.holder())));
        assert!(begun.elapsed() >= patience);
        let locks = stand.locks(1);
        let waits =
            tokio::spawn(async move { locks.acquire_within("one", MINUTE, MINUTE).await.unwrap() });
        tokio::task::yield_now().await;
        held.release().await.unwrap();
        let Acquired::Held(next) = waits.await.unwrap() else { panic!() };
        next.release().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_step_takes_a_lock_and_keeps_what_it_writes_behind_both_fences() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            run.step("one", async |at| {
                let asked = at.locks.acquire("shared", MINUTE).await?;
                let Acquired::Held(held) = asked else { panic!("{asked:?}") };
                let mut tx = at.begin().await?;
                held.still_mine(&mut tx).await?;
                sqlx::query("INSERT INTO ledger VALUES ($1)")
                    .bind(held.fence())
                    .execute(&mut *tx)
                    .await?;
                tx.commit().await?;
                held.release().await?;
                Ok(())
            })
            .await
        })
    })
    .await;
    world.execute("CREATE TABLE ledger (fence bigint)").await;
    assert_eq!(world.complete(&Script::new("job")).await, "completed");
    assert_eq!(world.count("ledger").await, 1);
    eventually("it was given back", async || {
        world.count("engine.lock WHERE holder IS NULL").await == 1
    })
    .await;
    world.finish().await;
}
