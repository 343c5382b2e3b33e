//! What lies in the tables for a long time, written in bulk in the shape that the engine gives it.

use sqlx::{PgConnection, PgPool};

use crate::report;

/// Rows a statement.
const CHUNK: i64 = 250_000;

/// An id as the engine draws it, of the moment `$at`: they grow with time, so they come to the end of their index.
const ID: &str = "encode(set_byte(overlay(uuid_send(gen_random_uuid()) PLACING
    substring(int8send((extract(epoch FROM at) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 6, 112), 'hex')::uuid";

/// The steps of a run.
const STEPS: &str = "unnest('{one,two,three,four,five,six,seven}'::text[]) AS name";

/// Their plan, as a run keeps it.
const PLAN: &str = "(SELECT jsonb_agg(jsonb_build_object('name', name, 'weight', 1))
    FROM unnest('{one,two,three,four,five,six,seven}'::text[]) AS name)";

/// The tenant of jobs that have none.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// Jobs that are due tomorrow, a hundred a second.
pub(crate) async fn scheduled(pool: &PgPool, jobs: i64) -> Result<(), sqlx::Error> {
    let sql = format!(
        "INSERT INTO engine.job (id, workspace, kind, kind_hash, queue_hash, queue, priority, lane, run_at, payload, created_at)
         SELECT {ID}, '{NOBODY}', 'load.noop', hashtext('load.noop'), hashtext('default'), 'default', 2, 2,
                at + interval '25 hours', json_build_object('n', n), at
         FROM (SELECT n, now() - (3600 - n * 0.0036) * interval '1 second' AS at
               FROM generate_series($1, $2) AS n) drawn"
    );
    let mut conn = pool.acquire().await?;
    in_chunks(&mut conn, &sql, 1, jobs, "scheduled jobs").await?;
    settle(&mut conn).await
}

/// Jobs that have ended in the last days; every fiftieth was a run of seven steps.
pub(crate) async fn history(pool: &PgPool, jobs: i64) -> Result<(), sqlx::Error> {
    let sql = format!(
        "WITH drawn AS (
             SELECT n, {ID} AS id, n % 50 = 0 AS is_run, at
             FROM (SELECT n, now() - interval '1 hour' - ({jobs} - n) * interval '80 ms' AS at
                   FROM generate_series($1, $2) AS n) moments
         ), ended AS (
             INSERT INTO engine.history (id, workspace, kind, queue, priority, outcome, token, attempt, crashes,
                                         payload, created_at, finished_at, goes)
             SELECT id, '{NOBODY}', CASE WHEN is_run THEN 'load.seven' ELSE 'load.noop' END,
                    'default', 2, 'completed', 1, 1, 0, json_build_object('n', n), at, at + interval '5 ms',
                    (SELECT goes FROM engine.retention WHERE queue = '' AND outcome = 'completed')
             FROM drawn
         ), runs AS (
             INSERT INTO engine.run (id, workspace, kind, version, plan, created_at)
             SELECT id, '{NOBODY}', 'load.seven', '0.1.0',
                    {PLAN}, at
             FROM drawn WHERE is_run
         )
         INSERT INTO engine.step (job, born, name, state, token, starts, output, started_at, finished_at)
         SELECT id, at, name, 'done', 1, 1, '1', at, at + interval '1 ms'
         FROM drawn, {STEPS} WHERE is_run"
    );
    let mut conn = pool.acquire().await?;
    in_chunks(&mut conn, &sql, 1, jobs, "ended jobs").await?;
    settle(&mut conn).await
}

/// Ended jobs from number `first` to `last`, a second apart, each with a tag and an output of its own and a tag and an output that
/// a thousandth of all have.
pub(crate) async fn tagged(pool: &PgPool, first: i64, last: i64) -> Result<(), sqlx::Error> {
    let sql = format!(
        "WITH drawn AS (
             SELECT n, {ID} AS id, at FROM (
                 SELECT n, date_trunc('month', now()) + n * interval '100 ms' AS at FROM generate_series($1, $2) AS n
             ) moments
         ), ended AS (
             INSERT INTO engine.history (id, workspace, kind, queue, priority, outcome, token, attempt, crashes,
                                         payload, created_at, finished_at, goes)
             SELECT id, '{NOBODY}', 'load.noop', 'default', 2, 'completed', 1, 1, 0, json_build_object('n', n), at, at,
                    (SELECT goes FROM engine.retention WHERE queue = '' AND outcome = 'completed')
             FROM drawn
         ), tags AS (
             INSERT INTO engine.tag (tag, at, job)
             SELECT tag, at, id FROM drawn, unnest(ARRAY['order ' || n, 'plan ' || n % 1000]) AS tag
         )
         INSERT INTO engine.output (job, value, at)
         SELECT id, jsonb_build_object('order', n, 'plan', n % 1000, 'paid', true), at FROM drawn"
    );
    let mut conn = pool.acquire().await?;
    in_chunks(&mut conn, &sql, first, last, "tagged jobs").await?;
    for sql in ["VACUUM ANALYZE engine.tag", "VACUUM ANALYZE engine.output"] {
        sqlx::query(sql).execute(&mut *conn).await?;
    }
    settle(&mut conn).await
}

/// Jobs that wait for a person; every fifth is a run.
pub(crate) async fn dead_letters(pool: &PgPool, jobs: i64) -> Result<(), sqlx::Error> {
    let sql = format!(
        "WITH drawn AS (
             SELECT n, {ID} AS id, CASE WHEN n % 5 = 0 THEN 'load.seven' ELSE 'load.noop' END AS kind, at
             FROM (SELECT n, now() - n * interval '1 hour' AS at FROM generate_series($1, $2) AS n) moments
         ), runs AS (
             INSERT INTO engine.run (id, workspace, kind, version, plan, created_at)
             SELECT id, '{NOBODY}', kind, '0.1.0', {PLAN}, at FROM drawn WHERE kind = 'load.seven'
         )
         INSERT INTO engine.dead_letter (id, workspace, kind, queue, priority, reason, failure, token, attempt, crashes,
                                         payload, created_at)
         SELECT id, '{NOBODY}', kind, 'default', 2, 'failed',
                '{{\"class\": \"TRANSIENT_NETWORK\", \"code\": \"timeout\", \"message\": \"no answer\"}}', 3, 3, 0,
                json_build_object('n', n), at
         FROM drawn"
    );
    let mut conn = pool.acquire().await?;
    in_chunks(&mut conn, &sql, 1, jobs, "dead letters").await
}

async fn in_chunks(
    conn: &mut PgConnection,
    sql: &str,
    mut first: i64,
    rows: i64,
    what: &str,
) -> Result<(), sqlx::Error> {
    while first <= rows {
        let last = rows.min(first + CHUNK - 1);
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(first).bind(last).execute(&mut *conn).await?;
        if rows > CHUNK {
            report::progress(&format!("{last} of {rows} {what} written"));
        }
        first = last + 1;
    }
    Ok(())
}

/// As the tables are after autovacuum has seen them, with nothing left to write for the server.
async fn settle(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    for sql in [
        "VACUUM ANALYZE engine.job",
        "VACUUM ANALYZE engine.history",
        "VACUUM ANALYZE engine.run",
        "VACUUM ANALYZE engine.step",
        "CHECKPOINT",
    ] {
        sqlx::query(sql).execute(&mut *conn).await?;
    }
    Ok(())
}
