//! A completed checkout: what a studio's payment leaves behind at Stripe.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::session::{Completed, completed};
use super::{StripeState, find, objects};
use crate::Provider;
use crate::exchange::Route;
use crate::ledger::{Entry, Kind};
use crate::state::fresh_id;

/// Whether the session was paid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// The money is there.
    #[default]
    Paid,
    /// The money is on its way, as with a bank debit.
    Unpaid,
    /// Nothing was due, as in a trial.
    NoPaymentRequired,
}

impl PaymentStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Unpaid => "unpaid",
            Self::NoPaymentRequired => "no_payment_required",
        }
    }
}

/// The state of the subscription that the checkout made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// Paid for.
    #[default]
    Active,
    /// In its trial.
    Trialing,
    /// The first payment is open.
    Incomplete,
    /// The first payment never came.
    IncompleteExpired,
    /// A later payment failed.
    PastDue,
    /// A later payment failed for good.
    Unpaid,
    /// A trial ended without a payment method.
    Paused,
    /// Over.
    Canceled,
}

impl SubscriptionStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Trialing => "trialing",
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Canceled => "canceled",
        }
    }
}

/// A checkout to complete.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkout {
    /// Becomes `client_reference_id` and `metadata.workspace_id`.
    pub workspace_id: String,
    /// The customer to bill. Default: a new one; an unknown id is created.
    #[serde(default)]
    pub customer: Option<String>,
    /// The event's id. Default: a new one. An id that exists already changes nothing and gives
    /// the same event again, as Stripe's repeated deliveries do.
    #[serde(default)]
    pub event_id: Option<String>,
    /// Default `paid`.
    #[serde(default)]
    pub payment_status: PaymentStatus,
    /// Default `active`.
    #[serde(default)]
    pub subscription_status: SubscriptionStatus,
    /// An `http://` address to which the event is posted. Needs `secret`.
    #[serde(default)]
    pub deliver_to: Option<String>,
    /// The endpoint's signing secret, `whsec_…`. Needs `deliver_to`.
    #[serde(default)]
    pub secret: Option<String>,
}

impl Checkout {
    /// A paid checkout of a new customer, delivered nowhere.
    pub fn new(workspace_id: impl Into<String>) -> Self {
        Self {
            workspace_id: workspace_id.into(),
            customer: None,
            event_id: None,
            payment_status: PaymentStatus::default(),
            subscription_status: SubscriptionStatus::default(),
            deliver_to: None,
            secret: None,
        }
    }

    /// Posts the event to this address, signed with this secret.
    #[must_use]
    pub fn deliver(mut self, url: impl Into<String>, secret: impl Into<String>) -> Self {
        self.deliver_to = Some(url.into());
        self.secret = Some(secret.into());
        self
    }
}

/// Creates customer, subscription, session and event; gives the event and the ledger's entries.
pub(crate) fn complete(stripe: &mut StripeState, checkout: &Checkout) -> (Value, Vec<Entry>) {
    let event_id = checkout.event_id.clone().unwrap_or_else(|| fresh_id("evt_"));
    if let Some(event) = find(&stripe.events, &event_id) {
        return (event.clone(), Vec::new());
    }
    let workspace = checkout.workspace_id.as_str();
    let metadata = json!({"workspace_id": workspace});
    let email = format!("{workspace}@studio.test");
    let customer = checkout.customer.clone().unwrap_or_else(|| fresh_id("cus_"));
    if find(&stripe.customers, &customer).is_none() {
        let object = objects::customer(&customer, Some(&email), None, &metadata);
        stripe.customers.push(object);
    }
    let subscription = fresh_id("sub_");
    let status = checkout.subscription_status.as_str();
    stripe.subscriptions.push(objects::subscription(&subscription, &customer, status, &metadata));
    let session_id = fresh_id("cs_test_");
    let session = completed(&Completed {
        id: &session_id,
        customer: &customer,
        subscription: &subscription,
        workspace,
        email: &email,
        payment_status: checkout.payment_status.as_str(),
    });
    let event = objects::event(&event_id, "checkout.session.completed", &session);
    let detail = json!({"customer": customer, "subscription": subscription, "session": session_id});
    stripe.sessions.push(session);
    stripe.events.push(event.clone());
    let entry = Route::new("stripe.complete_checkout")
        .subject(Some(workspace))
        .key(Some(event_id))
        .entry(Provider::Stripe, Kind::Effect, detail);
    (event, vec![entry])
}
