//! The same of jobs that limits have to allow: what is counted for a key is found by the key.

use autopilot_engine::Limit;
use autopilot_tests::LimitedScript;

use super::*;

/// How many jobs: so many that all of each key but one or two stand aside, and are called in one after another.
const JOBS: usize = 60;

/// Rows of keys that nobody asks for.
const FILL_KEYS: [(&str, &str); 3] = [
    ("limiter", "(key) SELECT gen_random_uuid()::text"),
    ("slot", "(key, job, token) SELECT gen_random_uuid()::text, gen_random_uuid(), 1"),
    (
        "sequence",
        "(key, job, holds) SELECT gen_random_uuid()::text, id, true FROM (SELECT id FROM engine.job LIMIT 1) one,",
    ),
];

fn limits(number: usize) -> [Limit; 3] {
    [
        Limit::concurrency(format!("room {}", number % 3), 2),
        Limit::in_order(format!("line {}", number % 10)),
        Limit::rate("rate", 1_000_000, Duration::from_secs(1)),
    ]
}

#[tokio::test]
async fn what_a_limited_job_reads_does_not_grow_with_the_tables_whatever_the_planner_believes() {
    let mut world = Lab::noting().await;
    world.config.queues = vec![("default".to_owned(), 20)];
    let tables = [&FILL[..1], &FILL_KEYS[..]].concat();
    filled(&world, &tables).await;
    for (round, rows) in (1..).zip(BELIEVED) {
        believed(&world, &tables, rows).await;
        for number in 0..JOBS {
            world.add(LimitedScript::new("runs", &limits(number)).job()).await;
        }
        let read = pages_read_by_a_process(&world, async || {
            eventually("all have run", async || world.app.count("runs") == round * JOBS).await;
        })
        .await;
        for (table, _) in &tables {
            let pages = read[&format!("engine.{table}")];
            assert!(
                pages <= ALLOWED,
                "{rows} rows are believed: {pages} pages of {table} were read"
            );
        }
    }
    assert_eq!(world.count("engine.job WHERE run_at < engine.clock()").await, 0, "nothing is left");
    world.close().await;
}
