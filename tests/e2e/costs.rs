//! What the engine costs, counted in what does not depend on the machine: statements, round trips, commits, bytes of WAL
//! and rows touched. A change that makes it dearer fails here and must say why.

use std::time::Duration;

use autopilot_engine::ops::pauses::{self, Scope};
use autopilot_engine::{NewJob, WorkerConfig, enqueue};
use autopilot_tests::{Explained, Lab, PlannedScript, Proxy, Script, World, eventually, listening};

const CLAIM: &str = include_str!("../../engine/sql/claim.sql");
const CHECKPOINT: &str = include_str!("../../engine/sql/checkpoint.sql");
const FINISH: &str = include_str!("../../engine/sql/finish.sql");
const ENQUEUE: &str = include_str!("../../engine/sql/enqueue_plain.sql");

/// A worker that does nothing of its own accord for the length of a test.
fn still(world: &mut World<Lab>) {
    world.config.heartbeat = Duration::from_secs(600);
    world.config.lease = Duration::from_secs(3_600);
    world.config.poll_min = Duration::from_secs(600);
    world.config.poll_max = Duration::from_secs(600);
    world.config.listen = true;
}

/// The statements, and at best the round trips, of a run of three steps that begins in the process that asks for it.
async fn cost_of_starting(job: fn() -> NewJob) -> (usize, usize) {
    let mut world = Lab::world(|_, run| {
        Box::pin(async move {
            for step in ["one", "two", "three"] {
                run.step(step, async |_| Ok(())).await?;
            }
            Ok(())
        })
    })
    .await;
    still(&mut world);
    let proxy = Proxy::start(&world.url()).await;
    let pool = proxy.pool(&world.url()).await;
    let (process, starter) = world.start_here(pool);
    listening(&world, 1).await;
    let (mut statements, mut round_trips) = (Vec::new(), Vec::new());
    for run in 1..=20 {
        let before = proxy.said();
        let _started = starter.start(job()).await.unwrap();
        eventually("it ends", async || world.count("engine.history").await == run).await;
        let said = proxy.said().since(before);
        // While the first runs, the process may still be at its own beginning.
        if run > 1 {
            statements.push(said.statements);
            round_trips.push(said.round_trips);
        }
    }
    process.stop().await;
    world.finish().await;
    statements.dedup();
    let [each] = statements[..] else { panic!("statements differ: {statements:?}") };
    // A statement costs a second round trip the first time that a connection uses it.
    (each, round_trips.into_iter().min().unwrap())
}

#[tokio::test]
async fn a_run_costs_a_statement_more_than_it_has_steps() {
    // One that starts the run and its first step, one for each step after it, and the end.
    assert_eq!(cost_of_starting(|| NewJob::of(&PlannedScript::default()).unwrap()).await, (4, 4));
}

#[tokio::test]
async fn a_run_whose_first_step_nobody_foresees_costs_one_more() {
    assert_eq!(cost_of_starting(|| Script::default().job()).await, (5, 5));
}

