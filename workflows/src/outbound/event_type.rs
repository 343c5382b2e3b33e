//! What studios can be told of.

use std::fmt;
use std::str::FromStr;

/// What a studio's programs can be told of. Its name stands in what is posted, as `type`, and never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// A provisioning has ended: `outcome` is `completed` or `degraded`.
    StudioProvisioned,
    /// What the studio's subscription is has changed: `subscription`, `status`, `price`, `current_period_end`.
    SubscriptionChanged,
    /// The studio's trial ends soon: `subscription`, `trial_end` in seconds since 1970.
    TrialEnding,
    /// An invoice, a payment beside the subscription, a refund or a dispute has come to another state: `object_id`, `kind`, `status`,
    /// `amount` in the currency's smallest unit, `currency`.
    PaymentChanged,
}

impl EventType {
    /// All there are.
    pub const ALL: [Self; 4] = [
        Self::StudioProvisioned,
        Self::SubscriptionChanged,
        Self::TrialEnding,
        Self::PaymentChanged,
    ];

    /// As it is posted.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::StudioProvisioned => "studio.provisioned",
            Self::SubscriptionChanged => "subscription.changed",
            Self::TrialEnding => "trial.ending",
            Self::PaymentChanged => "payment.changed",
        }
    }
}

/// There is no such type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownEventType;

impl fmt::Display for UnknownEventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = EventType::ALL.map(EventType::name).join(", ");
        write!(f, "is no type of event; there are {names}")
    }
}

impl std::error::Error for UnknownEventType {}

impl FromStr for EventType {
    type Err = UnknownEventType;

    fn from_str(text: &str) -> Result<Self, UnknownEventType> {
        Self::ALL.into_iter().find(|one| one.name() == text).ok_or(UnknownEventType)
    }
}
