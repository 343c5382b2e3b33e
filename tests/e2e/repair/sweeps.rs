//! Who is checked, and when.

use std::time::Duration;

use autopilot_tests::Studio;
use autopilot_workflows::repair::CheckDue;

use super::check;

async fn sweep(studio: &Studio) {
    let due = studio.world.enqueue(&CheckDue {}).await;
    studio.world.attempt(due).await;
}

#[tokio::test]
async fn everybody_is_checked_once_a_day_evenly_and_so_many_a_tick_at_most() {
    let studio = Studio::new().await;
    let world = &studio.world;
    world.execute("DELETE FROM studio.workspace").await;
    world.execute("INSERT INTO studio.workspace (id) SELECT gen_random_uuid() FROM generate_series(1, 10000)").await;
    // No hour of the next day has much more than its part of 417.
    let fullest: i64 = world
        .value("SELECT max(studios) FROM (SELECT count(*) AS studios FROM studio.workspace GROUP BY floor(extract(epoch FROM check_at) / 3600)) hours")
        .await;
    assert!(fullest < 600, "{fullest} in one hour");
    // All at once, as after a restore: no tick takes more than 200 of those that are well, nobody twice, and whoever is not well before them.
    world
        .execute(
            "UPDATE studio.workspace SET check_at = engine.now() - interval '1 hour' * random()",
        )
        .await;
    world.execute("UPDATE studio.workspace SET check_wait = interval '10 minutes' WHERE id IN (SELECT id FROM studio.workspace ORDER BY check_at DESC LIMIT 30)").await;
    world.execute("INSERT INTO engine.pause (scope, name, reason) VALUES ('kind', 'studio.check', 'test')").await;
    sweep(&studio).await;
    let unwell = "engine.job j JOIN studio.workspace w ON w.id = j.workspace WHERE j.kind = 'studio.check' AND w.check_wait IS NOT NULL";
    assert_eq!(
        (world.count("engine.job WHERE kind = 'studio.check'").await, world.count(unwell).await),
        (230, 30)
    );
    sweep(&studio).await;
    assert_eq!(world.count("engine.job WHERE kind = 'studio.check'").await, 430);
    assert_eq!(
        world
            .count("(SELECT DISTINCT workspace FROM engine.job WHERE kind = 'studio.check') w")
            .await,
        430
    );
    studio.close().await;
}

#[tokio::test]
async fn what_does_not_change_is_looked_at_ever_later_and_a_day_at_most() {
    let mut studio = Studio::paid().await;
    studio.configure(|app| app.twilio = None);
    studio.provision().await;
    let wait = "SELECT extract(epoch FROM check_wait)::bigint FROM studio.workspace";
    assert_eq!(studio.world.value::<i64>(wait).await, 600);
    let mut waits = Vec::new();
    for _ in 0..9 {
        check(&studio).await;
        waits.push(studio.world.value::<i64>(wait).await / 60);
    }
    assert_eq!(waits, [20, 40, 80, 160, 320, 640, 1280, 1440, 1440]);
    // Something else changes: it is soon again.
    studio.sandbox.expire_whatsapp_token(Some(1));
    check(&studio).await;
    assert_eq!(studio.world.value::<i64>(wait).await, 600);
    studio.finish().await;
}

#[tokio::test]
async fn who_failed_by_a_provider_is_checked_as_soon_as_that_answers_again() {
    let studio = Studio::paid().await;
    studio.provision().await;
    let world = &studio.world;
    world.execute("UPDATE studio.workspace SET check_wait = interval '1 day', check_at = engine.now() + interval '1 day'").await;
    world.execute("UPDATE studio.health SET severity = 'warning', standing = 'failing' WHERE component = 'email'").await;
    sweep(&studio).await;
    sweep(&studio).await;
    let checks = "engine.history WHERE kind = 'studio.check'";
    assert_eq!(world.count(checks).await, 0, "not before");
    world.clock.advance_alive(Duration::from_secs(600)).await.unwrap();
    world.execute("INSERT INTO engine.breaker_log (key, what, note) VALUES ('smtp', 'closed', 'answered')").await;
    studio.world.enqueue(&CheckDue {}).await;
    studio.world.drain().await;
    assert_eq!(world.count(checks).await, 1);
    assert_eq!(world.count("studio.workspace WHERE check_wait IS NULL").await, 1, "it is well");
    studio.finish().await;
}
