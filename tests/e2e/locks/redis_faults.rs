//! P6 for locks: whatever becomes of Redis, one holder at a time, nobody stuck; the audit that says so can see two.

use std::time::{Duration, Instant};

use autopilot_engine::{Acquired, Locks, Redis};
use autopilot_tests::redis::{Liar, Lie};
use autopilot_tests::{Proxy, eventually};

use super::audit::{Found, PLAN, Plan, contend};
use super::stand::{Stand, connected};

const MINUTE: Duration = Duration::from_secs(60);

/// The name that a stranger has written into Redis.
const STRANGER: &str = "01920000-0000-7000-8000-000000000000";

fn is_right(found: &Found, plan: Plan) {
    assert_eq!((found.overlaps, found.falls), (0, 0), "{found:?}");
    let (turns, late) = (plan.tasks * plan.rounds, usize::try_from(found.late).unwrap());
    assert_eq!(usize::try_from(found.holdings).unwrap() + late, turns, "{found:?}");
    assert!(late > 0, "somebody came too late: {found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_emptied_again_and_again_never_makes_two_owners() {
    let Some(stand) = Stand::over_both().await else { return };
    let redis = stand.redis.as_ref().unwrap();
    let mut flushes = 0;
    let found = contend(&stand, PLAN, async || {
        redis.flush().await;
        flushes += 1;
        false
    })
    .await;
    is_right(&found, PLAN);
    assert!(flushes > 10, "{flushes}");
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_under_load_never_makes_two_owners_and_is_used_again() {
    let Some(mut stand) = Stand::over_both().await else { return };
    let mut redis = stand.redis.take().unwrap();
    let mut kills = 0;
    let found = contend(&stand, PLAN, async || {
        redis.kill();
        kills += 1;
        redis.start_again().await;
        // Long enough that it is asked again.
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        true
    })
    .await;
    is_right(&found, PLAN);
    assert!(kills >= 1);
    for process in [0, 1] {
        connected(&stand.locks(process), &redis).await;
    }
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_stands_still_and_then_does_what_it_was_asked_never_makes_two_owners() {
    let Some(stand) = Stand::over_both().await else { return };
    let redis = stand.redis.as_ref().unwrap();
    let found = contend(&stand, PLAN, async || {
        redis.stand_still();
        tokio::time::sleep(Duration::from_millis(300)).await;
        redis.go_on();
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        true
    })
    .await;
    is_right(&found, PLAN);
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_one_process_does_not_reach_never_makes_two_owners() {
    let Some(mut stand) = Stand::over_both().await else { return };
    stand.change(1, Locks::new(stand.world.pool().clone()));
    let found = contend(&stand, PLAN, async || false).await;
    is_right(&found, PLAN);
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_redis_says_there_is_one_owner_and_nobody_is_locked_out() {
    const SHORT: Plan = Plan { tasks: 4, rounds: 6 };
    for lie in Lie::ALL {
        let mut stand = Stand::over_postgres().await;
        let liars = [Liar::start(lie).await, Liar::start(lie).await];
        for (process, liar) in liars.iter().enumerate() {
            let redis = Redis::new(&liar.url()).unwrap();
            stand.change(process, stand.locks(process).shedding(redis));
            eventually("the liar is asked", async || {
                let asked = stand.locks(process).acquire("first", MINUTE).await.unwrap();
                if let Acquired::Held(held) = asked {
                    held.release().await.unwrap();
                }
                liar.lies() > 0
            })
            .await;
        }
        let found = contend(&stand, SHORT, async || false).await;
        is_right(&found, SHORT);
        // One that says of every lock that somebody has it is believed for a second.
        eventually("nobody is locked out for good", async || {
            let asked = stand.locks(0).acquire("free", MINUTE).await.unwrap();
            matches!(asked, Acquired::Held(_))
        })
        .await;
        stand.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_word_of_postgres_an_emptied_redis_makes_two_owners_and_the_audit_sees_them() {
    let Some(stand) = Stand::over_both().await else { return };
    stand
        .world
        .execute(
            "CREATE OR REPLACE FUNCTION engine.lock_is_free(holder uuid, until timestamptz, at timestamptz) RETURNS boolean
                 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT true $$",
        )
        .await;
    let redis = stand.redis.as_ref().unwrap();
    let found = contend(&stand, PLAN, async || {
        redis.flush().await;
        false
    })
    .await;
    assert!(found.overlaps > 0, "{found:?}");
    stand.close().await;
}

#[tokio::test]
async fn who_would_only_find_a_lock_busy_is_turned_away_before_postgres_for_a_second_at_a_time() {
    let Some(mut stand) = Stand::over_both().await else { return };
    let proxy = Proxy::start(&stand.world.url()).await;
    let pool = proxy.pool(&stand.world.url()).await;
    let redis = Redis::new(&stand.redis.as_ref().unwrap().url()).unwrap();
    stand.change(1, Locks::new(pool.clone()).shedding(redis));
    connected(&stand.locks(1), stand.redis.as_ref().unwrap()).await;
    let held = stand.held("one", MINUTE).await;
    let (before, begun) = (proxy.said(), Instant::now());
    for _ in 0..200 {
        let busy = stand.busy("one").await;
        assert_eq!(busy.holder, Some(held.holder()));
        assert!(busy.remaining > MINUTE / 2);
    }
    let asked = proxy.said().since(before).round_trips;
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap();
    // A ping of the pool's and a statement for each second that was begun.
    assert!(asked <= 3 * (seconds + 1), "{asked} in {seconds} s");
    held.release().await.unwrap();
    let Acquired::Held(next) = stand.locks(1).acquire("one", MINUTE).await.unwrap() else {
        panic!("whoever gives it back says so to Redis")
    };
    next.release().await.unwrap();
    pool.close().await;
    stand.close().await;
}

#[tokio::test]
async fn a_key_that_is_nobodys_keeps_nobody_out_for_longer_than_a_second_of_asking() {
    let Some(stand) = Stand::over_both().await else { return };
    let redis = stand.redis.as_ref().unwrap();
    let stale = format!("SET autopilot:lock:one {STRANGER}/60000 PX 10000");
    assert_eq!(redis.say(&stale).await.as_deref(), Some("+OK"));
    assert_eq!(stand.busy("one").await.holder, Some(STRANGER.parse().unwrap()));
    eventually("Postgres is asked", async || {
        // It never runs out: only Postgres lets anybody in.
        redis.say(&stale).await;
        matches!(stand.locks(1).acquire("one", MINUTE).await.unwrap(), Acquired::Held(_))
    })
    .await;
    // And who waits is not sent away without Postgres's word.
    assert_eq!(redis.say(&stale.replace(":one", ":two")).await.as_deref(), Some("+OK"));
    let asked = stand.locks(0).acquire_within("two", MINUTE, Duration::ZERO).await.unwrap();
    assert!(matches!(asked, Acquired::Held(_)), "{asked:?}");
    // A key of somebody else's making is not believed at all.
    for key in ["three somebody PX 5000".to_owned(), format!("three {STRANGER}/60000")] {
        assert_eq!(redis.say(&format!("SET autopilot:lock:{key}")).await.as_deref(), Some("+OK"));
        stand.held("three", MINUTE).await.release().await.unwrap();
    }
    stand.close().await;
}

#[tokio::test]
async fn after_it_was_emptied_redis_turns_away_again_as_soon_as_postgres_was_asked() {
    let Some(stand) = Stand::over_both().await else { return };
    let redis = stand.redis.as_ref().unwrap();
    let held = stand.held("one", MINUTE).await;
    redis.flush().await;
    assert_eq!(stand.busy("one").await.holder, Some(held.holder()));
    let known = redis.say("EXISTS autopilot:lock:one").await;
    assert_eq!(known.as_deref(), Some(":1"), "the holder's key is there again");
    held.release().await.unwrap();
    assert_eq!(redis.say("EXISTS autopilot:lock:one").await.as_deref(), Some(":0"));
    stand.close().await;
}

/// What it costs stands on standard error, see `--nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_nobody_else_wants_is_had_whatever_becomes_of_redis() {
    let Some(mut stand) = Stand::over_both().await else { return };
    let mut redis = stand.redis.take().unwrap();
    let alone = Locks::new(stand.world.pool().clone());
    measure("postgres alone", &alone).await;
    measure("behind redis", &stand.locks(0)).await;
    redis.stand_still();
    measure("redis stands still", &stand.locks(0)).await;
    redis.go_on();
    connected(&stand.locks(1), &redis).await;
    redis.kill();
    measure("redis killed", &stand.locks(1)).await;
    stand.close().await;
}

/// Takes a lock and gives it back, and says how long that took: at the median, at worst but for one in a hundred, at worst.
#[expect(clippy::print_stderr, reason = "figures are there to be read")]
async fn measure(what: &str, locks: &Locks) {
    let mut took = Vec::new();
    for _ in 0..300 {
        let begun = Instant::now();
        let asked = locks.acquire("mine", MINUTE).await.unwrap();
        let Acquired::Held(held) = asked else { panic!("{what}: {asked:?}") };
        held.release().await.unwrap();
        took.push(begun.elapsed());
    }
    took.sort();
    let [median, nearly_worst, worst] =
        [150, 297, 299].map(|place| took.get(place).copied().unwrap_or_default());
    eprintln!("{what}: {median:.1?}, {nearly_worst:.1?}, {worst:.1?}");
}
