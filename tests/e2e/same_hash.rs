//! Claims look for the hash of a name first: names that have the same one are still different names.

use autopilot_tests::{Lab, Script, eventually};

#[tokio::test]
async fn queues_whose_names_have_the_same_hash_stay_apart() {
    let mut world = Lab::noting().await;
    let twins = world
        .texts(
            "SELECT unnest(ARRAY[min(name), max(name)])
             FROM (SELECT 'queue-' || n AS name FROM generate_series(1, 300000) AS n) names
             GROUP BY hashtext(name) HAVING count(*) > 1 LIMIT 2",
        )
        .await;
    let [ours, theirs] = [&twins[0], &twins[1]];
    assert_ne!(ours, theirs);
    for _ in 0..5 {
        for name in [theirs, ours] {
            world.enqueue(&Script::new(name)).await;
        }
    }
    world
        .execute("UPDATE engine.job SET queue = payload ->> 'label', queue_hash = hashtext(payload ->> 'label')")
        .await;
    let hashes: i64 = world.value("SELECT count(DISTINCT queue_hash) FROM engine.job").await;
    assert_eq!(hashes, 1);
    for (queue, left) in [(ours, 5), (theirs, 0)] {
        world.config.queues = vec![(queue.clone(), 4)];
        let process = world.start();
        eventually("its jobs ran", async || world.app.count(queue) == 5).await;
        process.stop().await;
        assert_eq!(world.app.calls().len(), 10 - left);
        let untouched = world.count("engine.job WHERE state = 0 AND token = 0").await;
        assert_eq!(usize::try_from(untouched).unwrap(), left);
    }
    world.finish().await;
}

#[tokio::test]
async fn a_kind_that_has_the_hash_of_one_that_is_known_is_given_back_and_spends_no_attempt() {
    let world = Lab::noting().await;
    world.enqueue(&Script::new("ours")).await;
    world.execute("UPDATE engine.job SET kind = 'test.theirs'").await;
    let process = world.start();
    let given_back = "engine.job WHERE state = 0 AND token > 0 AND attempt = 0 AND crashes = 0";
    eventually("it was given back", async || world.count(given_back).await == 1).await;
    process.stop().await;
    assert_eq!(world.app.calls().len(), 0);
    assert_eq!(world.count("engine.dead_letter").await, 0);
    world.close().await;
}
