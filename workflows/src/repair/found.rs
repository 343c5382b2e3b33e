//! What a provider said, held against what we wrote down.

use autopilot_engine::{Class, Result, Stop};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::provisioning::{or_wait, seen};
use crate::state::health::{Component, Seen, Severity, Standing, Wrong};

/// Who mends what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mend {
    /// Nothing has to be mended, or nothing can be before a setting is there.
    Nobody,
    /// A new provisioning.
    Provisioning,
    /// A person; a provisioning does without it meanwhile.
    Person,
    /// A person, and until then a provisioning would fail where this check did.
    PersonFirst,
}

impl Mend {
    pub(super) const fn needs_a_person(self) -> bool {
        match self {
            Self::Person | Self::PersonFirst => true,
            Self::Nobody | Self::Provisioning => false,
        }
    }
}

/// What somebody said, and when he was asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Answer<T> {
    pub(super) asked_at: DateTime<Utc>,
    pub(super) said: T,
}

/// What was found of one part.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) seen: Seen,
    pub(super) mend: Mend,
}

impl Found {
    pub(super) fn well(component: Component, detail: impl Into<String>) -> Self {
        Self { seen: Seen::working(component, detail), mend: Mend::Nobody }
    }

    pub(super) fn not_set_up(component: Component) -> Self {
        Self { seen: seen::not_set_up(component), mend: Mend::Nobody }
    }

    /// Something that a new provisioning mends; what happens next is said when it is known whether one begins.
    pub(super) fn differs(component: Component, detail: impl Into<String>) -> Self {
        let wrong =
            Wrong { severity: Severity::Warning, next: String::new(), action: String::new() };
        Self {
            seen: Seen::wrong(component, Standing::Failing, detail, wrong),
            mend: Mend::Provisioning,
        }
    }

    /// Something that keeps a provisioning from mending anything before a person has seen to it.
    pub(super) fn person_first(
        component: Component,
        severity: Severity,
        detail: impl Into<String>,
        action: impl Into<String>,
    ) -> Self {
        let seen = seen::person(component, severity, detail.into(), action.into());
        Self { seen, mend: Mend::PersonFirst }
    }
}

/// A refusal is an answer, which says what a person has to do. Who does not answer, or has no turn for us, is asked again.
pub(super) fn judged(component: Component, asked: Result<Found>) -> Result<Found> {
    match or_wait(asked) {
        // What our own database refuses is no answer of theirs.
        Err(Stop::Failed(failure)) if is_answer(failure.class) && !failure.is_of_database() => {
            // A provisioning does without mail.
            let is_mail = component == Component::Email;
            let mend = if is_mail { Mend::Person } else { Mend::PersonFirst };
            Ok(Found { seen: seen::refused(component, &failure), mend })
        }
        asked => asked,
    }
}

const fn is_answer(class: Class) -> bool {
    match class {
        Class::ThirdPartyAuthFailed | Class::ConfigurationError | Class::ProvisioningError => true,
        Class::TransientNetwork
        | Class::RateLimited { .. }
        | Class::IntegrationOffline
        | Class::UnknownOutcome => false,
    }
}
