//! The table of jobs stays as small as what is in it, without waiting for autovacuum.

use autopilot_tests::{Lab, Script, eventually};

/// Jobs that are worked off before the process vacuums.
const WAVE: usize = 1_000;

#[tokio::test]
async fn a_queue_that_is_worked_off_again_and_again_does_not_grow() {
    let mut world = Lab::noting().await;
    world.config.vacuum_after = u64::try_from(WAVE).unwrap();
    world.execute("ALTER TABLE engine.job SET (autovacuum_enabled = off)").await;
    let process = world.start();
    let mut sizes = Vec::new();
    for wave in 1..=6 {
        let jobs: Vec<_> = (0..WAVE).map(|_| Script::new("wave").job()).collect();
        let mut conn = world.connect().await;
        assert_eq!(autopilot_engine::enqueue(&mut conn, &jobs).await.unwrap().len(), WAVE);
        eventually("it is worked off", async || world.app.count("wave") == wave * WAVE).await;
        let vacuumed =
            format!("pg_stat_user_tables WHERE relname = 'job' AND vacuum_count >= {wave}");
        eventually("it is vacuumed", async || world.count(&vacuumed).await == 1).await;
        sizes.push(world.value::<i64>("SELECT pg_relation_size('engine.job')").await);
    }
    process.stop().await;
    // A vacuum may come before the last acks of its wave; what it leaves is the next one's.
    let [first, .., last] = sizes[..] else { panic!("{sizes:?}") };
    assert!(
        last < 3 * first,
        "without room made for them, six waves take six times the room: {sizes:?}"
    );
    world.finish().await;
}
