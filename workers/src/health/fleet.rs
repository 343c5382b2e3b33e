//! How all studios stand, and what runs them: totals that touch what is not well, and a page of studios.

use std::collections::HashMap;

use autopilot_engine::ops::breakers::{self, Breaker};
use autopilot_engine::ops::schedules::{self, ScheduleView};
use autopilot_engine::ops::standing::{self, Letters, QueueAge, Workers};
use autopilot_engine::{Job as _, WorkspaceId};
use autopilot_workflows::provisioning::Provision;
use autopilot_workflows::state::health::{self, Severity};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};

use super::facts::gather;
use super::open::Open;
use super::view::MOST_BREAKERS;
use super::{Issue, Overall, sort};
use crate::fail::Fail;

/// A queue whose oldest ready job is older than this is worth a look.
const OLD: f64 = 60.0;

/// One whose oldest is older than this is not being worked off.
const STUCK: f64 = 600.0;

/// A schedule that is overdue by more is looked after by nobody.
const OVERDUE: TimeDelta = TimeDelta::minutes(1);

/// Which studios are told one by one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    /// Only those after this one.
    pub(crate) after: Option<WorkspaceId>,
    /// So many at most.
    pub(crate) limit: u32,
}

impl Page {
    /// How many there are if nobody says.
    pub(crate) const USUAL: u32 = 100;
    /// How many there are at most.
    pub(crate) const MOST: u32 = 500;
}

/// How all stand.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fleet {
    /// What runs the studios, and whether all of them are well.
    pub(crate) overall: Overall,
    /// When this was, by the database's clock.
    pub(crate) as_of: DateTime<Utc>,
    /// What ticks.
    pub(crate) scheduler: Scheduler,
    /// What is ready and has not begun, the oldest first.
    pub(crate) queues: Vec<QueueAge>,
    /// Who runs jobs.
    pub(crate) workers: Processes,
    /// Providers that are not called, and how many steps wait for each.
    pub(crate) breakers: Vec<Breaker>,
    /// What was set aside.
    pub(crate) dead_letters: Vec<Letters>,
    /// How many studios stand how.
    pub(crate) workspaces: Counts,
    /// What is wrong with what runs the studios, the most severe first.
    pub(crate) issues: Vec<Issue>,
    /// Some of the studios, in the order of their ids.
    pub(crate) page: Vec<Brief>,
    /// What to say as `after` for the next page; null after the last.
    pub(crate) next: Option<WorkspaceId>,
}

/// What ticks.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Scheduler {
    /// `working`, or `failing` where a tick is overdue.
    pub(crate) state: &'static str,
    /// Schedules that should have ticked.
    pub(crate) overdue: Vec<String>,
    /// Schedules that no living process looks after.
    pub(crate) without_process: Vec<String>,
}

/// Who runs jobs.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Processes {
    pub(crate) alive: i64,
    pub(crate) silent: i64,
}

/// How many studios stand how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) total: i64,
    pub(crate) healthy: i64,
    pub(crate) degraded: i64,
    pub(crate) unhealthy: i64,
}

/// A studio of the page.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Brief {
    pub(crate) workspace_id: WorkspaceId,
    pub(crate) overall: Overall,
    /// The most severe.
    pub(crate) issue: Option<Issue>,
}

/// How all stand, and a page of them.
///
/// # Errors
/// The database's.
pub(crate) async fn all(pool: &PgPool, page: Page) -> Result<Fleet, Fail> {
    let mut open = breakers::list(pool, None, MOST_BREAKERS).await?;
    open.retain(|breaker| breaker.state.is_open());
    let schedules = schedules::list(pool).await?;
    let mut conn = pool.acquire().await?;
    let workers = standing::workers(&mut conn).await?;
    let queues = standing::queues(&mut conn).await?;
    let dead_letters = standing::letters_by_kind(&mut conn).await?;
    let counts = count(&mut conn).await?;
    let after = page.after.unwrap_or(WorkspaceId::NONE);
    // One more than is shown says whether there is another page.
    let mut listed = health::page(&mut conn, after, page.limit.saturating_add(1)).await?;
    let shown = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let is_more = listed.len() > shown;
    listed.truncate(shown);
    let next = listed.last().map(|last| last.id).filter(|_| is_more);
    let whole: Vec<Breaker> =
        open.iter().filter(|breaker| breaker.workspace.is_none()).cloned().collect();
    let facts = gather(&mut conn, listed, &whole).await?;
    let briefs = facts.iter().map(|facts| {
        let issues = facts.issues();
        let (workspace_id, overall) = (facts.workspace.id, Overall::of(&issues));
        Brief { workspace_id, overall, issue: issues.into_iter().next() }
    });
    let page = briefs.collect();
    let scheduler = scheduler(&schedules, workers.now);
    let mut issues = of_machine(&workers, &scheduler, &queues);
    issues.extend(whole.iter().map(of_breaker));
    issues.extend(of_studios(counts));
    issues.extend(dead_letters.iter().map(of_letters));
    sort(&mut issues);
    Ok(Fleet {
        overall: Overall::of(&issues),
        as_of: workers.now,
        scheduler,
        queues,
        workers: Processes { alive: workers.alive, silent: workers.silent },
        breakers: open,
        dead_letters,
        workspaces: counts,
        issues,
        page,
        next,
    })
}

