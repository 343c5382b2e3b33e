//! Faults by script: what goes wrong, for which requests, and how often.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Provider;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The answer comes late, and is right.
    Delay {
        /// Milliseconds before the request takes effect.
        ms: u64,
    },
    /// No effect and no answer: the connection stays open until one side gives up.
    Hang,
    /// No effect; the connection is reset without an answer.
    ResetBefore,
    /// The effect happens; the connection is reset without an answer.
    ResetAfter,
    /// The connection is reset without an answer; the effect happens later all the same.
    Late {
        /// Milliseconds from the reset to the effect.
        ms: u64,
    },
    /// The effect happens; no answer: the connection stays open until one side gives up.
    Stall,
    /// No effect; an error answer.
    Status {
        /// The HTTP status, or the SMTP reply code.
        status: u16,
        /// Seconds for the `Retry-After` header; no header when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        /// The body to send. Absent: the provider's own error shape. A text is sent as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Value>,
    },
    /// The effect happens; a success arrives whose body cannot be parsed.
    Malformed,
    /// No effect; the provider's answer to wrong credentials.
    Auth,
}

impl Fault {
    /// The name in the ledger.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Delay { .. } => "delay",
            Self::Hang => "hang",
            Self::ResetBefore => "reset_before",
            Self::ResetAfter => "reset_after",
            Self::Late { .. } => "late",
            Self::Stall => "stall",
            Self::Status { .. } => "status",
            Self::Malformed => "malformed",
            Self::Auth => "auth",
        }
    }
}

/// A fault, and the requests that meet it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Requests to this provider.
    pub provider: Provider,
    /// Only this HTTP method; for SMTP the verb, with `CONNECT` for the greeting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only paths that contain this text; for SMTP the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_contains: Option<String>,
    /// Lets the first `skip` matching requests pass. Default 0.
    #[serde(default)]
    pub skip: u32,
    /// Strikes so many times. Default 1.
    #[serde(default = "once")]
    pub times: u32,
    /// What goes wrong.
    pub fault: Fault,
}

fn once() -> u32 {
    1
}

impl Rule {
    /// A rule that strikes the provider's next request, whichever it is.
    pub fn new(provider: Provider, fault: Fault) -> Self {
        Self { provider, method: None, path_contains: None, skip: 0, times: 1, fault }
    }

    /// Only this method or SMTP verb.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only paths that contain this text.
    #[must_use]
    pub fn path_contains(mut self, part: &str) -> Self {
        self.path_contains = Some(part.to_owned());
        self
    }

    /// Lets the first `count` matching requests pass.
    #[must_use]
    pub fn skip(mut self, count: u32) -> Self {
        self.skip = count;
        self
    }

    /// Strikes `count` times.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.times = count;
        self
    }

    fn matches(&self, provider: Provider, method: &str, path: &str) -> bool {
        self.provider == provider
            && self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path_contains.as_deref().is_none_or(|part| path.contains(part))
    }
}

/// A rule and how far it has got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActiveRule {
    /// The rule as it was given.
    #[serde(flatten)]
    pub rule: Rule,
    /// Matching requests that it let pass.
    pub passed: u32,
    /// Requests that it struck.
    pub struck: u32,
}

/// The rules in force. The first rule that has strikes left and nothing more to let pass wins; a
/// request is counted by that rule, and by those before it that let it pass.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<ActiveRule>>);

impl Faults {
    /// Adds a rule behind those in force.
    pub fn add(&self, rule: Rule) {
        self.rules().push(ActiveRule { rule, passed: 0, struck: 0 });
    }

    /// The rules in force, spent ones included.
    pub fn list(&self) -> Vec<ActiveRule> {
        self.rules().clone()
    }

    /// Removes all rules. Requests that hang already go on hanging.
    pub fn clear(&self) {
        self.rules().clear();
    }

    /// The fault that this request meets, if any; counts it.
    pub(crate) fn strike(&self, provider: Provider, method: &str, path: &str) -> Option<Fault> {
        for active in self.rules().iter_mut() {
            let spent = active.struck >= active.rule.times;
            if spent || !active.rule.matches(provider, method, path) {
                continue;
            }
            if active.passed < active.rule.skip {
                active.passed += 1;
                continue;
            }
            active.struck += 1;
            return Some(active.rule.fault.clone());
        }
        None
    }

    fn rules(&self) -> MutexGuard<'_, Vec<ActiveRule>> {
        // Nothing that holds the guard can leave the list half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(faults: &Faults, count: usize) -> Vec<bool> {
        (0..count)
            .map(|_| faults.strike(Provider::Twilio, "POST", "/x/Accounts.json").is_some())
            .collect()
    }

    #[test]
    fn a_rule_lets_requests_pass_then_strikes_as_often_as_told() {
        let faults = Faults::default();
        faults.add(Rule::new(Provider::Twilio, Fault::Hang).skip(1).times(2));
        assert_eq!(strikes(&faults, 5), [false, true, true, false, false]);
    }

    #[test]
    fn a_rule_strikes_only_its_provider_method_and_path() {
        let faults = Faults::default();
        let rule = Rule::new(Provider::Twilio, Fault::Hang).method("post").path_contains("Keys");
        faults.add(rule);
        assert_eq!(faults.strike(Provider::Stripe, "POST", "/Keys"), None);
        assert_eq!(faults.strike(Provider::Twilio, "GET", "/Keys"), None);
        assert_eq!(faults.strike(Provider::Twilio, "POST", "/Accounts"), None);
        assert_eq!(faults.strike(Provider::Twilio, "POST", "/Keys"), Some(Fault::Hang));
    }

    #[test]
    fn a_spent_rule_gives_way_to_the_next() {
        let faults = Faults::default();
        faults.add(Rule::new(Provider::Twilio, Fault::Hang));
        faults.add(Rule::new(Provider::Twilio, Fault::Auth));
        assert_eq!(faults.strike(Provider::Twilio, "GET", "/"), Some(Fault::Hang));
        assert_eq!(faults.strike(Provider::Twilio, "GET", "/"), Some(Fault::Auth));
        assert_eq!(faults.strike(Provider::Twilio, "GET", "/"), None);
    }

    #[test]
    fn a_rule_is_written_as_the_documentation_says() {
        let rule: Rule = serde_json::from_str(
            r#"{"provider":"twilio","fault":{"status":{"status":429,"retry_after":2}}}"#,
        )
        .expect("a rule");
        let fault = Fault::Status { status: 429, retry_after: Some(2), body: None };
        assert_eq!(rule, Rule::new(Provider::Twilio, fault));
        assert!(
            serde_json::from_str::<Rule>(r#"{"provider":"twilio","fault":"hang","tims":2}"#)
                .is_err()
        );
    }
}
