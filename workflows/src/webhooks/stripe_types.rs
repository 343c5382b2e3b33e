//! Which of Stripe's events something is done for, and what each is about.

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// A checkout that ended, or whose money has come.
    Checkout,
    /// A subscription: what it is now is asked of Stripe.
    Subscription,
    /// An invoice of one.
    Invoice,
    /// Something bought beside it.
    Payment,
    /// Money paid back.
    Refund,
    /// Money that a payer wants back.
    Dispute,
}

pub(super) const TRIAL_WILL_END: &str = "customer.subscription.trial_will_end";

/// The types of events that something is done for. Stripe is asked for at most twenty at a time.
pub(super) const TYPES: [(&str, About); 17] = [
    ("checkout.session.completed", About::Checkout),
    ("checkout.session.async_payment_succeeded", About::Checkout),
    ("customer.subscription.created", About::Subscription),
    ("customer.subscription.updated", About::Subscription),
    ("customer.subscription.deleted", About::Subscription),
    ("customer.subscription.paused", About::Subscription),
    ("customer.subscription.resumed", About::Subscription),
    (TRIAL_WILL_END, About::Subscription),
    ("invoice.paid", About::Invoice),
    ("invoice.payment_failed", About::Invoice),
    ("invoice.payment_action_required", About::Invoice),
    ("invoice.finalization_failed", About::Invoice),
    ("payment_intent.succeeded", About::Payment),
    ("charge.refunded", About::Refund),
    ("charge.dispute.created", About::Dispute),
    ("charge.dispute.updated", About::Dispute),
    ("charge.dispute.closed", About::Dispute),
];

impl About {
    /// What events of this type are about, if anything is done for them.
    pub(super) fn of(kind: &str) -> Option<Self> {
        TYPES.iter().find(|(known, _)| *known == kind).map(|(_, about)| *about)
    }
}

/// Whether anything is done for events of this type.
pub(super) fn acts_on(kind: &str) -> bool {
    About::of(kind).is_some()
}

#[cfg(test)]
mod tests {
    use super::TYPES;

    #[test]
    fn the_settings_name_every_type_that_stripe_is_to_send() {
        let settings = include_str!("../../../worker.toml").replace("\n# ", " ");
        for (kind, _) in TYPES {
            let named = [",", "."].iter().any(|end| settings.contains(&format!(" {kind}{end}")));
            assert!(named, "worker.toml does not name {kind}");
        }
        assert!(TYPES.len() <= 20, "Stripe's list of events is asked for twenty types at most");
    }
}