/// Of all studios those that are not well are looked at, and the others are what is left.
async fn count(conn: &mut PgConnection) -> Result<Counts, sqlx::Error> {
    let total = health::workspaces(&mut *conn).await?;
    let mut unwell: HashMap<WorkspaceId, bool> = HashMap::new();
    for found in health::unwell(&mut *conn).await? {
        *unwell.entry(found.workspace).or_default() |= found.is_critical;
    }
    for found in standing::unwell(conn, Provision::KIND).await? {
        *unwell.entry(found.workspace).or_default() |= found.is_run;
    }
    let number = |is_critical: bool| {
        let found = unwell.values().filter(|critical| **critical == is_critical).count();
        i64::try_from(found).unwrap_or(i64::MAX)
    };
    let (degraded, unhealthy) = (number(false), number(true));
    Ok(Counts { total, healthy: (total - degraded - unhealthy).max(0), degraded, unhealthy })
}

fn scheduler(schedules: &[ScheduleView], now: DateTime<Utc>) -> Scheduler {
    let is_overdue = |schedule: &&ScheduleView| {
        !schedule.paused && schedule.next_at.is_some_and(|at| now - at > OVERDUE)
    };
    let names = |schedules: Vec<&ScheduleView>| -> Vec<String> {
        schedules.into_iter().map(|schedule| schedule.name.clone()).collect()
    };
    let overdue = names(schedules.iter().filter(is_overdue).collect());
    let without_process = names(
        schedules.iter().filter(|schedule| !schedule.known && schedule.next_at.is_some()).collect(),
    );
    let state = if overdue.is_empty() { "working" } else { "failing" };
    Scheduler { state, overdue, without_process }
}

fn of_machine(workers: &Workers, scheduler: &Scheduler, queues: &[QueueAge]) -> Vec<Issue> {
    let mut issues = Vec::new();
    let mut tell = |severity, component: &str, cause: String, next: &str, action: String| {
        issues.push(Issue {
            severity,
            component: component.to_owned(),
            cause,
            since: None,
            what_happens_next: next.to_owned(),
            action,
        });
    };
    if workers.alive == 0 {
        tell(
            Severity::Critical,
            "workers",
            "no worker process is alive: nothing is done for any studio".to_owned(),
            "webhooks are still taken and kept; all of it is done when a worker runs",
            "start `autopilot serve`".to_owned(),
        );
    }
    if !scheduler.overdue.is_empty() {
        tell(
            Severity::Critical,
            "scheduler",
            format!(
                "overdue, for no living process looks after them: {}",
                scheduler.overdue.join(", ")
            ),
            "when a process looks after them again, what was missed is caught up as each schedule says",
            "start `autopilot serve --workers`; `autopilot schedules list` shows all".to_owned(),
        );
    }
    for QueueAge { queue, seconds, .. } in queues.iter().filter(|queue| queue.seconds > OLD) {
        let severity = if *seconds > STUCK { Severity::Critical } else { Severity::Warning };
        tell(
            severity,
            &format!("queue {queue}"),
            format!("its oldest ready job has waited for {seconds:.0} s"),
            "it is worked off in its order, as fast as the workers can",
            format!(
                "start more workers, or raise worker.queues.{queue}; `autopilot doctor` says whether anybody serves it"
            ),
        );
    }
    issues
}

fn of_breaker(breaker: &Breaker) -> Issue {
    let waits = format!("; {} steps wait", breaker.waiting);
    Open::from(breaker).issue(Severity::Warning, &waits)
}

fn of_studios(counts: Counts) -> Option<Issue> {
    let Counts { degraded, unhealthy, total, .. } = counts;
    (degraded + unhealthy > 0).then(|| Issue {
        severity: Severity::Warning,
        component: "studios".to_owned(),
        cause: format!("of {total} studios {unhealthy} are unhealthy and {degraded} degraded"),
        since: None,
        what_happens_next: "each says for itself what happens next".to_owned(),
        action: "autopilot health --workspace ID".to_owned(),
    })
}

fn of_letters(letters: &Letters) -> Issue {
    let Letters { kind, jobs, oldest, .. } = letters;
    Issue {
        severity: Severity::Warning,
        component: kind.clone(),
        cause: format!("{jobs} jobs were set aside"),
        since: Some(*oldest),
        what_happens_next: "nothing until a person decides".to_owned(),
        action: format!("autopilot jobs list --kind {kind}"),
    }
}