#[tokio::test]
async fn a_job_through_the_queue_is_a_claim_and_an_ack() {
    let mut world = Lab::world(|_, _| Box::pin(async { Ok(()) })).await;
    still(&mut world);
    let proxy = Proxy::start(&world.url()).await;
    let pool = proxy.pool(&world.url()).await;
    world.enqueue(&Script::new("first")).await;
    let process = world.start_with(pool.clone(), autopilot_engine::testing::CrashPoints::none());
    eventually("the first ends", async || world.count("engine.history").await == 1).await;
    listening(&world, 1).await;
    let before = proxy.said();
    world.enqueue(&Script::new("second")).await;
    autopilot_engine::hint(world.pool(), "default").await;
    eventually("the second ends", async || world.count("engine.history").await == 2).await;
    let said = proxy.said().since(before);
    // The hint may find the loop at a claim of its own, which then finds nothing.
    assert!((2..=3).contains(&said.statements), "{said:?}");
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn an_idle_process_asks_at_most_once_a_second_and_writes_nothing_but_its_heartbeat() {
    let config = WorkerConfig::default();
    let a_minute = |interval: Duration| 60.0 / interval.as_secs_f64();
    let asked = a_minute(config.heartbeat) + a_minute(config.poll_max);
    assert!(asked <= 60.0, "{asked} statements a minute");

    let mut world = Lab::world(|_, _| Box::pin(async { Ok(()) })).await;
    world.config.heartbeat = Duration::from_millis(100);
    world.config.poll_min = Duration::from_millis(100);
    world.config.poll_max = Duration::from_millis(100);
    let beats = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relid = 'engine.worker'::regclass";
    let process = world.start();
    eventually("it has beaten", async || world.value::<i64>(beats).await >= 10).await;
    process.stop().await;
    // Every kind of statement that it had to say is one that reads, but for these of the worker's own row.
    let written = "SELECT relname::text FROM pg_stat_user_tables
                   WHERE schemaname = 'engine' AND n_tup_ins + n_tup_upd + n_tup_del > 0 ORDER BY 1";
    eventually("its end is counted", async || {
        world.texts(written).await.contains(&"dead_worker".to_owned())
    })
    .await;
    assert_eq!(world.texts(written).await, ["dead_worker", "test_clock", "worker"]);
    world.close().await;
}

const EARLY: &str = "'1970-01-01'";

/// Of one queue, its five lanes.
fn claim_values(free: i64, worker: &str) -> String {
    format!(
        "'{{default}}', '{{{free}}}', '{{1}}', '{{5}}', '{{-1,0,1,2,3}}', '{{0,0,0,0,0}}', \
         array_fill({EARLY}::timestamptz, ARRAY[5]), array_fill({free}::bigint, ARRAY[5]), '{worker}', '{{test.script}}'"
    )
}

#[tokio::test]
async fn an_empty_claim_touches_no_row_however_many_are_scheduled() {
    let world = Lab::world(|_, _| Box::pin(async { Ok(()) })).await;
    let later: Vec<NewJob> =
        (0..5_000).map(|_| Script::default().job().after(Duration::from_secs(3_600))).collect();
    let mut conn = world.pool().acquire().await.unwrap();
    assert_eq!(enqueue(&mut conn, &later).await.unwrap().len(), 5_000);
    drop(conn);
    let values = claim_values(100, "00000000-0000-0000-0000-000000000001");
    let claim = Explained::of(&world, CLAIM, &values).await;
    assert_eq!((claim.jobs(), claim.written()), (0, 0), "rows touched, bytes of WAL");
    world.close().await;
}

#[tokio::test]
async fn a_claim_of_a_paused_queue_touches_no_row_however_many_are_ready() {
    let world = Lab::world(|_, _| Box::pin(async { Ok(()) })).await;
    let ready: Vec<NewJob> = (0..5_000).map(|_| Script::default().job()).collect();
    let mut conn = world.pool().acquire().await.unwrap();
    assert_eq!(enqueue(&mut conn, &ready).await.unwrap().len(), 5_000);
    drop(conn);
    let queue = Scope::Queue("default".to_owned());
    pauses::pause(world.pool(), &queue, "the carrier is down").await.unwrap();
    let values = claim_values(100, "00000000-0000-0000-0000-000000000001");
    let claim = Explained::of(&world, CLAIM, &values).await;
    assert_eq!((claim.jobs(), claim.written()), (0, 0), "rows touched, bytes of WAL");
    world.close().await;
}

#[tokio::test]
async fn jobs_and_steps_cost_no_more_wal_than_they_did() {
    let world = Lab::world(|_, _| Box::pin(async { Ok(()) })).await;
    // Room for the three versions of each row, whoever's snapshot keeps the first two alive for the moment.
    world.execute("ALTER TABLE engine.job SET (fillfactor = 20)").await;
    let worker = "00000000-0000-0000-0000-000000000001";
    world
        .execute(&format!(
            "INSERT INTO engine.worker (id, host, pid, version, kinds, schedules, queues, lease)
             VALUES ('{worker}', 'test', 1, '0', '{{}}', '{{}}', '{{}}', '1 h')"
        ))
        .await;
    let ids: Vec<String> =
        (0..100).map(|number| format!("01a1fcc5-1ad5-7000-8000-{number:012}")).collect();
    let ids = format!("'{{{}}}'", ids.join(","));
    let all = |value: &str| format!("array_fill({value}, ARRAY[100])");
    let enqueued = format!(
        "{ids}, {nil}, {kind}, {queue}, {priority}, {none_at}, {none_in}, {payload}, '{{}}', '{{}}', '{{}}', '{{}}', '1', NULL, '{{}}', {no_home}",
        nil = all("'00000000-0000-0000-0000-000000000000'::uuid"),
        kind = all("'test.script'::text"),
        queue = all("'default'::text"),
        priority = all("2::smallint"),
        none_at = all("NULL::timestamptz"),
        none_in = all("NULL::double precision"),
        payload = all("'{\"label\":\"x\"}'::text"),
        no_home = all("0"),
    );
    let tokens = all("1::bigint");
    let steps = format!(
        "'{worker}', {ids}, {tokens}, {begins}, {one}, {done}, {output}, {sealed}, {one}, {took}",
        begins = all("'two'::text"),
        one = all("1"),
        done = all("'one'::text"),
        output = all("'1'::text"),
        sealed = all("NULL::bytea"),
        took = all("0.001::double precision"),
    );
    let ends = format!("'{worker}', {ids}, {tokens}, {}", all("'completed'::text"));
    let mut bytes = Vec::new();
    for (statement, values) in [
        (ENQUEUE, enqueued),
        (CLAIM, claim_values(100, worker)),
        (CHECKPOINT, steps),
        (FINISH, ends),
    ] {
        bytes.push(Explained::of(&world, statement, &values).await.written() / 100);
    }
    assert_eq!(world.count("engine.history").await, 100, "all four did what they are measured at");
    assert_eq!(world.count("engine.step").await, 100);
    // Enqueue, claim, step, ack: with the day on which its row goes.
    let allowed = [352, 172, 336, 312];
    let dearer = bytes.iter().zip(allowed).any(|(bytes, allowed)| *bytes > allowed);
    assert!(!dearer, "{bytes:?} bytes of WAL each, {allowed:?} allowed");
    world.close().await;
}
