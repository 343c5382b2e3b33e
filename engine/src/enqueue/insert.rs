//! The two statements that bring jobs into the queue: one for jobs with keys or limits, one for jobs without.

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
    /// The jobs whose idempotency key is theirs.
    pub(super) keyed: HashSet<JobId>,
}

/// Inserts those jobs whose keys are free.
pub(super) async fn insert(
    conn: &mut PgConnection,
    jobs: &[&NewJob],
    keys: Keys,
    along: &Along<'_>,
) -> Result<Inserted, sqlx::Error> {
    let columns = Columns::of(jobs);
    let uniques: Vec<Option<&str>> = jobs.iter().map(|job| job.unique_key()).collect();
    let plans: Vec<Option<&str>> = jobs.iter().map(|job| job.plan.as_deref()).collect();
    let limits: Vec<Option<&str>> = jobs.iter().map(|job| job.limits.as_deref()).collect();
    let (tags, tagged): (Vec<&str>, Vec<Uuid>) = jobs
        .iter()
        .flat_map(|job| job.tags.iter().map(|tag| (tag.as_str(), job.id.uuid())))
        .unzip();
    let wakes: Vec<Option<&str>> =
        jobs.iter().map(|job| job.family.as_ref().map(|family| family.wakes.as_str())).collect();
    let (own_keys, windows): (Vec<Option<Uuid>>, Vec<Option<f64>>) = jobs
        .iter()
        .map(|job| job.key.filter(|_| keys == Keys::Take))
        .map(|key| (key.map(|key| key.id), key.and_then(|key| Some(key.window?.as_secs_f64()))))
        .unzip();
    let rows = sqlx::query_file!(
        "sql/enqueue.sql",
        &columns.ids,
        &columns.workspaces,
        &columns.kinds as &[&str],
        &columns.queues as &[&str],
        &columns.priorities,
        &columns.run_ats as &[Option<DateTime<Utc>>],
        &columns.delays as &[Option<f64>],
        &uniques as &[Option<&str>],
        &columns.payloads as &[&str],
        &plans as &[Option<&str>],
        &own_keys as &[Option<Uuid>],
        crate::VERSION,
        along.guard,
        &along.hints as &[&str],
        &columns.shares,
        &limits as &[Option<&str>],
        &windows as &[Option<f64>],
        &tags as &[&str],
        &tagged,
        &wakes as &[Option<&str>],
    )
    .fetch_all(conn)
    .await?;
    let (mut new, mut taken) = (Vec::with_capacity(rows.len()), HashSet::new());
    for row in rows {
        let id = JobId::from(row.id);
        if row.key.is_some() {
            taken.insert(id);
        } else {
            new.push(id);
        }
    }
    Ok(Inserted { new, keyed: taken })
}

/// Inserts jobs that have no key of any kind, no limit and no tag: all of them, or the database refuses.
pub(super) async fn insert_plain(
    conn: &mut PgConnection,
    jobs: &[&NewJob],
    along: &Along<'_>,
) -> Result<(), sqlx::Error> {
    let columns = Columns::of(jobs);
    let planned: Vec<(&NewJob, &str)> =
        jobs.iter().filter_map(|job| Some((*job, job.plan.as_deref()?))).collect();
    let run_ids: Vec<Uuid> = planned.iter().map(|(job, _)| job.id.uuid()).collect();
    let run_workspaces: Vec<Uuid> = planned.iter().map(|(job, _)| job.workspace.uuid()).collect();
    let (run_kinds, plans): (Vec<&str>, Vec<&str>) =
        planned.iter().map(|(job, plan)| (job.kind.as_str(), *plan)).unzip();
    sqlx::query_file!(
        "sql/enqueue_plain.sql",
        &columns.ids,
        &columns.workspaces,
        &columns.kinds as &[&str],
        &columns.queues as &[&str],
        &columns.priorities,
        &columns.run_ats as &[Option<DateTime<Utc>>],
        &columns.delays as &[Option<f64>],
        &columns.payloads as &[&str],
        &run_ids,
        &run_workspaces,
        &run_kinds as &[&str],
        &plans as &[&str],
        crate::VERSION,
        along.guard,
        &along.hints as &[&str],
        &columns.shares,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What every job has, as columns.
struct Columns<'j> {
    ids: Vec<Uuid>,
    workspaces: Vec<Uuid>,
    kinds: Vec<&'j str>,
    queues: Vec<&'j str>,
    priorities: Vec<i16>,
    shares: Vec<i32>,
    run_ats: Vec<Option<DateTime<Utc>>>,
    delays: Vec<Option<f64>>,
    payloads: Vec<&'j str>,
}

impl<'j> Columns<'j> {
    fn of(jobs: &[&'j NewJob]) -> Self {
        let (run_ats, delays) = jobs.iter().map(|job| due(job.due)).unzip();
        Self {
            ids: jobs.iter().map(|job| job.id.uuid()).collect(),
            workspaces: jobs.iter().map(|job| job.workspace.uuid()).collect(),
            kinds: jobs.iter().map(|job| job.kind.as_str()).collect(),
            queues: jobs.iter().map(|job| job.queue.as_str()).collect(),
            priorities: jobs.iter().map(|job| job.priority.number()).collect(),
            shares: jobs.iter().map(|job| job.share).collect(),
            run_ats,
            delays,
            payloads: jobs.iter().map(|job| job.payload.as_str()).collect(),
        }
    }
}

const fn due(due: Due) -> (Option<DateTime<Utc>>, Option<f64>) {
    match due {
        Due::Now => (None, None),
        Due::At(at) => (Some(at), None),
        Due::In(delay) => (None, Some(delay.as_secs_f64())),
    }
}

/// Gives the waiting jobs that were joined what those bring that joined them.
pub(super) async fn replace(
    conn: &mut PgConnection,
    joined: &[(JobId, &NewJob)],
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = joined.iter().map(|(id, _)| id.uuid()).collect();
    let jobs: Vec<&NewJob> = joined.iter().map(|(_, job)| *job).collect();
    let columns = Columns::of(&jobs);
    let limits: Vec<Option<&str>> = jobs.iter().map(|job| job.limits.as_deref()).collect();
    sqlx::query_file!(
        "sql/enqueue_replace.sql",
        &ids,
        &columns.priorities,
        &columns.run_ats as &[Option<DateTime<Utc>>],
        &columns.delays as &[Option<f64>],
        &columns.payloads as &[&str],
        &limits as &[Option<&str>],
    )
    .execute(conn)
    .await?;
    Ok(())
}
