//! What a ledger adds up to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Kind, Record};

/// The counts of one ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Requests received.
    pub calls: u64,
    /// Things done.
    pub effects: u64,
    /// Requests by operation.
    pub calls_by_operation: BTreeMap<String, u64>,
    /// Effects by operation, then by subject (empty text where none is known).
    pub effects_by_subject: BTreeMap<String, BTreeMap<String, u64>>,
    /// Effects that should have happened once and did not. Empty is the only good answer.
    pub double_effects: Vec<DoubleEffect>,
}

/// An effect that was had more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoubleEffect {
    /// The operation that was repeated.
    pub operation: String,
    /// What it must be unique for: the friendly name, or a message's key.
    pub subject: String,
    /// How often it took effect.
    pub count: u64,
}

impl Summary {
    /// Adds up the records.
    pub fn of(records: &[Record]) -> Self {
        let mut summary = Self::default();
        let mut unique: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for Record { entry, .. } in records {
            match entry.kind {
                Kind::Call => {
                    summary.calls += 1;
                    *summary.calls_by_operation.entry(entry.operation.clone()).or_default() += 1;
                }
                Kind::Effect => {
                    summary.effects += 1;
                    let subject = entry.subject.clone().unwrap_or_default();
                    let subjects =
                        summary.effects_by_subject.entry(entry.operation.clone()).or_default();
                    *subjects.entry(subject).or_default() += 1;
                }
            }
            if let Some(key) = unique_key(entry) {
                *unique.entry((&entry.operation, key)).or_default() += 1;
            }
        }
        summary.double_effects = unique
            .into_iter()
            .filter(|(_, count)| *count > 1)
            .map(|((operation, subject), count)| DoubleEffect {
                operation: operation.to_owned(),
                subject: subject.to_owned(),
                count,
            })
            .collect();
        summary
    }

    /// How many effects of an operation there were, over all subjects.
    pub fn effects_of(&self, operation: &str) -> u64 {
        self.effects_by_subject.get(operation).map_or(0, |subjects| subjects.values().sum())
    }

    /// How many requests for an operation there were.
    pub fn calls_of(&self, operation: &str) -> u64 {
        self.calls_by_operation.get(operation).copied().unwrap_or(0)
    }
}

/// What an effect may be had once for: a studio has one subaccount and one number, and an intent
/// to send a message (its opaque key) is sent once.
fn unique_key(entry: &super::Entry) -> Option<&str> {
    match (entry.kind, entry.operation.as_str()) {
        (Kind::Effect, "twilio.create_subaccount" | "twilio.buy_number") => {
            entry.subject.as_deref()
        }
        (Kind::Effect, "whatsapp.send_message") => entry.idempotency_key.as_deref(),
        (Kind::Effect | Kind::Call, _) => None,
    }
}
