//! How all studios stand, and what runs them: totals that touch what is not well, and a page of studios.

use std::collections::HashMap;

use autopilot_engine::ops::breakers::{self, Breaker};
use autopilot_engine::ops::schedules;
use autopilot_engine::ops::standing::{self, Letters, QueueAge};
use autopilot_engine::ops::strains::{self, Met};
use autopilot_engine::{Job as _, WorkspaceId};
use autopilot_workflows::provisioning::Provision;
use autopilot_workflows::state::health::{self, Severity};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};

use super::facts::gather;
use super::machine::{Processes, Scheduler, of_machine, of_strain, scheduler};
use super::open::Open;
use super::{Issue, Overall, sort};
use crate::fail::Fail;

/// So many breakers are told: those of whole services come first.
const MOST_BREAKERS: i64 = 1000;

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
    /// What keeps the database from its work.
    pub(crate) strains: Vec<Met>,
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
    let strains = strains::list(&mut conn).await?;
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
    issues.extend(strains.iter().map(of_strain));
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
        strains,
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
