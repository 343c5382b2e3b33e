//! What runs the studios: the database, the processes, what ticks, the queues.

use autopilot_engine::ops::schedules::ScheduleView;
use autopilot_engine::ops::standing::{QueueAge, Workers};
use autopilot_engine::ops::strains::Met;
use autopilot_workflows::state::health::Severity;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::Issue;

/// A queue whose oldest ready job is older than this is worth a look.
const OLD: f64 = 60.0;

/// One whose oldest is older than this is not being worked off.
const STUCK: f64 = 600.0;

/// A schedule that is overdue by more is looked after by nobody.
const OVERDUE: TimeDelta = TimeDelta::minutes(1);

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

/// What ticks, and what should have.
pub(super) fn scheduler(schedules: &[ScheduleView], now: DateTime<Utc>) -> Scheduler {
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

/// What is wrong with processes, what ticks and the queues.
pub(super) fn of_machine(
    workers: &Workers,
    scheduler: &Scheduler,
    queues: &[QueueAge],
) -> Vec<Issue> {
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

/// Something that keeps the database from its work.
pub(super) fn of_strain(met: &Met) -> Issue {
    let severity = if met.strain.stops_all() { Severity::Critical } else { Severity::Warning };
    let Met { strain, processes, times, detail, .. } = met;
    Issue {
        severity,
        component: "database".to_owned(),
        cause: format!(
            "{} ({detail}); {processes} processes met it, {times} times",
            strain.cause()
        ),
        since: Some(met.since),
        what_happens_next: strain.what_happens_next().to_owned(),
        action: strain.action().to_owned(),
    }
}
