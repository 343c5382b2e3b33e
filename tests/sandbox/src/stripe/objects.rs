//! Stripe's objects, with every member that the API description requires.

use chrono::{DateTime, Months, Utc};
use serde_json::{Map, Value, json};

/// The API version that the typed client pins.
pub(crate) const API_VERSION: &str = "2026-09-30.endive";

const CURRENCY: &str = "eur";
const MONTHLY_CENTS: i64 = 9900;
const PRICE: &str = "price_sandbox_monthly";
const PRODUCT: &str = "prod_sandbox";

/// An object whose members are null unless given: most of Stripe's required members are.
pub(super) fn with_nulls(nulls: &[&str], given: Value) -> Value {
    let mut members: Map<String, Value> =
        nulls.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    if let Value::Object(given) = given {
        members.extend(given);
    }
    Value::Object(members)
}

pub(super) fn balance() -> Value {
    let money =
        json!([{"amount": 125_000, "currency": CURRENCY, "source_types": {"card": 125_000}}]);
    json!({"object": "balance", "livemode": false, "available": money, "pending": money})
}

pub(super) fn customer(
    id: &str,
    email: Option<&str>,
    name: Option<&str>,
    metadata: &Value,
) -> Value {
    let settings = with_nulls(
        &["custom_fields", "default_payment_method", "footer", "rendering_options"],
        json!({}),
    );
    with_nulls(
        &[
            "address",
            "default_source",
            "description",
            "discount",
            "phone",
            "shipping",
            "test_clock",
        ],
        json!({
            "id": id, "object": "customer", "balance": 0, "created": Utc::now().timestamp(),
            "currency": CURRENCY, "delinquent": false, "email": email, "name": name,
            "invoice_prefix": "SANDBOX", "invoice_settings": settings, "livemode": false,
            "metadata": metadata, "next_invoice_sequence": 1, "preferred_locales": [],
            "tax_exempt": "none",
        }),
    )
}

/// A month's money, paid and not given back.
pub(super) fn charge(id: &str, customer: &str) -> Value {
    let billing = with_nulls(&["address", "email", "name", "phone", "tax_id"], json!({}));
    with_nulls(
        &[
            "application",
            "application_fee",
            "application_fee_amount",
            "balance_transaction",
            "calculated_statement_descriptor",
            "description",
            "failure_balance_transaction",
            "failure_code",
            "failure_message",
            "fraud_details",
            "on_behalf_of",
            "outcome",
            "payment_intent",
            "payment_method",
            "payment_method_details",
            "receipt_email",
            "receipt_number",
            "receipt_url",
            "review",
            "shipping",
            "source",
            "source_transfer",
            "statement_descriptor",
            "statement_descriptor_suffix",
            "transfer_data",
            "transfer_group",
        ],
        json!({
            "id": id, "object": "charge", "customer": customer, "amount": MONTHLY_CENTS,
            "amount_captured": MONTHLY_CENTS, "amount_refunded": 0, "billing_details": billing,
            "captured": true, "created": Utc::now().timestamp(), "currency": CURRENCY,
            "disputed": false, "livemode": false, "metadata": {}, "paid": true, "refunded": false,
            "status": "succeeded",
        }),
    )
}

/// A monthly subscription whose period began now.
pub(super) fn subscription(id: &str, customer: &str, status: &str, metadata: &Value) -> Value {
    let now = Utc::now();
    let over = matches!(status, "canceled" | "incomplete_expired").then(|| now.timestamp());
    let trial_start = (status == "trialing").then(|| now.timestamp());
    let trial_end = (status == "trialing").then(|| period_end(now));
    with_nulls(
        &[
            "application",
            "application_fee_percent",
            "billing_cycle_anchor_config",
            "billing_thresholds",
            "cancel_at",
            "cancellation_details",
            "customer_account",
            "days_until_due",
            "default_payment_method",
            "default_source",
            "description",
            "latest_invoice",
            "managed_payments",
            "next_pending_invoice_item_invoice",
            "on_behalf_of",
            "pause_collection",
            "payment_settings",
            "pending_invoice_item_interval",
            "pending_setup_intent",
            "pending_update",
            "schedule",
            "test_clock",
            "transfer_data",
            "trial_settings",
        ],
        json!({
            "id": id, "object": "subscription", "customer": customer, "status": status,
            "automatic_tax": {"enabled": false, "liability": null, "disabled_reason": null},
            "billing_cycle_anchor": now.timestamp(),
            "billing_mode": {"type": "flexible", "flexible": {"proration_discounts": "included"}},
            "billing_schedules": [], "cancel_at_period_end": false, "canceled_at": over,
            "collection_method": "charge_automatically", "created": now.timestamp(),
            "currency": CURRENCY, "default_tax_rates": [], "discounts": [], "ended_at": over,
            "invoice_settings": with_nulls(
                &["account_tax_ids", "custom_fields", "description", "footer"],
                json!({"issuer": {"type": "self"}}),
            ),
            "items": {
                "object": "list", "has_more": false, "total_count": 1,
                "url": format!("/v1/subscription_items?subscription={id}"),
                "data": [item(id, now)],
            },
            "livemode": false, "metadata": metadata, "start_date": now.timestamp(),
            "trial_start": trial_start, "trial_end": trial_end,
        }),
    )
}

/// The period lies on the item; since 2025 the subscription itself has none.
fn item(subscription: &str, now: DateTime<Utc>) -> Value {
    json!({
        "id": subscription.replacen("sub_", "si_", 1), "object": "subscription_item",
        "billing_thresholds": null, "created": now.timestamp(),
        "current_period_start": now.timestamp(), "current_period_end": period_end(now),
        "current_trial": null, "discounts": [], "metadata": {}, "plan": plan(now),
        "price": price(now), "quantity": 1, "subscription": subscription, "tax_rates": [],
    })
}

fn plan(now: DateTime<Utc>) -> Value {
    with_nulls(
        &["meter", "nickname", "tiers_mode", "transform_usage", "trial_period_days"],
        json!({
            "id": PRICE, "object": "plan", "active": true, "amount": MONTHLY_CENTS,
            "amount_decimal": MONTHLY_CENTS.to_string(), "billing_scheme": "per_unit",
            "created": now.timestamp(), "currency": CURRENCY, "interval": "month",
            "interval_count": 1, "livemode": false, "metadata": {}, "product": PRODUCT,
            "usage_type": "licensed",
        }),
    )
}

fn price(now: DateTime<Utc>) -> Value {
    with_nulls(
        &["custom_unit_amount", "lookup_key", "nickname", "tiers_mode", "transform_quantity"],
        json!({
            "id": PRICE, "object": "price", "active": true, "billing_scheme": "per_unit",
            "created": now.timestamp(), "currency": CURRENCY, "livemode": false, "metadata": {},
            "product": PRODUCT, "tax_behavior": "inclusive", "type": "recurring",
            "recurring": {
                "interval": "month", "interval_count": 1, "meter": null,
                "trial_period_days": null, "usage_type": "licensed",
            },
            "unit_amount": MONTHLY_CENTS, "unit_amount_decimal": MONTHLY_CENTS.to_string(),
        }),
    )
}

pub(super) fn event(id: &str, kind: &str, object: &Value) -> Value {
    json!({
        "id": id, "object": "event", "api_version": API_VERSION,
        "created": Utc::now().timestamp(), "data": {"object": object}, "livemode": false,
        "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null}, "type": kind,
    })
}

fn period_end(now: DateTime<Utc>) -> i64 {
    // Only the year 262142 has no next month.
    now.checked_add_months(Months::new(1)).unwrap_or(now).timestamp()
}
