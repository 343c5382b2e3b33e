//! T8: workers whose clocks are an hour ahead, two days behind, and jump.

use std::path::PathBuf;
use std::pin::Pin;
use std::process::Command;
use std::time::{Duration, Instant};

use autopilot_engine::testing::TestDatabase;
use autopilot_engine::{JobId, MIGRATOR, NewJob, WorkspaceId, enqueue};
use autopilot_workflows::provisioning::Provision;
use serde_json::json;
use sqlx::PgPool;

use super::scene::{Scene, Stage};
use super::{Order, Outcome, bounds};
use crate::storm::fleet::Settings;
use crate::storm::{self, Random};

/// Where the clock jumps to, one after the other.
const JUMPS: [&str; 4] = ["+3600", "-172800", "+0", "+86400"];

/// How late each of these jobs was claimed by the database's clock, in milliseconds; below zero it was early.
const LATE: &str = "SELECT (extract(epoch FROM c.at - c.due) * 1000)::float8 FROM audit.claimed c
    WHERE c.token = 1 AND c.job = ANY ($1) ORDER BY 1";

pub(super) fn clocks(order: Order) -> Pin<Box<dyn Future<Output = Outcome>>> {
    Box::pin(async move {
        match library() {
            Some(library) => skewed(order, &library).await,
            None => Outcome::not_run("libfaketime is not installed: apt install faketime"),
        }
    })
}

/// libfaketime for programs with threads; installed where that can be done.
fn library() -> Option<PathBuf> {
    let find = || {
        let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
        let paths = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
        paths.into_iter().find(|path| path.is_file())
    };
    find().or_else(|| {
        let mut install = Command::new("apt-get");
        install.args(["install", "-y", "--no-install-recommends", "faketime"]);
        drop(install.env("DEBIAN_FRONTEND", "noninteractive").output());
        find()
    })
}

async fn skewed(order: Order, library: &std::path::Path) -> Outcome {
    let database = TestDatabase::create(&[&MIGRATOR, &autopilot_workflows::MIGRATOR]).await;
    let url = database.url();
    let span = order.time(40).max(Duration::from_secs(6));
    let dial = order.folder.join("clock");
    std::fs::write(&dial, JUMPS[0]).expect("the clock can be set");
    let faked = |name: &str, value: &str| -> Settings {
        [
            ("LD_PRELOAD", &*library.to_string_lossy()),
            ("DONT_FAKE_MONOTONIC", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("FAKETIME_NO_CACHE", "1"),
            (name, value),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    };
    let each = vec![
        faked("FAKETIME", "+3600"),
        faked("FAKETIME", "-172800"),
        faked("FAKETIME_TIMESTAMP_FILE", &dial.to_string_lossy()),
    ];
    let stage = Stage::new(&url, order.many(60, 8), span);
    let scene = Scene::set(&order, stage, async move |_| each).await;
    scene.busy().await;
    let jobs = due(&scene, order.many(60, 8), span, order.seed).await;
    let (began, mut jumps) = (Instant::now(), 0);
    while began.elapsed() < span {
        tokio::time::sleep(Duration::from_secs(1)).await; // The trial's own rhythm.
        jumps += 1;
        let to = JUMPS.get(jumps % JUMPS.len()).copied().unwrap_or("+0");
        std::fs::write(&dial, to).expect("the clock can be set");
        order.history.note("jump", json!({ "to": to }));
    }
    let mut outcome =
        Outcome { faults: vec![("skewed workers", 3), ("jumps", jumps)], ..Outcome::default() };
    let pool = scene.judge(&mut outcome).await;
    let late = lateness(&pool, &jobs).await;
    let first = late.first().copied().unwrap_or_default();
    let slow = bounds::quantile(&late, 0.99).unwrap_or_default();
    outcome.hold(late.len() == jobs.len(), || {
        format!("{} of {} due jobs ran", late.len(), jobs.len())
    });
    outcome.hold(first >= 0.0, || format!("a job was claimed {first} ms before it was due"));
    outcome.hold(slow < 60_000.0, || format!("due jobs were claimed {slow:.0} ms late at p99"));
    outcome
        .notes
        .push(format!("{} due jobs, claimed {slow:.0} ms late at p99, none early", jobs.len()));
    let crashed = "SELECT count(*) FROM audit.freed WHERE crashed";
    let crashed: i64 = sqlx::query_scalar(crashed).fetch_one(&pool).await.expect("an answer");
    outcome.hold(crashed == 0, || format!("{crashed} leases ran out though nobody died"));
    pool.close().await;
    database.close().await;
    outcome
}

/// Provisionings that are due at some time; nobody has paid for them, so they begin and wait for that.
async fn due(scene: &Scene, count: usize, span: Duration, seed: u64) -> Vec<JobId> {
    let studios: Vec<WorkspaceId> = storm::register(&scene.pool, count).await;
    let mut random = Random::new(seed | 1);
    let mut jobs = Vec::new();
    for studio in &studios {
        let after =
            span.mul_f64(0.01 * f64::from(u32::try_from(10 + random.below(80)).unwrap_or(10)));
        let job = NewJob::of(&Provision { workspace: *studio }).expect("a job").after(after);
        let mut connection = scene.pool.acquire().await.expect("a connection");
        let enqueued = enqueue(&mut connection, &[job]).await.expect("it is enqueued");
        jobs.extend(enqueued.into_iter().map(|enqueued| enqueued.id()));
    }
    jobs
}

async fn lateness(pool: &PgPool, jobs: &[JobId]) -> Vec<f64> {
    let jobs: Vec<uuid::Uuid> = jobs.iter().map(|job| job.uuid()).collect();
    let late = sqlx::query_scalar(LATE).bind(jobs).fetch_all(pool).await;
    late.expect("the database answers")
}
