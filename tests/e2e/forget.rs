//! What nobody needs any more is forgotten once a minute, and nothing else is.

use std::time::Duration;

use autopilot_engine::testing::look_after;
use autopilot_tests::{Lab, World};
use sqlx::Connection;

/// What is there of each kind whose rows are forgotten, in one text.
const LEFT: &str = "SELECT concat_ws('; ',
    (SELECT string_agg(key, ', ' ORDER BY key) FROM engine.limiter),
    (SELECT string_agg(name, ', ' ORDER BY name) FROM engine.lock),
    (SELECT string_agg(schedule, ', ' ORDER BY schedule) FROM engine.tick),
    (SELECT string_agg(key, ', ' ORDER BY key) FROM engine.event),
    (SELECT string_agg(right(id::text, 1), ', ' ORDER BY id) FROM engine.enqueue_key))";

/// Of each kind something that is forgotten, and what is nearly like it.
async fn old_and_new() -> World<Lab> {
    let world = Lab::noting().await;
    world.clock.freeze().await.unwrap();
    for rows in [
        "limiter (key, made_at, next_turn) VALUES
            ('held', engine.now() - interval '2 hours', NULL), ('new', engine.now() - interval '59 minutes', NULL),
            ('old', engine.now() - interval '61 minutes', NULL), ('paced', engine.now() - interval '2 hours', engine.now())",
        "lock (name, holder, fence, until) VALUES
            ('held', gen_random_uuid(), 1, engine.now() + interval '1 second'), ('new', NULL, 2, engine.now() - interval '59 minutes'),
            ('old', NULL, 3, engine.now() - interval '61 minutes')",
        "slot (key, job, token) VALUES ('held', gen_random_uuid(), 1)",
        "tick (schedule, at, skipped) VALUES
            ('new', engine.now() - interval '30 days', 'paused'), ('old', engine.now() - interval '32 days', 'paused')",
        "event (key, payload, at) VALUES
            ('new', '1', engine.now() - interval '30 days'), ('old', '1', engine.now() - interval '32 days')",
        "enqueue_key (id, job, expires_at) VALUES
            ('00000000-0000-0000-0000-000000000001', gen_random_uuid(), engine.now() - interval '23 hours'),
            ('00000000-0000-0000-0000-000000000002', gen_random_uuid(), engine.now() - interval '25 hours'),
            ('00000000-0000-0000-0000-000000000003', gen_random_uuid(), NULL)",
    ] {
        world.execute(&format!("INSERT INTO engine.{rows}")).await;
    }
    world
}

#[tokio::test]
async fn what_nobody_needs_any_more_is_forgotten_and_the_rest_stays() {
    let world = old_and_new().await;
    let left: String = world.value(LEFT).await;
    assert_eq!(left, "held, new, old, paced; held, new, old; new, old; new, old; 1, 2, 3");
    look_after(world.pool()).await.unwrap();
    let left: String = world.value(LEFT).await;
    assert_eq!(left, "held, new, paced; held, new; new; new; 1, 3");
    world.close().await;
}

#[tokio::test]
async fn what_somebody_has_locked_is_left_for_the_next_time() {
    let world = old_and_new().await;
    let mut somebody = world.connect().await;
    let mut tx = somebody.begin().await.unwrap();
    for table in ["limiter", "lock", "tick", "event", "enqueue_key"] {
        let lock = format!("SELECT FROM engine.{table} FOR UPDATE");
        sqlx::query(sqlx::AssertSqlSafe(lock)).execute(&mut *tx).await.unwrap();
    }
    let looked = tokio::time::timeout(Duration::from_secs(60), look_after(world.pool())).await;
    looked.expect("nobody waits for the locks").unwrap();
    let left: String = world.value(LEFT).await;
    assert_eq!(left, "held, new, old, paced; held, new, old; new, old; new, old; 1, 2, 3");
    tx.rollback().await.unwrap();
    look_after(world.pool()).await.unwrap();
    let left: String = world.value(LEFT).await;
    assert_eq!(left, "held, new, paced; held, new; new; new; 1, 3");
    world.close().await;
}
