//! The checkout session: Stripe's widest object.

use chrono::Utc;
use serde_json::{Value, json};

use super::objects::with_nulls;

/// What differs between one completed session and the next.
pub(super) struct Completed<'a> {
    pub(super) id: &'a str,
    pub(super) customer: &'a str,
    pub(super) subscription: &'a str,
    pub(super) workspace: &'a str,
    pub(super) email: &'a str,
    pub(super) payment_status: &'a str,
}

/// A completed session of mode `subscription`.
pub(super) fn completed(session: &Completed<'_>) -> Value {
    let now = Utc::now().timestamp();
    with_nulls(
        &[
            "adaptive_pricing",
            "after_expiration",
            "allow_promotion_codes",
            "allowed_payment_method_types",
            "billing_address_collection",
            "client_secret",
            "collected_information",
            "consent",
            "consent_collection",
            "currency_conversion",
            "customer_account",
            "customer_creation",
            "customer_email",
            "discounts",
            "integration_identifier",
            "invoice",
            "invoice_creation",
            "locale",
            "managed_payments",
            "origin_context",
            "payment_intent",
            "payment_link",
            "payment_method_configuration_details",
            "permissions",
            "recovered_from",
            "saved_payment_method_options",
            "setup_intent",
            "shipping_address_collection",
            "shipping_cost",
            "submit_type",
            "url",
            "wallet_options",
        ],
        json!({
            "id": session.id, "object": "checkout.session", "amount_subtotal": 9900,
            "amount_total": 9900, "cancel_url": "https://example.com/cancel",
            "automatic_tax": {"enabled": false, "liability": null, "provider": null, "status": null},
            "client_reference_id": session.workspace, "created": now, "currency": "eur",
            "custom_fields": [],
            "custom_text": with_nulls(
                &["after_submit", "shipping_address", "submit", "terms_of_service_acceptance"],
                json!({}),
            ),
            "customer": session.customer, "customer_details": details(session.email),
            "expires_at": now + 86_400, "livemode": false,
            "metadata": {"workspace_id": session.workspace}, "mode": "subscription",
            "payment_method_collection": "always", "payment_method_options": {},
            "payment_method_types": ["card"], "payment_status": session.payment_status,
            "phone_number_collection": {"enabled": false}, "shipping_options": [],
            "status": "complete", "subscription": session.subscription,
            "success_url": "https://example.com/success",
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            "ui_mode": "hosted_page",
        }),
    )
}

fn details(email: &str) -> Value {
    let address =
        with_nulls(&["city", "line1", "line2", "postal_code", "state"], json!({"country": "DE"}));
    with_nulls(
        &["business_name", "individual_name", "name", "phone"],
        json!({"address": address, "email": email, "tax_exempt": "none", "tax_ids": []}),
    )
}
