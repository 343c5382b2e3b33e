//! What Stripe's events say of money: invoices, what is bought beside them, refunds and disputes.

use autopilot_engine::{Result, WorkspaceId};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use super::stripe_event::text;
use super::stripe_types::About;
use crate::fail::unwritten;
use crate::outbound::{self, EventType};
use crate::state::inbox::Event;
use crate::state::payments::{self, Kind, Payment};
use crate::tenancy::Tenant;

/// What marks a payment as one for something beside the subscription, whose own payments are invoices.
const TOP_UP: (&str, &str) = ("/metadata/purpose", "top_up");

/// Writes down what the event says, unless something later is known.
pub(super) async fn keep(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    about: About,
    event: &Event,
    object: &Value,
) -> Result {
    let said_at = event.occurred_at.unwrap_or(event.received_at);
    let Some(payment) = read(about, &event.event_type, said_at, object) else { return Ok(()) };
    let mut tenant = Tenant::enter(&mut *conn, workspace).await?;
    let is_news = payments::put(&mut tenant, &payment).await?;
    tenant.finish().await?;
    if is_news {
        let data = serde_json::to_value(&payment).unwrap_or_default();
        outbound::tell(conn, workspace, EventType::PaymentChanged, &data)
            .await
            .map_err(unwritten)?;
    }
    Ok(())
}

/// Of what is said of a dispute within one second, what was said last.
fn dispute_rank(event: &str) -> i16 {
    match event {
        "charge.dispute.closed" => 2,
        "charge.dispute.updated" => 1,
        _ => 0,
    }
}

fn read(about: About, event: &str, version: DateTime<Utc>, object: &Value) -> Option<Payment> {
    let number = |path: &str| object.pointer(path).and_then(Value::as_i64).unwrap_or_default();
    let (kind, status, amount, rank) = match about {
        About::Invoice => match event {
            "invoice.paid" => (Kind::Invoice, "paid", number("/amount_paid"), 3),
            "invoice.payment_action_required" => {
                (Kind::Invoice, "action_required", number("/amount_due"), 1)
            }
            "invoice.finalization_failed" => {
                (Kind::Invoice, "not_finalized", number("/amount_due"), 0)
            }
            _ => (Kind::Invoice, "failed", number("/amount_due"), 2),
        },
        About::Payment if text(object, TOP_UP.0) == Some(TOP_UP.1) => {
            (Kind::TopUp, "paid", number("/amount_received"), 0)
        }
        // Of the subscription: its invoice tells, and must not be counted twice.
        About::Payment => return None,
        About::Refund => {
            let whole = object.pointer("/refunded").and_then(Value::as_bool) == Some(true);
            let status = if whole { "refunded" } else { "partially_refunded" };
            (Kind::Refund, status, number("/amount_refunded"), i16::from(whole))
        }
        About::Dispute => {
            let status = text(object, "/status").unwrap_or("unknown");
            (Kind::Dispute, status, number("/amount"), dispute_rank(event))
        }
        About::Checkout | About::Subscription => return None,
    };
    Some(Payment {
        object_id: text(object, "/id")?.to_owned(),
        kind,
        status: status.to_owned(),
        amount,
        currency: text(object, "/currency").unwrap_or_default().to_owned(),
        version,
        rank,
    })
}
