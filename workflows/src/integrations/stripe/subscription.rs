//! A subscription, reduced to what decides whether a workspace may be used.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stripe_billing::{Subscription as Raw, SubscriptionStatus as RawStatus};

use super::StripeError;

/// One subscription of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its id, `sub_…`.
    pub id: String,
    /// Whose it is, `cus_…`.
    pub customer: String,
    /// Where it stands.
    pub status: Status,
    /// The price of its first item, `price_…`: which plan was bought.
    pub price: Option<String>,
    /// When the paid period of its first item ends.
    pub current_period_end: Option<DateTime<Utc>>,
    /// The workspace that our checkout wrote into its metadata.
    pub workspace_id: Option<String>,
}

/// Where a subscription stands, in Stripe's eight words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The first payment is open; after 23 hours it expires.
    Incomplete,
    /// The first payment never came. Final.
    IncompleteExpired,
    /// In its trial.
    Trialing,
    /// Paid.
    Active,
    /// A renewal failed and Stripe still tries.
    PastDue,
    /// A renewal failed and Stripe has given up.
    Unpaid,
    /// The trial ended without a payment method.
    Paused,
    /// Ended. Final.
    Canceled,
}

/// What a status entitles to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entitlement {
    /// Use everything.
    Entitled,
    /// Keep what there is while the payment is being settled.
    Grace,
    /// Wait: the first payment is under way.
    Pending,
    /// Nothing.
    Blocked,
}

impl Status {
    /// What the status entitles to.
    #[must_use]
    pub const fn entitlement(self) -> Entitlement {
        match self {
            Self::Active | Self::Trialing => Entitlement::Entitled,
            Self::PastDue => Entitlement::Grace,
            Self::Incomplete => Entitlement::Pending,
            Self::IncompleteExpired | Self::Unpaid | Self::Paused | Self::Canceled => {
                Entitlement::Blocked
            }
        }
    }

    fn parse(subscription: &str, status: &RawStatus) -> Result<Self, StripeError> {
        Ok(match status {
            RawStatus::Incomplete => Self::Incomplete,
            RawStatus::IncompleteExpired => Self::IncompleteExpired,
            RawStatus::Trialing => Self::Trialing,
            RawStatus::Active => Self::Active,
            RawStatus::PastDue => Self::PastDue,
            RawStatus::Unpaid => Self::Unpaid,
            RawStatus::Paused => Self::Paused,
            RawStatus::Canceled => Self::Canceled,
            // Guessing would block somebody who paid, or serve somebody who did not.
            unknown @ (RawStatus::Unknown(_) | _) => {
                return Err(StripeError::UnknownStatus {
                    subscription: subscription.to_owned(),
                    status: unknown.as_str().to_owned(),
                });
            }
        })
    }
}

impl Subscription {
    /// What the subscription entitles to.
    #[must_use]
    pub const fn entitlement(&self) -> Entitlement {
        self.status.entitlement()
    }

    pub(super) fn parse(raw: &Raw) -> Result<Self, StripeError> {
        let item = raw.items.data.first();
        Ok(Self {
            id: raw.id.as_str().to_owned(),
            customer: raw.customer.id().as_str().to_owned(),
            status: Status::parse(raw.id.as_str(), &raw.status)?,
            price: item.map(|item| item.price.id.as_str().to_owned()),
            current_period_end: item
                .and_then(|item| DateTime::from_timestamp(item.current_period_end, 0)),
            workspace_id: raw.metadata.get("workspace_id").cloned(),
        })
    }
}
