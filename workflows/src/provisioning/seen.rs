//! How the parts of a studio stand, in the words that people are told: what works, what does not, what happens next and what to do.

use std::time::Duration;

use autopilot_engine::{Class, Failure, WorkspaceId};
use serde::{Deserialize, Serialize};

use crate::state::health::{Component, Seen, Severity, Standing, Wrong};

/// What a provisioning left out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LeftOut {
    /// The part.
    pub component: Component,
    /// Whether the process that provisioned knew how to reach the provider.
    pub is_configured: bool,
}

/// The settings without which a part cannot be set up.
#[must_use]
pub(crate) const fn settings(component: Component) -> &'static str {
    match component {
        Component::Provisioning => "`autopilot config check`",
        Component::Stripe => "STRIPE_SECRET_KEY",
        Component::Twilio => "TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN",
        Component::Whatsapp => {
            "WHATSAPP_API_TOKEN, WHATSAPP_PHONE_NUMBER_ID and WHATSAPP_BUSINESS_ACCOUNT_ID"
        }
        Component::Email => "SMTP_HOST, SMTP_PORT, SMTP_USER and SMTP_PASSWORD",
    }
}

/// The name by which people know a part.
pub(crate) const fn called(component: Component) -> &'static str {
    match component {
        Component::Provisioning => "the provisioning",
        Component::Stripe => "Stripe",
        Component::Twilio => "Twilio",
        Component::Whatsapp => "WhatsApp",
        Component::Email => "e-mail",
    }
}

/// What happens by itself where a new provisioning would help.
const MENDED: &str =
    "it is looked at again, and as soon as the cause is gone a new provisioning sets it up";

/// What stands in the way until a person does something.
const UNTIL_THEN: &str =
    "nothing until that is done; then it is found by itself, with the next check";

/// A part that could not be set up, because nobody said how to reach its provider. A studio does without mail.
pub(crate) fn not_set_up(component: Component) -> Seen {
    let name = called(component);
    let severity = match component {
        Component::Email => Severity::Info,
        Component::Provisioning | Component::Stripe | Component::Twilio | Component::Whatsapp => {
            Severity::Warning
        }
    };
    let wrong = Wrong {
        severity,
        next: format!(
            "once {name} is configured and the workers run with it, a new provisioning sets it up by itself"
        ),
        action: format!("set {}, and restart the workers", settings(component)),
    };
    Seen::wrong(component, Standing::NotSetUp, format!("{name} is not configured"), wrong)
}

/// A part that was left out although its provider is configured.
pub(super) fn left_out(workspace: WorkspaceId, left: &LeftOut) -> Seen {
    if !left.is_configured {
        return not_set_up(left.component);
    }
    let wrong = Wrong {
        severity: Severity::Warning,
        next: MENDED.to_owned(),
        action: format!("{}, if it is not to wait", again(workspace)),
    };
    let detail = format!("{} did not work when the studio was provisioned", called(left.component));
    Seen::wrong(left.component, Standing::Failing, detail, wrong)
}

/// How the provisioning as a whole ended.
pub(super) fn ended(workspace: WorkspaceId, degraded: bool, left_out: &[LeftOut]) -> Seen {
    if !degraded {
        return Seen::working(Component::Provisioning, "everything that is configured is set up");
    }
    let names: Vec<&str> = left_out.iter().map(|left| called(left.component)).collect();
    let detail = format!("the last provisioning left something out: {}", names.join(", "));
    let wrong = Wrong {
        severity: Severity::Warning,
        next: MENDED.to_owned(),
        action: format!("{}, if it is not to wait", again(workspace)),
    };
    Seen::wrong(Component::Provisioning, Standing::Failing, detail, wrong)
}

/// What is to be done is being done by nobody. A studio that does not pay lacks nothing.
pub(crate) fn not_done(workspace: WorkspaceId, pays: bool) -> Seen {
    let severity = if pays { Severity::Warning } else { Severity::Info };
    let wrong = Wrong {
        severity,
        next: "nothing until somebody starts another; what had been set up stays".to_owned(),
        action: again(workspace),
    };
    let detail = "it is to be provisioned, and nothing does it: the last provisioning was cancelled or is forgotten";
    Seen::wrong(Component::Provisioning, Standing::Failing, detail, wrong)
}

/// How a person has it provisioned.
pub(crate) fn again(workspace: WorkspaceId) -> String {
    format!("autopilot provision {workspace}")
}

/// A provider that answered with a refusal, or does not find what is the studio's.
pub(crate) fn refused(component: Component, failure: &Failure) -> Seen {
    let is_refusal = matches!(failure.class, Class::ThirdPartyAuthFailed);
    let severity = if is_refusal { Severity::Critical } else { Severity::Warning };
    let action = match &failure.action {
        // Which setting it is, the failure need not know.
        Some(action) if is_refusal => {
            format!(
                "{action}; the settings are {}, and the workers are to be restarted",
                settings(component)
            )
        }
        Some(action) => action.clone(),
        None if is_refusal => format!("set {} anew, and restart the workers", settings(component)),
        None => "autopilot doctor".to_owned(),
    };
    let wrong = Wrong { severity, next: UNTIL_THEN.to_owned(), action };
    Seen::wrong(component, Standing::Failing, failure.message.clone(), wrong)
}

/// Only a person can mend it.
pub(crate) fn person(
    component: Component,
    severity: Severity,
    detail: String,
    action: String,
) -> Seen {
    let wrong = Wrong { severity, next: UNTIL_THEN.to_owned(), action };
    Seen::wrong(component, Standing::Failing, detail, wrong)
}

/// How soon a studio is asked about again whose provisioning left something out.
pub(crate) const SOON: Duration = Duration::from_secs(600);
