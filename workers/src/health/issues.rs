//! What is wrong with a studio, told to somebody who knows nothing of it. The same facts always tell the same.
//!
//! What is more than `info` here is what the counts over all studios take for it: [`unwell`](autopilot_engine::ops::standing::unwell) and the studio's own rows.

use autopilot_engine::Job as _;
use autopilot_engine::ops::runs::RunView;
use autopilot_engine::ops::standing::Letter;
use autopilot_workflows::provisioning::Provision;
use autopilot_workflows::state::health::{Component, Severity};
use serde_json::Value;

use super::facts::Facts;
use super::open::Open;
use super::{Issue, sort};

impl Facts<'_> {
    /// The breakers that hold this workspace's calls back, those of everybody first.
    pub(super) fn open(&self) -> Vec<Open<'_>> {
        let whole = self.whole.iter().map(Open::from);
        let own = self.own.iter().map(|breaker| Open {
            key: &breaker.key,
            service: &breaker.service,
            reason: &breaker.reason,
            since: Some(breaker.opened_at),
            tried_at: breaker.tried_at,
            is_tripped: breaker.tripped,
        });
        whole.chain(own).collect()
    }

    /// What is wrong, the most severe first.
    pub(super) fn issues(&self) -> Vec<Issue> {
        let mut issues = Vec::new();
        let open = self.open();
        let mut told: Vec<&str> = Vec::new();
        if let Some(run) = &self.run {
            for waits in &self.waits {
                let breaker = waits.breaker.as_deref();
                match open.iter().find(|open| Some(open.key) == breaker) {
                    Some(breaker) => {
                        let step = format!("; the provisioning's step {} waits for it", waits.step);
                        issues.push(breaker.issue(Severity::Warning, &step));
                        told.push(breaker.key);
                    }
                    None => issues.push(Issue {
                        severity: Severity::Info,
                        component: Component::Provisioning.name().to_owned(),
                        cause: format!("step {} waits: {}", waits.step, waits.reason),
                        since: Some(run.created_at),
                        what_happens_next: format!(
                            "it goes on as soon as that has happened, and looks at {} UTC at the latest",
                            waits.until.format("%F %T")
                        ),
                        action: format!("autopilot runs show {}", run.id),
                    }),
                }
            }
            issues.extend(of_run(run));
        }
        for breaker in &open {
            if !told.contains(&breaker.key) {
                // What is wrong with everybody is not this studio's as long as nothing of its own waits for it.
                let is_own = breaker.key.contains('/');
                let severity = if is_own { Severity::Warning } else { Severity::Info };
                issues.push(breaker.issue(severity, ""));
            }
        }
        issues.extend(self.letters.iter().filter_map(|letter| self.of_letter(letter)));
        issues.extend(self.of_parts());
        sort(&mut issues);
        issues
    }

    /// A run that was set aside is told as such, and any before it is not worth waking anybody.
    fn of_letter(&self, letter: &Letter) -> Option<Issue> {
        if letter.kind != Provision::KIND {
            return Some(Issue {
                severity: Severity::Warning,
                component: letter.kind.clone(),
                cause: format!(
                    "a job was set aside ({}): {}",
                    letter.reason,
                    message(&letter.failure)
                ),
                since: Some(letter.died_at),
                what_happens_next: "nothing until a person decides".to_owned(),
                action: action(&letter.failure).unwrap_or_else(|| {
                    format!("autopilot jobs show {}, then `jobs retry` or `jobs cancel`", letter.id)
                }),
            });
        }
        let is_last = self.run.as_ref().is_none_or(|run| run.id == letter.id);
        (!is_last).then(|| Issue {
            severity: Severity::Info,
            component: Component::Provisioning.name().to_owned(),
            cause: format!("an earlier provisioning failed: {}", message(&letter.failure)),
            since: Some(letter.died_at),
            what_happens_next: "nothing: a later provisioning has taken its place".to_owned(),
            action: format!("autopilot runs cancel {}", letter.id),
        })
    }

    /// What was seen last of its parts; the provisioning as a whole only where no part says more.
    fn of_parts(&self) -> impl Iterator<Item = Issue> {
        let is_part = |component| component != Component::Provisioning;
        let says_more =
            self.kept.iter().any(|kept| is_part(kept.seen.component) && kept.seen.is_wrong());
        self.kept.iter().filter_map(move |kept| {
            let wrong = kept.seen.wrong.as_ref()?;
            (is_part(kept.seen.component) || !says_more).then(|| Issue {
                severity: wrong.severity,
                component: kept.seen.component.name().to_owned(),
                cause: kept.seen.detail.clone(),
                since: Some(kept.since),
                what_happens_next: wrong.next.clone(),
                action: wrong.action.clone(),
            })
        })
    }
}

/// What a run tells that does not wait.
fn of_run(run: &RunView) -> Option<Issue> {
    let issue = |severity, cause: String, since, next: String, action: String| {
        Some(Issue {
            severity,
            component: Component::Provisioning.name().to_owned(),
            cause,
            since,
            what_happens_next: next,
            action,
        })
    };
    let id = run.id;
    match run.status.as_str() {
        "failed" | "quarantined" | "review" | "undecodable" | "undone" => {
            let failure = run.failure.clone().unwrap_or_default();
            let todo = action(&failure).unwrap_or_else(|| format!("autopilot runs retry {id}"));
            issue(
                Severity::Critical,
                format!(
                    "the provisioning was set aside at {} % ({}): {}",
                    run.percent,
                    run.status,
                    message(&failure)
                ),
                run.finished_at,
                "nothing until that is done; what has been set up stays".to_owned(),
                format!("{todo} (run {id})"),
            )
        }
        "retrying" => issue(
            Severity::Info,
            format!("the provisioning failed {} times and is tried again", run.attempt),
            Some(run.created_at),
            run.next_at.map_or_else(
                || "it is tried again".to_owned(),
                |at| format!("it is tried again at {} UTC", at.format("%F %T")),
            ),
            format!("autopilot runs show {id}"),
        ),
        "aside" => issue(
            Severity::Info,
            format!(
                "the provisioning stands aside for {}",
                run.blocked_on.as_deref().unwrap_or("a limit")
            ),
            Some(run.created_at),
            "it begins when that lets it".to_owned(),
            "autopilot pauses list".to_owned(),
        ),
        _ => None,
    }
}

fn message(failure: &Value) -> &str {
    failure.get("message").and_then(Value::as_str).unwrap_or("it is not known why")
}

/// What a failure asks a person to do.
pub(super) fn action(failure: &Value) -> Option<String> {
    failure.get("action").and_then(Value::as_str).map(ToOwned::to_owned)
}
