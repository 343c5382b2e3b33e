//! The same of jobs that limits have to allow: what is counted for a key is found by the key.

use autopilot_engine::{Enqueued, Limit, NewJob, enqueue};
use autopilot_tests::LimitedScript;

use super::*;

/// How many jobs: so many that all of each key but one or two stand aside, and are called in one after another.
const JOBS: usize = 20;

/// Rows of keys that nobody asks for, and of jobs that stand aside for one of those.
const FILL_KEYS: [(&str, &str); 4] = [
    (
        "job",
        "(id, workspace, kind, kind_hash, queue_hash, queue, priority, lane, run_at, payload, blocked_on, unique_key, wakes)
         SELECT gen_random_uuid(), gen_random_uuid(), 'test.script', hashtext('test.script'), hashtext('default'), 'default', 2, 9, engine.clock() + interval '2 days', '{}', 'limit:nobody', gen_random_uuid()::text, gen_random_uuid()::text",
    ),
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

/// Every second one is unique: another one that comes in time takes its place.
fn job(number: usize) -> NewJob {
    let script = LimitedScript::new("runs", &limits(number));
    let key = number.to_string();
    if number.is_multiple_of(2) { script.unique(&key).job() } else { script.job() }
}

#[tokio::test]
async fn what_a_limited_job_reads_does_not_grow_with_the_tables_whatever_the_planner_believes() {
    let mut world = Lab::noting().await;
    world.config.queues = vec![("default".to_owned(), 20)];
    filled(&world, &FILL_KEYS).await;
    let mut all = 0;
    for rows in BELIEVED {
        believed(&world, &FILL_KEYS, rows).await;
        for number in 0..JOBS {
            world.add(job(number)).await;
        }
        all += JOBS;
        let read = pages_read_by_a_process(&world, async |pool| {
            let mut conn = pool.acquire().await.unwrap();
            for number in 0..JOBS {
                let enqueued = enqueue(&mut conn, &[job(number)]).await.unwrap();
                all += usize::from(matches!(enqueued[..], [Enqueued::New(_)]));
            }
            drop(conn);
            eventually("all have run", async || world.app.count("runs") == all).await;
        })
        .await;
        for (table, _) in FILL_KEYS {
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
