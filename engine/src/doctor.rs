//! What may be wrong with the database before it hurts: settings, old snapshots, silent processes, waiting work.

mod breakers;
mod commits;
mod queue;
mod strains;

use std::time::{Duration, SystemTime};

use serde::Serialize;
use sqlx::PgPool;

use commits::Commits;
pub use queue::{Unserved, queue, unserved};

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub detail: String,
    /// What to do about it, where something is to be done.
    pub action: Option<String>,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Works, with a risk that the detail names.
    Warning,
    /// Must be mended.
    Problem,
}

impl Finding {
    /// All is well.
    #[must_use]
    pub fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, detail: detail.into(), action: None }
    }

    /// Works, with a risk.
    #[must_use]
    pub fn warning(
        check: &'static str,
        detail: impl Into<String>,
        action: impl Into<String>,
    ) -> Self {
        let action = Some(action.into());
        Self { check, verdict: Verdict::Warning, detail: detail.into(), action }
    }

    /// Must be mended.
    #[must_use]
    pub fn problem(
        check: &'static str,
        detail: impl Into<String>,
        action: impl Into<String>,
    ) -> Self {
        let action = Some(action.into());
        Self { check, verdict: Verdict::Problem, detail: detail.into(), action }
    }
}

/// A snapshot older than this keeps vacuum from cleaning the queue.
const OLD_SNAPSHOT: Duration = Duration::from_secs(300);

/// A worker clock may differ by so much; it decides nothing, but logs become hard to read.
const CLOCK_SKEW: Duration = Duration::from_secs(2);

/// Looks at the database itself. It needs no schema of ours.
///
/// # Errors
/// When the database does not answer.
pub async fn database(pool: &PgPool) -> Result<Vec<Finding>, sqlx::Error> {
    let server = sqlx::query_file!("sql/doctor/server.sql").fetch_one(pool).await?;
    let mut findings = vec![
        if server.number >= 140_000 {
            Finding::ok("postgres version", server.version)
        } else {
            Finding::problem("postgres version", server.version, "upgrade to Postgres 14 or newer")
        },
        durability(&server.fsync, &server.full_page_writes),
        Commits {
            level: &server.synchronous_commit,
            names: &server.standbys,
            in_recovery: server.in_recovery,
            connected: server.connected,
            waited_for: server.waited_for,
            hidden: server.hidden,
        }
        .finding(),
    ];
    let holder = sqlx::query_file!("sql/doctor/oldest_snapshot.sql").fetch_optional(pool).await?;
    findings.push(match holder {
        Some(row) if row.seconds > OLD_SNAPSHOT.as_secs_f64() => Finding::warning(
            "oldest snapshot",
            format!(
                "{} has held a snapshot for {:.0} s; vacuum cannot clean behind it",
                row.holder, row.seconds
            ),
            "end that transaction, drop that slot, or roll back that prepared transaction",
        ),
        Some(row) => {
            Finding::ok("oldest snapshot", format!("{:.0} s, {}", row.seconds, row.holder))
        }
        None => Finding::ok("oldest snapshot", "none is held"),
    });
    findings.push(clock(pool).await?);
    Ok(findings)
}

fn durability(fsync: &str, full_page_writes: &str) -> Finding {
    if fsync == "on" && full_page_writes == "on" {
        Finding::ok("durability", "fsync and full_page_writes are on")
    } else {
        Finding::problem(
            "durability",
            format!(
                "fsync is {fsync}, full_page_writes is {full_page_writes}: a power failure can corrupt the database"
            ),
            "set both to on, unless this database is for tests only",
        )
    }
}

async fn clock(pool: &PgPool) -> Result<Finding, sqlx::Error> {
    let before = SystemTime::now();
    let theirs: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(pool).await?;
    // The middle of the round trip is the best guess of when the clock was read.
    let ours = before + before.elapsed().unwrap_or_default() / 2;
    let theirs = SystemTime::from(theirs);
    let skew = ours.duration_since(theirs).unwrap_or_else(|error| error.duration());
    Ok(if skew > CLOCK_SKEW {
        Finding::warning(
            "clock",
            format!(
                "this machine's clock and the database's differ by {:.1} s",
                skew.as_secs_f64()
            ),
            "start an NTP service; leases and due times go by the database's clock alone",
        )
    } else {
        Finding::ok("clock", format!("differs from the database's by {} ms", skew.as_millis()))
    })
}
