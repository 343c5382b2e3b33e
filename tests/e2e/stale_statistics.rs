//! Statistics of a queue's tables are always stale: it is emptied and filled within a minute. What a job costs must not
//! depend on them.

mod families;
mod limited;

use std::collections::HashMap;
use std::str::FromStr;
use std::time::Duration;

use autopilot_engine::testing::CrashPoints;
use autopilot_engine::{Class, Failure, Result, Run, Stop, Wait};
use autopilot_tests::{Lab, Script, World, eventually};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgPool};

/// Rows that nobody asks for, in every table that the hot path reads.
const FILLED: i64 = 20_000;

/// So many rows the planner takes the tables for. Which plan is the best one in its eyes changes several times on the way.
const BELIEVED: [i64; 5] = [1, 2, 5, 20, 100];

/// Pages of one table and its indexes that a process may read for its jobs, however many there are; among them all of the
/// queue once, when it leaves, and a few for each job that it holds at each heartbeat. To walk through a table once costs as many.
const ALLOWED: i64 = FILLED;

/// What becomes of the jobs.
const ENDS: [&str; 5] = ["has no steps", "completes", "fails", "is tried again", "waits"];

/// How many of each.
const EACH: usize = 10;

const DAY: Duration = Duration::from_secs(86_400);

/// Statements that fill the tables, without `FROM`.
const FILL: [(&str, &str); 7] = [
    (
        "job",
        "(id, workspace, kind, kind_hash, queue_hash, queue, priority, lane, run_at, payload, unique_key, wakes)
         SELECT gen_random_uuid(), gen_random_uuid(), 'test.script', hashtext('test.script'), hashtext('default'), 'default', 2, 2, engine.clock() + interval '2 days', '{}',
                gen_random_uuid()::text, gen_random_uuid()::text",
    ),
    (
        "step",
        "(job, born, name, state, token) SELECT gen_random_uuid(), engine.clock(), 'one', 'done', 1",
    ),
    (
        "failure",
        "(job, born, token, attempt, class, code, message, effect)
         SELECT gen_random_uuid(), engine.clock(), 1, 1, 'TRANSIENT_NETWORK', 'x', 'x', 'none'",
    ),
    (
        "history",
        "(id, workspace, kind, queue, priority, outcome, token, attempt, crashes, payload, created_at, goes)
         SELECT gen_random_uuid(), gen_random_uuid(), 'test.script', 'default', 2, 'completed', 1, 1, 0, '{}', engine.clock(), goes
         FROM (SELECT goes FROM engine.retention WHERE queue = '' AND outcome = 'completed') rule,",
    ),
    (
        "dead_letter",
        "(id, workspace, kind, queue, priority, reason, failure, token, attempt, crashes, payload, created_at)
         SELECT gen_random_uuid(), gen_random_uuid(), 'test.script', 'default', 2, 'failed', '{}', 1, 1, 0, '{}', engine.clock()",
    ),
    ("enqueue_key", "(id, job) SELECT gen_random_uuid(), gen_random_uuid()"),
    (
        "run",
        "(id, workspace, kind, version, plan, created_at)
         SELECT gen_random_uuid(), gen_random_uuid(), 'test.planned', '1', '[]', engine.clock()",
    ),
];

/// The tables that hold a table's rows: its partitions, or itself.
async fn stored(world: &World<Lab>, table: &str) -> Vec<String> {
    world
        .texts(&format!(
            "SELECT relid::text FROM pg_partition_tree('engine.{table}') WHERE isleaf
             UNION SELECT 'engine.{table}' WHERE (SELECT relkind FROM pg_class WHERE oid = 'engine.{table}'::regclass) = 'r'"
        ))
        .await
}

/// Fills these tables.
async fn filled(world: &World<Lab>, fill: &[(&str, &str)]) {
    let mut conn = world.connect().await;
    for (table, rows) in fill {
        let mut statements = Vec::new();
        for stored in stored(world, table).await {
            statements.push(format!("ALTER TABLE {stored} SET (autovacuum_enabled = off)"));
        }
        let from = if rows.ends_with(',') { "" } else { "FROM" };
        statements
            .push(format!("INSERT INTO engine.{table} {rows} {from} generate_series(1, {FILLED})"));
        for statement in statements {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut conn).await.unwrap();
        }
    }
    conn.close().await.unwrap();
    // What was read here is counted before anything else is. All rows of a table went to one partition.
    let counted =
        format!("pg_stat_user_tables WHERE schemaname = 'engine' AND n_tup_ins >= {FILLED}");
    eventually("the fill is counted", async || {
        world.count(&counted).await >= i64::try_from(fill.len()).unwrap()
    })
    .await;
}

