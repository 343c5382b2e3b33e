//! The same as text, for people.

use autopilot_workflows::state::health::Severity;

use super::{Fleet, Issue, WorkspaceHealth};
use crate::console::{table, utc};

/// How one studio stands.
pub(crate) fn workspace(health: &WorkspaceHealth) -> Vec<String> {
    let mut lines = vec![format!("workspace {} is {}", health.workspace_id, health.overall.name())];
    lines.push(String::new());
    let rows = health.integrations.iter().map(|integration| {
        [
            integration.name.name().to_owned(),
            integration.state.name().to_owned(),
            utc(integration.since),
            utc(integration.checked_at),
            integration.detail.clone(),
        ]
    });
    let head = ["INTEGRATION", "STATE", "SINCE (UTC)", "CHECKED (UTC)", "DETAIL"];
    lines.extend(table(head, rows.collect()));
    if let Some(run) = &health.provisioning {
        let text = |name: &str| match run.get(name) {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(value) if !value.is_null() => value.to_string(),
            _ => "-".to_owned(),
        };
        lines.push(String::new());
        lines.push(clean(format!(
            "provisioning {} {} %, run {}",
            text("status"),
            text("percent"),
            text("runId")
        )));
        if text("waitsFor") != "-" {
            lines.push(clean(format!("  waits for: {}", text("waitsFor"))));
        }
    }
    lines.push(String::new());
    lines.extend(issues(&health.issues));
    if !health.repairs.is_empty() {
        lines.push(String::new());
        let rows = health.repairs.iter().map(|repair| {
            [
                utc(repair.found_at),
                repair.outcome.name().to_owned(),
                repair.found.clone(),
                repair.done.clone(),
            ]
        });
        lines.extend(table(["FOUND AT (UTC)", "OUTCOME", "FOUND", "DONE"], rows.collect()));
    }
    lines
}

/// How all stand.
pub(crate) fn fleet(fleet: &Fleet) -> Vec<String> {
    let counts = fleet.workspaces;
    let mut lines = vec![
        format!("the autopilot is {}", fleet.overall.name()),
        format!(
            "studios      {}: {} healthy, {} degraded, {} unhealthy",
            counts.total, counts.healthy, counts.degraded, counts.unhealthy
        ),
        format!("workers      {} alive, {} silent", fleet.workers.alive, fleet.workers.silent),
        format!("scheduler    {}", fleet.scheduler.state),
    ];
    lines.push(match fleet.queues.first() {
        Some(oldest) => {
            format!("oldest ready {:.0} s, in queue {}", oldest.seconds, oldest.queue)
        }
        None => "oldest ready none waits".to_owned(),
    });
    lines.push(String::new());
    lines.extend(issues(&fleet.issues));
    let unwell = fleet.page.iter().filter_map(|brief| {
        let issue = brief.issue.as_ref()?;
        Some([
            brief.workspace_id.to_string(),
            brief.overall.name().to_owned(),
            issue.component.clone(),
            issue.cause.clone(),
        ])
    });
    let unwell: Vec<_> = unwell.collect();
    if !unwell.is_empty() {
        lines.push(String::new());
        lines.extend(table(["WORKSPACE", "OVERALL", "FIRST", "CAUSE"], unwell));
    }
    if let Some(next) = fleet.next {
        lines.push(format!("there are more: autopilot health --all --after {next}"));
    }
    lines
}

fn issues(issues: &[Issue]) -> Vec<String> {
    if issues.is_empty() {
        return vec!["nothing is wrong".to_owned()];
    }
    let told = issues.iter().flat_map(|issue| {
        let severity = match issue.severity {
            Severity::Critical => "CRITICAL",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        let since = issue.since.map(|at| format!(", since {} UTC", at.format("%F %T")));
        [
            clean(format!(
                "{severity} {}: {}{}",
                issue.component,
                issue.cause,
                since.unwrap_or_default()
            )),
            clean(format!("  next: {}", issue.what_happens_next)),
            clean(format!("  do:   {}", issue.action)),
        ]
    });
    told.collect()
}

/// What comes from providers and tenants commands no terminal.
fn clean(line: String) -> String {
    line.replace(char::is_control, " ")
}
