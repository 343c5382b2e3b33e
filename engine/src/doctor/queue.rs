//! What may be wrong with the queue: nobody serves it, nobody knows what stands in it, somebody has to decide.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use sqlx::PgPool;

use super::Finding;

/// Ready work older than this means that workers are too few, stuck or gone.
const OLD_WORK: Duration = Duration::from_secs(60);

/// Looks at the queue: who serves it, what waits, what was set aside. It needs the engine's schema.
///
/// # Errors
/// When the database does not answer.
pub async fn queue(pool: &PgPool) -> Result<Vec<Finding>, sqlx::Error> {
    let seen = sqlx::query_file!("sql/doctor/queue.sql").fetch_one(pool).await?;
    let workers = if seen.workers > 0 {
        Finding::ok("workers", format!("{} alive, {} silent", seen.workers, seen.silent))
    } else {
        Finding::warning("workers", "no worker process is alive", "start `autopilot serve`")
    };
    let ready = match seen.oldest_ready {
        Some(age) if age > OLD_WORK.as_secs_f64() => Finding::warning(
            "oldest ready job",
            format!("{age:.0} s old, {} ready", seen.ready),
            "start more workers, or see `autopilot jobs list --status ready`",
        ),
        Some(age) => {
            Finding::ok("oldest ready job", format!("{age:.1} s old, {} ready", seen.ready))
        }
        None => Finding::ok("oldest ready job", "none waits"),
    };
    let letters = if seen.dead_letters == 0 {
        Finding::ok("dead letters", "none")
    } else {
        Finding::warning(
            "dead letters",
            match seen.held_up {
                0 => format!("{} wait for a person", seen.dead_letters),
                held_up => format!(
                    "{} wait for a person and hold up {held_up} that come after them in order",
                    seen.dead_letters
                ),
            },
            "see `autopilot jobs list`: each names its next action",
        )
    };
    let mut findings = vec![workers, ready, letters];
    findings.push(kinds(&unserved(pool).await?));
    findings.push(schedules(pool).await?);
    findings.push(pauses(pool).await?);
    findings.push(super::breakers::breakers(pool).await?);
    findings.extend(super::strains::strains(pool).await?);
    findings.push(retention(pool).await?);
    Ok(findings)
}

/// Overdue jobs that no living process takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unserved {
    /// Their queue.
    pub queue: String,
    /// Their kind.
    pub kind: String,
    /// How many, of the first hundred of each lane.
    pub jobs: i64,
    /// For how long the first has been due, in seconds.
    pub seconds: f64,
    /// Whether some living process serves the queue; the kind is what nobody knows then.
    pub queue_is_served: bool,
}

impl fmt::Display for Unserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, kind, jobs, seconds, queue_is_served } = self;
        let why = if *queue_is_served {
            "no living worker of that queue knows the kind"
        } else {
            "no living worker serves the queue"
        };
        write!(f, "{jobs} of kind {kind:?} in queue {queue:?}, due for {seconds:.0} s: {why}")
    }
}

/// Jobs that have been due for ten seconds, and that no living process takes: none of them has both the queue and the kind.
///
/// # Errors
/// When the database does not answer.
pub async fn unserved(pool: &PgPool) -> Result<Vec<Unserved>, sqlx::Error> {
    sqlx::query_file_as!(Unserved, "sql/doctor/unserved.sql").fetch_all(pool).await
}

fn kinds(unserved: &[Unserved]) -> Finding {
    const CHECK: &str = "unserved jobs";
    if unserved.is_empty() {
        return Finding::ok(CHECK, "every job that is overdue has a worker that takes it");
    }
    let told: Vec<String> = unserved.iter().map(ToString::to_string).collect();
    Finding::problem(
        CHECK,
        told.join("; "),
        "start a worker of the version and with the queue that they need, or end them with `autopilot jobs cancel-all`",
    )
}

async fn schedules(pool: &PgPool) -> Result<Finding, sqlx::Error> {
    const CHECK: &str = "schedules";
    let overdue = sqlx::query_file!("sql/doctor/overdue_schedules.sql").fetch_all(pool).await?;
    if overdue.is_empty() {
        return Ok(Finding::ok(CHECK, "none is overdue"));
    }
    let told: Vec<String> =
        overdue.iter().map(|row| format!("{} by {:.0} s", row.name, row.seconds)).collect();
    Ok(Finding::problem(
        CHECK,
        format!("overdue, for no living worker looks after them: {}", told.join(", ")),
        "start a worker that has them, or `autopilot schedules remove` those that are no more",
    ))
}

async fn pauses(pool: &PgPool) -> Result<Finding, sqlx::Error> {
    const CHECK: &str = "pauses";
    let paused = sqlx::query_file!("sql/pause/list.sql").fetch_all(pool).await?;
    if paused.is_empty() {
        return Ok(Finding::ok(CHECK, "nothing is paused"));
    }
    let told: Vec<String> = paused
        .iter()
        .map(|pause| {
            let since = pause.paused_at.format("%F %T");
            format!("{} {} since {since} UTC ({})", pause.scope, pause.name, pause.reason)
        })
        .collect();
    Ok(Finding::warning(CHECK, told.join("; "), "`autopilot pauses remove` what may go on"))
}

async fn retention(pool: &PgPool) -> Result<Finding, sqlx::Error> {
    const CHECK: &str = "retention";
    let unplaced: i64 = sqlx::query_file!("sql/retention/tables.sql")
        .fetch_all(pool)
        .await?
        .iter()
        .filter(|table| table.day.is_none())
        .map(|table| table.rows)
        .sum();
    if unplaced > 0 {
        return Ok(Finding::warning(
            CHECK,
            format!(
                "about {unplaced} rows came while there was no partition for them; they are kept until there is one"
            ),
            "`autopilot retention tend` under the login that owns the tables",
        ));
    }
    let held = sqlx::query_file!("sql/doctor/held_months.sql").fetch_all(pool).await?;
    if held.is_empty() {
        return Ok(Finding::ok(CHECK, "what is over is gone"));
    }
    let told: Vec<String> = held
        .iter()
        .map(|held| format!("{} for {} set aside and {} live", held.month, held.dead, held.live))
        .collect();
    Ok(Finding::warning(
        CHECK,
        format!(
            "the steps and failures of whole months are kept for jobs of theirs: {}",
            told.join("; ")
        ),
        "decide what was set aside: `autopilot jobs list`; a run that waits for long needs its month",
    ))
}