/// Leaves the planner with what an analysis says of tables that were just worked off and keep their pages, as they do behind a
/// snapshot: next to nothing is in them.
async fn believed(world: &World<Lab>, fill: &[(&str, &str)], rows: i64) {
    for (table, _) in fill {
        for stored in stored(world, table).await {
            let believe = format!(
                "UPDATE pg_class SET reltuples = {rows}, relpages = pg_relation_size(oid) / 8192
                 WHERE oid = '{stored}'::regclass"
            );
            assert_eq!(world.execute(&believe).await, 1);
        }
    }
}

/// Pages read of each table and its indexes so far, from wherever.
async fn pages_read(world: &World<Lab>) -> HashMap<String, i64> {
    let counts = world
        .texts(
            "SELECT concat_ws(' ', coalesce(inhparent, relid)::regclass,
                              sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0)))
             FROM pg_statio_user_tables LEFT JOIN pg_inherits ON inhrelid = relid WHERE schemaname = 'engine'
             GROUP BY coalesce(inhparent, relid)",
        )
        .await;
    let parse = |count: &String| {
        let (table, pages) = count.split_once(' ').unwrap();
        (table.to_owned(), pages.parse().unwrap())
    };
    counts.iter().map(parse).collect()
}

/// The end that the label asks for, once the process has beaten while it held the job.
async fn ending(label: &str, run: &mut Run<'_, Lab>) -> Result {
    if label != "has no steps" {
        run.step("one", async |_| Ok(())).await?;
    }
    run.app.note("held");
    run.app.gate("held").pass().await;
    if label == "has no steps" {
        run.app.note("ended");
        return Ok(());
    }
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

/// Starts a process for the jobs that are there, and stops it when they have ended. Returns the pages that were read of each
/// table, by whoever uses the process's connections too.
async fn pages_read_by_a_process(
    world: &World<Lab>,
    have_ended: impl AsyncFnOnce(&PgPool),
) -> HashMap<String, i64> {
    let before = pages_read(world).await;
    let options = PgConnectOptions::from_str(&world.url()).unwrap().application_name("measured");
    let pool = PgPoolOptions::new().connect_with(options).await.unwrap();
    let process = world.start_with(pool.clone(), CrashPoints::none());
    have_ended(&pool).await;
    process.stop().await;
    pool.close().await;
    let connected = "pg_stat_activity WHERE application_name LIKE 'measured%'";
    eventually("what was read is counted", async || world.count(connected).await == 0).await;
    let mut pages = pages_read(world).await;
    for (table, pages) in &mut pages {
        *pages -= before.get(table).unwrap_or(&0);
    }
    pages
}

#[tokio::test]
async fn what_a_job_reads_does_not_grow_with_the_tables_whatever_the_planner_believes() {
    let mut world = Lab::world(|label, run| Box::pin(ending(label, run))).await;
    world.config.heartbeat = Duration::from_millis(500);
    world.config.queues = vec![("default".to_owned(), ENDS.len() * EACH)];
    filled(&world, &FILL).await;
    for (round, rows) in (1..).zip(BELIEVED) {
        believed(&world, &FILL, rows).await;
        let all = round * ENDS.len() * EACH;
        for label in ENDS {
            for _ in 0..EACH {
                world.enqueue(&Script::new(label)).await;
            }
        }
        let read = pages_read_by_a_process(&world, async |_| {
            // Nothing here looks at the tables, which would count.
            eventually("all are held", async || world.app.count("held") == all).await;
            let beats = "engine.worker WHERE seen > started_at + interval '0.3 s'";
            eventually("it has beaten", async || world.count(beats).await == 1).await;
            world.app.gate("held").open();
            eventually("all have ended", async || world.app.count("ended") == all).await;
        })
        .await;
        for (table, _) in FILL {
            let pages = read[&format!("engine.{table}")];
            assert!(
                pages <= ALLOWED,
                "{rows} rows are believed: {pages} pages of {table} were read"
            );
        }
    }
    let waiting = "engine.step WHERE state = 'waiting'";
    let rounds = BELIEVED.len();
    assert_eq!(world.count(waiting).await, i64::try_from(rounds * EACH).unwrap());
    assert_eq!(world.count("engine.job WHERE run_at < engine.clock()").await, 0, "nothing is left");
    world.close().await;
}

#[tokio::test]
async fn a_job_is_looked_up_by_its_id_in_no_index_but_the_primary_key() {
    let world = Lab::noting().await;
    // An index that has the id behind other columns would be gone through as a whole, and looks as cheap.
    let others = world
        .texts(
            "SELECT i.indexrelid::regclass::text FROM pg_index i
             JOIN pg_attribute id ON id.attrelid = i.indrelid AND id.attname = 'id'
             WHERE i.indrelid = 'engine.job'::regclass AND id.attnum = ANY (i.indkey) AND NOT i.indisprimary",
        )
        .await;
    assert!(others.is_empty(), "{others:?}");
    world.close().await;
}
