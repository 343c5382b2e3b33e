//! The checker: reads the sandbox's ledger and the database, and nothing else.

use std::path::Path;

use autopilot_engine::WorkspaceId;
use autopilot_sandbox::Ledger;
use sqlx::PgPool;

/// What was found. Each field that is not as it must be is a violation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Studios that paid.
    pub studios: u64,
    /// Requests that the providers received.
    pub calls: u64,
    /// What the providers did for them.
    pub effects: u64,
    /// Subaccounts and numbers that a studio got more than once.
    pub double_effects: u64,
    /// Studios without exactly one subaccount, or without exactly one number.
    pub without_effect: u64,
    /// Checkpoints, acks and releases by a process that did not hold the job.
    pub stale_writes: u64,
    /// Runs that ended more than once.
    pub acked_twice: u64,
    /// Acknowledged checkouts without a completed run.
    pub lost: u64,
    /// Completed runs with a step that is not done.
    pub done_without_effect: u64,
}

impl Verdict {
    /// Acknowledged checkouts with a completed run.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.studios - self.lost
    }

    /// What is not as it must be, each in one line; empty when all is well.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        [
            ("double effects", self.double_effects),
            ("studios without exactly one subaccount and one number", self.without_effect),
            ("stale writes", self.stale_writes),
            ("runs acked twice", self.acked_twice),
            ("acknowledged checkouts lost", self.lost),
            ("runs done without their steps", self.done_without_effect),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!("{what}: {count}"))
        .collect()
    }
}

pub(crate) async fn check(pool: &PgPool, ledger: &Path, studios: &[WorkspaceId]) -> Verdict {
    let summary = Ledger::summary(ledger).expect("the ledger can be read");
    let once = |operation: &str| -> u64 {
        let subjects = summary.effects_by_subject.get(operation);
        let exact = studios.iter().filter(|studio| {
            let count = subjects.and_then(|subjects| {
                subjects.iter().find(|(subject, _)| subject.contains(&studio.to_string()))
            });
            count.is_some_and(|(_, count)| *count == 1)
        });
        u64::try_from(exact.count()).unwrap_or(0)
    };
    let studios_count = u64::try_from(studios.len()).unwrap_or(0);
    let number = async |sql: &'static str| -> u64 {
        let count: i64 =
            sqlx::query_scalar(sql).fetch_one(pool).await.expect("the database answers");
        u64::try_from(count).unwrap_or(0)
    };
    let completed = number(
        "SELECT count(DISTINCT workspace) FROM engine.run_status WHERE status = 'completed'",
    )
    .await;
    Verdict {
        studios: studios_count,
        calls: summary.calls,
        effects: summary.effects,
        double_effects: summary.double_effects.len() as u64,
        without_effect: (studios_count - once("twilio.create_subaccount"))
            .max(studios_count - once("twilio.buy_number")),
        stale_writes: number("SELECT count(*) FROM audit.stale_write").await,
        acked_twice: number("SELECT count(*) FROM (SELECT id FROM engine.history GROUP BY id HAVING count(*) > 1) twice").await,
        lost: studios_count - completed.min(studios_count),
        done_without_effect: number(
            "SELECT count(*) FROM engine.run_status WHERE status = 'completed' AND percent < 100",
        )
        .await,
    }
}
