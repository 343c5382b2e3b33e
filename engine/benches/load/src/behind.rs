//! A fresh process on a table that is full of dead rows: millions were worked off while somebody held a snapshot.

use std::error::Error;

use autopilot_engine::{NewJob, enqueue};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use sqlx::{Executor, PgPool};

use crate::arguments::Arguments;
use crate::drain::{Drain, all_are_kept, fill};
use crate::fleet::{Target, database};
use crate::footprint::Footprint;
use crate::latency::{milliseconds, monotonic, percentile};
use crate::other::{Other, Stamped};
use crate::pickup;
use crate::report;
use crate::snapshot::{Has, Held};

/// How long a fresh process took to begin a job that waited for it, in nanoseconds.
struct First {
    /// Since its process was started.
    process: i64,
    /// Since it had connected, before it made a worker: with registering, the connections of the worker's own, and
    /// preparing every statement.
    connect: i64,
    /// Since Postgres took the connection that it claims on, in whose first statement it looks for work.
    ready: i64,
}

/// Works off a backlog behind a snapshot, and then starts fresh processes.
pub(crate) async fn measure(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let jobs: usize = arguments.get("jobs", 4_000_000)?;
    let processes = arguments.get("processes", 5_usize)?;
    let pickups = arguments.get("pickups", 500)?;
    let target = Target::from_environment()?;
    let pool = database(&target).await?;
    let has = Has::of(arguments)?;
    let held = Held::open(&target, has).await?;
    fill(&pool, jobs).await?;
    report::progress(&format!("{jobs} jobs enqueued"));
    // It stops as soon as it is done: what it keeps for its successors, it has kept while it worked.
    let took = Drain::of(arguments)?.run(&pool, jobs).await.stop().await?;
    report::progress(&format!("worked off in {took:.1?}"));
    let pages = pages_to_walk(&target).await?;
    let mut firsts = vec![fresh(&pool, &target).await?];
    for _ in 1..processes {
        firsts.push(fresh(&pool, &target).await?);
    }
    all_are_kept(&pool, jobs + processes).await?;
    let footprint = Footprint::settled(&pool).await?;
    let mut pickups = pickup::latencies(&pool, &target, pickups).await?;
    held.release().await?;
    let job = footprint.of("job").ok_or("there is no table of jobs")?;
    let worst = |figure: fn(&First) -> i64| firsts.iter().map(figure).max().map(milliseconds);
    let first = firsts.first().ok_or("no process was started")?;
    report::answer(
        "behind-a-snapshot",
        &format!(
            "{jobs} jobs worked off behind one snapshot of a transaction that has {}, then {processes} processes one after the other, each started \
             after a job was enqueued; the first has the most to walk",
            has.words()
        ),
        json!({
            "ready_ms": milliseconds(first.ready),
            "connect_ms": milliseconds(first.connect),
            "process_ms": milliseconds(first.process),
            "worst_ready_ms": worst(|first| first.ready),
            "worst_connect_ms": worst(|first| first.connect),
            "pages_to_walk": pages,
            "p50_ms": percentile(&mut pickups, 50.0),
            "p99_ms": percentile(&mut pickups, 99.0),
            "dead_tuples": footprint.dead_tuples(),
            "job_bytes": job.heap,
            "job_index_bytes": job.indexes,
        }),
    );
    Ok(())
}

/// How many pages the first look of a fresh process reads: from the mark that was kept, over dead entries, to the end. What
/// the clock says depends on the machine; this does not.
async fn pages_to_walk(target: &Target) -> Result<i64, Box<dyn Error>> {
    let mut connection = target.connect().await?;
    connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off").await?;
    let explained: Value = sqlx::query_scalar(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)
         SELECT run_at FROM engine.job
         WHERE queue = 'default' AND lane = 2 AND state = 0
           AND run_at >= coalesce((SELECT safe FROM engine.lane WHERE queue = 'default' AND lane = 2), '-infinity')
         ORDER BY run_at LIMIT 1",
    )
    .fetch_one(&mut connection)
    .await?;
    let pages = |name: &str| {
        explained.pointer(&format!("/0/Plan/Shared {name} Blocks")).and_then(Value::as_i64)
    };
    Ok(pages("Hit").unwrap_or_default() + pages("Read").unwrap_or_default())
}

/// Enqueues a job, starts a process, and stops it when it has begun the job.
async fn fresh(pool: &PgPool, target: &Target) -> Result<First, Box<dyn Error>> {
    let mut conn = pool.acquire().await?;
    let [job] = enqueue(&mut conn, &[NewJob::of(&Stamped { due: monotonic() })?]).await?[..] else {
        return Err("one job was enqueued and not one was answered for".into());
    };
    let started = monotonic();
    let other = Other::start(target, 100).await?;
    let ended = "SELECT EXISTS (SELECT FROM engine.history WHERE id = $1)";
    while !sqlx::query_scalar::<_, bool>(ended).bind(job.id().uuid()).fetch_one(&mut *conn).await? {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let claimer: f64 = sqlx::query_scalar(
        "SELECT extract(epoch FROM backend_start)::double precision FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE '%claimer'",
    )
    .fetch_one(&mut *conn)
    .await?;
    let claimer = since_boot(claimer);
    let seen = other.stop(1).await?;
    let (_, began) = seen.picked.first().ok_or("the process began nothing")?;
    Ok(First { process: began - started, connect: began - seen.connected, ready: began - claimer })
}

/// A moment of the database's clock, which is this machine's, as [`monotonic`] has it.
#[expect(clippy::cast_possible_truncation, reason = "nanoseconds of this century fit")]
fn since_boot(epoch: f64) -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    let ago = (now.tv_sec as f64 - epoch) * 1e9 + now.tv_nsec as f64;
    monotonic() - ago as i64
}
