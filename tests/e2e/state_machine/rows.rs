//! The whole state as lines of text, as the model has it and as the database has it: what differs can be read.

use std::collections::BTreeMap;

use autopilot_engine::JobId;
use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use super::model::{AsideFor, Job, Model, Standing, Work};
use super::transition::{Kind, Label, Number, Paused};

/// Every row that a transition may touch, by the labels $1/$2 of jobs and $3/$4 of processes, times from $5 on.
const ROWS: &str = "
WITH jobs AS (SELECT * FROM unnest($1::uuid[], $2::bigint[]) AS j(id, label)),
     processes AS (SELECT * FROM unnest($3::uuid[], $4::bigint[]) AS p(id, number))
SELECT format('job %s: %s, lane %s, due %s, begun %s, priority %s, unique %s, limited %s, aside for %s, step %s; token %s, attempt %s, crashes %s',
    l.label, CASE WHEN j.state = 1 THEN 'runs in ' || coalesce(p.number::text, '?') ELSE 'waits' END, j.lane,
    (extract(epoch FROM j.run_at - $5) * 1000000)::bigint, j.begun, j.priority, j.unique_key IS NOT NULL, j.limits IS NOT NULL,
    coalesce(split_part(j.blocked_on, ':', 1), '-'), coalesce(j.step, '-'), j.token, j.attempt, j.crashes)
FROM engine.job j LEFT JOIN jobs l USING (id) LEFT JOIN processes p ON p.id = j.worker
UNION ALL
SELECT format('job %s: %s; token %s, attempt %s, crashes %s', l.label, h.outcome, h.token, h.attempt, h.crashes)
FROM engine.history h LEFT JOIN jobs l USING (id)
UNION ALL
SELECT format('job %s: %s; token %s, attempt %s, crashes %s', l.label, d.reason, d.token, d.attempt, d.crashes)
FROM engine.dead_letter d LEFT JOIN jobs l USING (id)
UNION ALL
SELECT format('step %s of job %s: %s%s', s.name, l.label, s.state,
    CASE WHEN s.state = 'waiting' THEN ' until ' || (extract(epoch FROM s.wake_at - $5) * 1000000)::bigint END)
FROM engine.step s LEFT JOIN jobs l ON l.id = s.job
UNION ALL
SELECT format('failures of job %s: %s', l.label, count(*)) FROM engine.failure f LEFT JOIN jobs l ON l.id = f.job GROUP BY l.label
UNION ALL
SELECT format('process %s: seen %s', p.number, (extract(epoch FROM w.seen - $5) * 1000000)::bigint)
FROM engine.worker w LEFT JOIN processes p USING (id)
UNION ALL
SELECT format('process %s: dead', p.number) FROM engine.dead_worker w LEFT JOIN processes p USING (id)
UNION ALL
SELECT format('place of job %s: token %s', l.label, s.token) FROM engine.slot s LEFT JOIN jobs l ON l.id = s.job
UNION ALL
SELECT format('paused: %s', scope) FROM engine.pause
UNION ALL
SELECT format('job %s is ready below the mark of lane %s', l.label, j.lane)
FROM engine.job j JOIN engine.lane m ON m.queue = j.queue AND m.lane = j.lane AND m.share = j.share AND j.run_at < m.safe
LEFT JOIN jobs l ON l.id = j.id WHERE j.state = 0
ORDER BY 1";

/// What the database has.
pub(super) async fn found(
    pool: &PgPool,
    jobs: &BTreeMap<Label, JobId>,
    processes: &BTreeMap<Number, Uuid>,
    begin: DateTime<Utc>,
) -> Result<Vec<String>, sqlx::Error> {
    let (labels, ids): (Vec<i64>, Vec<Uuid>) =
        jobs.iter().map(|(label, id)| (i64::from(*label), id.uuid())).unzip();
    let (numbers, workers): (Vec<i64>, Vec<Uuid>) =
        processes.iter().map(|(number, id)| (i64::from(*number), *id)).unzip();
    let mut rows: Vec<String> = sqlx::query_scalar(ROWS)
        .bind(ids)
        .bind(labels)
        .bind(workers)
        .bind(numbers)
        .bind(begin)
        .fetch_all(pool)
        .await?;
    rows.sort_unstable();
    Ok(rows)
}

/// What the model has.
pub(super) fn expected(model: &Model) -> Vec<String> {
    let mut rows = Vec::new();
    for (label, job) in &model.jobs {
        rows.push(row(*label, job));
        steps(*label, job, &mut rows);
        if job.failures > 0 {
            rows.push(format!("failures of job {label}: {}", job.failures));
        }
    }
    for (number, process) in &model.processes {
        if process.registered {
            rows.push(format!("process {number}: seen {}", process.seen));
        }
    }
    rows.extend(model.dead.iter().map(|number| format!("process {number}: dead")));
    let places = model.places.iter();
    rows.extend(places.map(|(job, token)| format!("place of job {job}: token {token}")));
    rows.extend(model.pauses.iter().map(|scope| format!("paused: {}", scope.name())));
    rows.sort_unstable();
    rows
}

fn row(label: Label, job: &Job) -> String {
    let Job { token, attempt, crashes, .. } = job;
    let stands = match job.standing {
        Standing::History(outcome) => outcome.to_owned(),
        Standing::Dead(reason) => reason.to_owned(),
        Standing::Live(live) => {
            let runs =
                live.runs_in.map_or("waits".to_owned(), |number| format!("runs in {number}"));
            let aside = match live.aside_for {
                None => "-",
                Some(AsideFor::Limit) => "limit",
                Some(AsideFor::Pause(scope)) => scope.name(),
            };
            format!(
                "{runs}, lane {}, due {}, begun {}, priority {}, unique {}, limited {}, aside for {aside}, step {}",
                live.lane,
                live.due,
                letter(job.begun),
                job.priority,
                letter(job.unique),
                letter(job.limited),
                if job.works { "work" } else { "-" },
            )
        }
    };
    format!("job {label}: {stands}; token {token}, attempt {attempt}, crashes {crashes}")
}

fn steps(label: Label, job: &Job, rows: &mut Vec<String>) {
    match job.work {
        None => {}
        Some(Work::Started) => rows.push(format!("step work of job {label}: started")),
        Some(Work::Done) => rows.push(format!("step work of job {label}: done")),
    }
    for (name, sleep) in super::system::SLEEPS.into_iter().zip(&job.sleeps) {
        rows.push(match sleep {
            None => format!("step {name} of job {label}: done"),
            Some(until) => format!("step {name} of job {label}: waiting until {until}"),
        });
    }
}

/// As Postgres writes it.
const fn letter(truth: bool) -> &'static str {
    if truth { "t" } else { "f" }
}

impl Paused {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Errands => "kind",
            Self::ErrandsQueue => "queue",
            Self::Tenant => "workspace",
        }
    }
}

impl Kind {
    /// The kind and its queue.
    pub(super) const fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::Task => ("model.task", "default"),
            Self::Errand => ("model.errand", "errands"),
        }
    }
}

/// The lines that only one of the two has.
pub(super) fn difference(expected: &[String], found: &[String]) -> Option<String> {
    let only = |some: &[String], other: &[String], who: &str| -> Vec<String> {
        let missing = some.iter().filter(|row| !other.contains(row));
        missing.map(|row| format!("  {who} {row}")).collect()
    };
    let mut lines = only(expected, found, "the model:   ");
    lines.extend(only(found, expected, "the database:"));
    if lines.is_empty() && expected.len() != found.len() {
        lines.push(format!("  the same row twice among {found:#?}"));
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}
