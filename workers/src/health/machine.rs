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

/// A schedule that is overdue by more is not merely late.
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
    if workers.alive == 0 {
        issues.push(issue(
            Severity::Critical,
            "workers",
            "no worker process is alive: nothing is done for any studio".to_owned(),
            "webhooks are still taken and kept; all of it is done when a worker runs",
            "start `autopilot serve`".to_owned(),
        ));
    }
    issues.extend(of_scheduler(scheduler));
    for QueueAge { queue, seconds, .. } in queues.iter().filter(|queue| queue.seconds > OLD) {
        let severity = if *seconds > STUCK { Severity::Critical } else { Severity::Warning };
        issues.push(issue(
            severity,
            &format!("queue {queue}"),
            format!("its oldest ready job has waited for {seconds:.0} s"),
            "it is worked off in its order, as fast as the workers can",
            format!(
                "start more workers, or raise worker.queues.{queue}; `autopilot doctor` says whether anybody serves it"
            ),
        ));
    }
    issues
}

/// Those that are overdue, told apart by whether anybody looks after them.
fn of_scheduler(scheduler: &Scheduler) -> Vec<Issue> {
    let (alone, stuck): (Vec<&String>, Vec<&String>) =
        scheduler.overdue.iter().partition(|name| scheduler.without_process.contains(name));
    let told = |cause: &str, names: Vec<&String>, next: &str, action: &str| {
        let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
        let cause = format!("overdue, {cause}: {}", names.join(", "));
        let action = action.to_owned();
        (!names.is_empty()).then(|| issue(Severity::Critical, "scheduler", cause, next, action))
    };
    let stuck = told(
        "though a process looks after them",
        stuck,
        "the process tries again every two seconds; what was missed is caught up as each schedule says",
        "look for what the workers' log says of them, then at `autopilot doctor`",
    );
    let alone = told(
        "for no living process looks after them",
        alone,
        "when a process looks after them again, what was missed is caught up as each schedule says",
        "start `autopilot serve --workers`; `autopilot schedules list` shows all",
    );
    stuck.into_iter().chain(alone).collect()
}

fn issue(severity: Severity, component: &str, cause: String, next: &str, action: String) -> Issue {
    Issue {
        severity,
        component: component.to_owned(),
        cause,
        since: None,
        what_happens_next: next.to_owned(),
        action,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_after_an_overdue_schedule_is_told_apart_from_nobody() {
        let scheduler = Scheduler {
            state: "failing",
            overdue: vec!["alone".to_owned(), "stuck".to_owned()],
            without_process: vec!["alone".to_owned()],
        };
        let issues = of_scheduler(&scheduler);
        let causes: Vec<&str> = issues.iter().map(|issue| issue.cause.as_str()).collect();
        let wanted = [
            "overdue, though a process looks after them: stuck",
            "overdue, for no living process looks after them: alone",
        ];
        assert_eq!(causes, wanted);
    }
}
