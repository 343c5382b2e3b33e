//! Who delivers checkouts, and insists.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use autopilot_engine::WorkspaceId;
use autopilot_sandbox::{Checkout, Sandbox};
use tokio::task::JoinSet;

use super::WEBHOOK_SECRET;

/// So many at a time.
const CALLERS: usize = 8;

/// Before a checkout that was not acknowledged is delivered again.
const AGAIN: Duration = Duration::from_millis(100);

/// Delivers every checkout, spread over about `span`, each again and again until it is acknowledged: the same event, as Stripe does.
pub(crate) fn deliver(
    sandbox: &Arc<Sandbox>,
    url: &str,
    studios: &[WorkspaceId],
    acknowledged: &Arc<AtomicUsize>,
    span: Duration,
) -> JoinSet<()> {
    let mut callers = JoinSet::new();
    let pause = span.mul_f64(CALLERS as f64 / studios.len().max(CALLERS) as f64);
    for (caller, before) in (0..CALLERS).zip(0_u32..) {
        let checkouts: Vec<Checkout> = studios
            .iter()
            .skip(caller)
            .step_by(CALLERS)
            .map(|studio| Checkout {
                event_id: Some(format!("evt_{studio}")),
                ..Checkout::new(studio.to_string()).deliver(url, WEBHOOK_SECRET)
            })
            .collect();
        let (sandbox, acknowledged) = (Arc::clone(sandbox), Arc::clone(acknowledged));
        callers.spawn(async move {
            // The callers' own rhythm.
            tokio::time::sleep(pause.mul_f64(f64::from(before) / CALLERS as f64)).await;
            for checkout in checkouts {
                while !is_acknowledged(&sandbox, &checkout).await {
                    tokio::time::sleep(AGAIN).await;
                }
                acknowledged.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(pause).await;
            }
        });
    }
    callers
}

async fn is_acknowledged(sandbox: &Sandbox, checkout: &Checkout) -> bool {
    let outcome = sandbox.checkout(checkout).await;
    outcome.is_ok_and(|outcome| outcome.delivered == Some(200))
}
