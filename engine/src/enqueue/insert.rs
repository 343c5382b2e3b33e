//! The one statement that brings jobs into the queue.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::NewJob;
use super::new_job::Due;
use crate::ids::JobId;

/// What the statement does beside inserting.
#[derive(Debug, Default)]
pub(super) struct Along<'a> {
    /// Holds this advisory lock until its transaction ends.
    pub(super) guard: Option<i64>,
    /// Sends a hint to these queues with its commit.
    pub(super) hints: Vec<&'a str>,
}

/// Whether the idempotency keys of the jobs are still to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    Take,
    AreOurs,
}

/// What was new.
#[derive(Debug)]
pub(super) struct Inserted {
    pub(super) new: Vec<JobId>,
    /// The jobs whose idempotency key had not been used.
    pub(super) keys: HashSet<JobId>,
}

/// Inserts those jobs whose keys are free.
pub(super) async fn insert(
    conn: &mut PgConnection,
    jobs: &[&NewJob],
    keys: Keys,
    along: &Along<'_>,
) -> Result<Inserted, sqlx::Error> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.id.uuid()).collect();
    let workspaces: Vec<Uuid> = jobs.iter().map(|job| job.workspace.uuid()).collect();
    let kinds: Vec<&str> = jobs.iter().map(|job| job.kind.as_str()).collect();
    let queues: Vec<&str> = jobs.iter().map(|job| job.queue.as_str()).collect();
    let priorities: Vec<i16> = jobs.iter().map(|job| job.priority.number()).collect();
    let (run_ats, delays): (Vec<Option<DateTime<Utc>>>, Vec<Option<f64>>) =
        jobs.iter().map(|job| due(job.due)).unzip();
    let uniques: Vec<Option<&str>> = jobs.iter().map(|job| job.unique.as_deref()).collect();
    let payloads: Vec<&str> = jobs.iter().map(|job| job.payload.as_str()).collect();
    let plans: Vec<Option<&str>> = jobs.iter().map(|job| job.plan.as_deref()).collect();
    let keyed: Vec<bool> = jobs.iter().map(|job| job.key.is_some() && keys == Keys::Take).collect();
    let rows = sqlx::query_file!(
        "sql/enqueue.sql",
        &ids,
        &workspaces,
        &kinds as &[&str],
        &queues as &[&str],
        &priorities,
        &run_ats as &[Option<DateTime<Utc>>],
        &delays as &[Option<f64>],
        &uniques as &[Option<&str>],
        &payloads as &[&str],
        &plans as &[Option<&str>],
        &keyed,
        crate::VERSION,
        along.guard,
        &along.hints as &[&str],
    )
    .fetch_all(conn)
    .await?;
    let (mut new, mut taken) = (Vec::with_capacity(rows.len()), HashSet::new());
    for row in rows {
        let id = JobId::from(row.id);
        if row.new {
            new.push(id);
        } else {
            taken.insert(id);
        }
    }
    Ok(Inserted { new, keys: taken })
}

const fn due(due: Due) -> (Option<DateTime<Utc>>, Option<f64>) {
    match due {
        Due::Now => (None, None),
        Due::At(at) => (Some(at), None),
        Due::In(delay) => (None, Some(delay.as_secs_f64())),
    }
}
