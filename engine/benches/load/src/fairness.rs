//! How long a workspace with next to nothing waits beside one that has a backlog: where workspaces take turns, and where not.

use std::error::Error;
use std::time::Duration;

use autopilot_engine::{Enqueuer, Job, NewJob, Run, WorkspaceId, enqueue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::PgPool;

use crate::arguments::Arguments;
use crate::fleet::{Target, database};
use crate::latency::{monotonic, percentile, rounded};
use crate::other::{Log, Other};
use crate::report;

/// So many jobs come before those that count.
const WARM_UP: usize = 20;

/// A job of a workspace, which takes turns with the others.
#[derive(Serialize, Deserialize)]
pub(crate) struct Turn(Visit);

/// The same without turns.
#[derive(Serialize, Deserialize)]
pub(crate) struct NoTurn(Visit);

#[derive(Serialize, Deserialize)]
struct Visit {
    workspace: WorkspaceId,
    /// None for those of the backlog: nobody waits for them.
    due: Option<i64>,
    /// How long it keeps its slot, as a call to a provider would, in milliseconds.
    takes: u64,
}

impl Visit {
    async fn run(&self, run: &Run<'_, Log>) -> autopilot_engine::Result {
        if let Some(due) = self.due {
            run.app.began(due);
        }
        tokio::time::sleep(Duration::from_millis(self.takes)).await;
        Ok(())
    }
}

impl Job for Turn {
    type App = Log;
    const KIND: &'static str = "load.turn";
    const TURNS: bool = true;

    fn workspace(&self) -> WorkspaceId {
        self.0.workspace
    }

    async fn run(&self, run: &mut Run<'_, Log>) -> autopilot_engine::Result {
        self.0.run(run).await
    }
}

impl Job for NoTurn {
    type App = Log;
    const KIND: &'static str = "load.no-turn";

    fn workspace(&self) -> WorkspaceId {
        self.0.workspace
    }

    async fn run(&self, run: &mut Run<'_, Log>) -> autopilot_engine::Result {
        self.0.run(run).await
    }
}

/// What is measured, three times: without a backlog, with one, and with one where nobody takes turns.
struct Plan {
    workspaces: usize,
    backlog: usize,
    jobs: usize,
    slots: usize,
    /// In milliseconds, on average.
    takes: u64,
}

/// One workspace has a backlog; one job at a time comes from the others.
pub(crate) async fn measure(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let plan = Plan {
        workspaces: arguments.get("workspaces", 1_000)?,
        backlog: arguments.get("backlog", 100_000)?,
        jobs: arguments.get("jobs", 1_000)?,
        slots: arguments.get("slots", 100)?,
        takes: arguments.get("takes", 50)?,
    };
    let target = Target::from_environment()?;
    let pool = database(&target).await?;
    let turn = |visit| NewJob::of(&Turn(visit));
    let mut idle = plan.others(&pool, &target, 0, turn).await?;
    report::progress("without a backlog: done");
    let mut beside = plan.others(&pool, &target, plan.backlog, turn).await?;
    report::progress("beside a backlog: done");
    let mut behind =
        plan.others(&pool, &target, plan.backlog, |visit| NewJob::of(&NoTurn(visit))).await?;
    let mut figures = Map::new();
    for percent in [50.0, 99.0] {
        let [idle, beside, behind] =
            [&mut idle, &mut beside, &mut behind].map(|all| percentile(all, percent));
        let mut tell = |name: &str, figure: f64| {
            figures.insert(format!("p{percent}_{name}"), json!(rounded(figure)));
        };
        tell("idle_ms", idle);
        tell("ms", beside);
        tell("times", beside / idle);
        tell("without_turns_ms", behind);
    }
    let settings = format!(
        "{} workspaces; jobs take {} to {} ms, one worker process with {} slots, which the backlog of {} fills; a job of \
         another workspace every 10 to 30 ms",
        plan.workspaces,
        plan.takes / 5,
        plan.takes * 9 / 5,
        plan.slots,
        plan.backlog
    );
    report::answer("fairness", &settings, Value::Object(figures));
    Ok(())
}

impl Plan {
    /// How long the jobs of the others waited, beside so many of one workspace.
    async fn others(
        &self,
        pool: &PgPool,
        target: &Target,
        backlog: usize,
        job: impl Fn(Visit) -> Result<NewJob, autopilot_engine::EnqueueError>,
    ) -> Result<Vec<i64>, Box<dyn Error>> {
        let workspaces: Vec<WorkspaceId> =
            (0..self.workspaces).map(|_| WorkspaceId::now_v7()).collect();
        let (large, others) = workspaces.split_first().ok_or("no workspace")?;
        self.fill(pool, backlog, || {
            job(Visit { workspace: *large, due: None, takes: self.takes() })
        })
        .await?;
        let other = Other::start(target, self.slots).await?;
        if backlog > 0 {
            until_all_slots_run(pool, self.slots).await?;
        }
        let enqueuer = Enqueuer::start(pool.clone());
        for workspace in others.iter().cycle().take(WARM_UP + self.jobs) {
            let visit =
                Visit { workspace: *workspace, due: Some(monotonic()), takes: self.takes() };
            let _job = enqueuer.enqueue(job(visit)?).await?;
            let spread = monotonic().unsigned_abs() / 1_000 % 20;
            tokio::time::sleep(Duration::from_millis(10 + spread)).await;
        }
        let backlog_left = left_of(pool, *large).await?;
        if backlog > 0 && backlog_left == 0 {
            return Err(
                "the backlog was worked off before the last job came: make it larger".into()
            );
        }
        until_others_are_done(pool, *large).await?;
        // The rest of the backlog is nobody's measure.
        sqlx::query("UPDATE engine.job SET run_at = run_at + interval '1 day' WHERE state = 0")
            .execute(pool)
            .await?;
        let picked = other.stop(WARM_UP + self.jobs).await?.picked;
        sqlx::query("TRUNCATE engine.job CASCADE").execute(pool).await?;
        Ok(picked.iter().skip(WARM_UP).map(|(due, began)| began - due).collect())
    }

    /// How long a job takes: evenly spread, so that slots become free one by one.
    fn takes(&self) -> u64 {
        self.takes / 5 + monotonic().unsigned_abs() / 100 % (self.takes * 8 / 5).max(1)
    }

    async fn fill(
        &self,
        pool: &PgPool,
        jobs: usize,
        job: impl Fn() -> Result<NewJob, autopilot_engine::EnqueueError>,
    ) -> Result<(), Box<dyn Error>> {
        let mut conn = pool.acquire().await?;
        for first in (0..jobs).step_by(1_000) {
            let batch: Vec<NewJob> =
                (first..jobs.min(first + 1_000)).map(|_| job()).collect::<Result<_, _>>()?;
            drop(enqueue(&mut conn, &batch).await?);
        }
        sqlx::query("VACUUM ANALYZE engine.job").execute(&mut *conn).await?;
        Ok(())
    }
}

async fn until_all_slots_run(pool: &PgPool, slots: usize) -> Result<(), Box<dyn Error>> {
    let slots = i64::try_from(slots)?;
    until(pool, "SELECT count(*) >= $1 FROM engine.job WHERE state = 1", slots).await
}

async fn until_others_are_done(pool: &PgPool, large: WorkspaceId) -> Result<(), Box<dyn Error>> {
    until(pool, "SELECT NOT EXISTS (SELECT FROM engine.job WHERE workspace <> $1)", large.uuid())
        .await
}

async fn left_of(pool: &PgPool, large: WorkspaceId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT count(*) FROM engine.job WHERE workspace = $1 AND state = 0")
        .bind(large.uuid())
        .fetch_one(pool)
        .await
}

/// Waits until it is so, asking seldom: to ask reads the backlog.
async fn until<T>(pool: &PgPool, question: &'static str, of: T) -> Result<(), Box<dyn Error>>
where
    T: for<'q> sqlx::Encode<'q, sqlx::Postgres>
        + sqlx::Type<sqlx::Postgres>
        + Copy
        + Send
        + Sync
        + 'static,
{
    while !sqlx::query_scalar::<_, bool>(question).bind(of).fetch_one(pool).await? {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
