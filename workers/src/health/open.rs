//! A provider that is not called, told to somebody who knows nothing of breakers.

use autopilot_engine::ops::breakers::{Breaker, State};
use autopilot_workflows::state::health::{Component, Severity};
use chrono::{DateTime, Utc};

use super::Issue;

/// A breaker that is open, of whichever sort.
pub(super) struct Open<'f> {
    pub(super) key: &'f str,
    pub(super) service: &'f str,
    pub(super) reason: &'f str,
    pub(super) since: Option<DateTime<Utc>>,
    pub(super) tried_at: Option<DateTime<Utc>>,
    pub(super) is_tripped: bool,
}

impl<'f> From<&'f Breaker> for Open<'f> {
    fn from(breaker: &'f Breaker) -> Self {
        Self {
            key: &breaker.key,
            service: &breaker.service,
            reason: &breaker.reason,
            since: breaker.opened_at,
            tried_at: breaker.tried_at,
            is_tripped: breaker.state == State::Tripped,
        }
    }
}

impl Open<'_> {
    /// What is said of it, and whatever waits for it.
    pub(super) fn issue(&self, severity: Severity, waits: &str) -> Issue {
        let Self { key, service, reason, since, .. } = self;
        let cause = if self.is_tripped {
            format!("an operator stopped the calls to {service} ({reason}){waits}")
        } else {
            format!("{service} is out of order and not called ({reason}){waits}")
        };
        let (next, action) = if self.is_tripped {
            (
                "nothing until somebody lets the calls go on; what waits spends no attempt"
                    .to_owned(),
                format!("autopilot breakers reset {key} --reason WHY"),
            )
        } else {
            let tried = self
                .tried_at
                .map_or_else(|| "soon".to_owned(), |at| format!("at {} UTC", at.format("%F %T")));
            (
                format!(
                    "what waits spends no attempt; one call tries {service} {tried}, and when that is answered everything goes on by itself"
                ),
                format!(
                    "nothing has to be done here; `autopilot breakers show {key}` tells more, {service} itself may say when it is back"
                ),
            )
        };
        Issue {
            severity,
            component: component_of(service).to_owned(),
            cause,
            since: *since,
            what_happens_next: next,
            action,
        }
    }
}

/// What a service is called among a studio's parts.
pub(super) fn component_of(service: &str) -> &str {
    Component::of_service(service).map_or(service, |component| component.name())
}
