//! Statistics of a queue's tables are always stale: it is emptied and filled within a minute. What a job costs must not
//! depend on them.

use std::collections::HashMap;
use std::str::FromStr;
use std::time::Duration;

use autopilot_engine::testing::CrashPoints;
use autopilot_engine::{Class, Failure, Result, Run, Stop, Wait};
use autopilot_tests::{Lab, Script, World, eventually};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection};

/// Rows that nobody asks for, in every table that the hot path reads.
const FILLED: i64 = 20_000;

/// What becomes of the jobs.
const ENDS: [&str; 4] = ["completes", "fails", "is tried again", "waits"];

/// How many of each.
const EACH: usize = 10;

const DAY: Duration = Duration::from_secs(86_400);

/// Statements that fill the tables, without `FROM`.
const FILL: [(&str, &str); 7] = [
    (
        "job",
        "(id, workspace, kind, queue, priority, run_at, payload)
         SELECT gen_random_uuid(), gen_random_uuid(), 'test.script', 'default', 2, engine.clock() + interval '2 days', '{}'",
    ),
    ("step", "(job, name, state, token) SELECT gen_random_uuid(), 'one', 'done', 1"),
    (
        "failure",
        "(job, token, attempt, class, code, message, effect)
         SELECT gen_random_uuid(), 1, 1, 'TRANSIENT_NETWORK', 'x', 'x', 'none'",
    ),
    (
        "history_default",
        "(id, workspace, kind, queue, priority, outcome, token, attempt, crashes, payload, created_at)
         SELECT gen_random_uuid(), gen_random_uuid(), 'test.script', 'default', 2, 'completed', 1, 1, 0, '{}', engine.clock()",
    ),
    (
        "dead_letter",
        "(id, workspace, kind, queue, priority, reason, failure, token, attempt, crashes, payload, created_at)
         SELECT gen_random_uuid(), gen_random_uuid(), 'test.script', 'default', 2, 'failed', '{}', 1, 1, 0, '{}', engine.clock()",
    ),
    ("enqueue_key", "(id, job) SELECT gen_random_uuid(), gen_random_uuid()"),
    (
        "run",
        "(id, workspace, kind, version, plan) SELECT gen_random_uuid(), gen_random_uuid(), 'test.planned', '1', '[]'",
    ),
];

/// Fills the tables after they were analyzed with a single row left in all their pages, as a burst does that comes when the one
/// before has been worked off: the planner takes them for empty.
async fn believed_empty(world: &World<Lab>) {
    let mut conn = world.connect().await;
    for (table, rows) in FILL {
        let fill = format!("INSERT INTO engine.{table} {rows} FROM generate_series(1, {FILLED})");
        let last = format!("(SELECT max(ctid) FROM engine.{table})");
        for statement in [
            format!("ALTER TABLE engine.{table} SET (autovacuum_enabled = off)"),
            fill.clone(),
            format!("DELETE FROM engine.{table} WHERE ctid <> {last}"),
            format!("VACUUM ANALYZE engine.{table}"),
            fill,
        ] {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut conn).await.unwrap();
        }
    }
    // What was read here is counted before anything else is.
    sqlx::raw_sql("SELECT pg_stat_force_next_flush()").execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

/// Rows read of each table so far, by whatever means.
async fn rows_read(world: &World<Lab>) -> HashMap<String, i64> {
    let counts = world
        .texts(
            "SELECT concat_ws(' ', relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) + coalesce((
                 SELECT sum(idx_tup_read) FROM pg_stat_user_indexes i WHERE i.relid = t.relid), 0))
             FROM pg_stat_user_tables t WHERE schemaname = 'engine'",
        )
        .await;
    let parse = |count: &String| {
        let (table, rows) = count.split_once(' ').unwrap();
        (table.to_owned(), rows.parse().unwrap())
    };
    counts.iter().map(parse).collect()
}

/// The end that the label asks for, once the process has beaten while it held the job.
async fn ending(label: &str, run: &mut Run<'_, Lab>) -> Result {
    run.step("one", async |_| Ok(())).await?;
    run.app.note("held");
    run.app.gate("held").pass().await;
    if label == "waits" {
        let _waits = run
            .step_or_skip("two", async |at| -> Result {
                at.app.note("ended");
                let (event, reason) = ("it came".to_owned(), "nobody comes".to_owned());
                Err(Stop::Waiting(Wait { event, look_again: DAY, reason }))
            })
            .await?;
        return run.settle();
    }
    run.transact("two", async |_| Ok(())).await?;
    run.step("three", async |at| {
        at.app.note("ended");
        Ok(())
    })
    .await?;
    match label {
        "completes" => Ok(()),
        "fails" => Err(Failure::new(Class::ProvisioningError, "sold_out", "there is none").into()),
        _ => {
            let busy = Class::RateLimited { retry_after: Some(DAY) };
            Err(Failure::new(busy, "busy", "ask again tomorrow").into())
        }
    }
}

#[tokio::test]
async fn what_a_job_reads_does_not_grow_with_the_tables_where_they_are_believed_empty() {
    let mut world = World::lab(|label, run| Box::pin(ending(label, run))).await;
    world.config.heartbeat = Duration::from_millis(200);
    world.config.queues = vec![("default".to_owned(), ENDS.len() * EACH)];
    believed_empty(&world).await;
    for label in ENDS {
        for _ in 0..EACH {
            world.enqueue(&Script::new(label)).await;
        }
    }
    let before = rows_read(&world).await;
    let options = PgConnectOptions::from_str(&world.url()).unwrap().application_name("measured");
    let pool = PgPoolOptions::new().connect_with(options).await.unwrap();
    let process = world.start_with(pool.clone(), CrashPoints::none());
    // Nothing here looks at the tables, which would count.
    let all = ENDS.len() * EACH;
    eventually("all are held", async || world.app.count("held") == all).await;
    let beats = "engine.worker WHERE seen > started_at + interval '0.3 s'";
    eventually("it has beaten", async || world.count(beats).await == 1).await;
    world.app.gate("held").open();
    eventually("all have ended", async || world.app.count("ended") == all).await;
    process.stop().await;
    pool.close().await;
    let connected = "pg_stat_activity WHERE application_name LIKE 'measured%'";
    eventually("what was read is counted", async || world.count(connected).await == 0).await;
    for (table, rows) in rows_read(&world).await {
        let read = rows - before[&table];
        // The process looks through the queue once, when it leaves.
        let allowed = if table == "job" { 2 * FILLED - 1 } else { FILLED - 1 };
        assert!(read <= allowed, "{read} rows of {table} were read, {allowed} are allowed");
    }
    let waiting = "engine.step WHERE state = 'waiting'";
    assert_eq!(world.count(waiting).await, i64::try_from(EACH).unwrap());
    assert_eq!(world.count("engine.job WHERE run_at < engine.clock()").await, 0, "nothing is left");
    world.close().await;
}
