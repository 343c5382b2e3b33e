//! T10: each provider out of order for ten minutes of the database's clock, while studios need it.

use std::pin::Pin;

use autopilot_sandbox::{Fault, Provider};
use serde_json::json;

use super::{Order, Outcome};
use crate::outage::{self, DONE_WITHIN, OUTAGES, Plan};

type Running = Pin<Box<dyn Future<Output = Outcome>>>;

/// Each of them.
pub(super) fn outages(order: Order) -> Running {
    let studios = order.many(300, 12);
    Box::pin(each(order, OUTAGES.to_vec(), studios, true))
}

/// One of them, without breakers.
pub(super) fn no_breakers(order: Order) -> Running {
    let studios = order.many(100, 12);
    let down = Fault::Status { status: 503, retry_after: None, body: None };
    Box::pin(each(order, vec![(Provider::Openai, down)], studios, false))
}

async fn each(
    order: Order,
    outages: Vec<(Provider, Fault)>,
    studios: usize,
    breakers: bool,
) -> Outcome {
    let mut outcome = Outcome { faults: vec![("outages", outages.len())], ..Outcome::default() };
    let mut recovery = Vec::new();
    for (provider, fault) in outages {
        let folder = order.folder.join(provider.to_string());
        let program = order.program.clone();
        let plan = Plan { provider, fault, studios, processes: 3, breakers, program, folder };
        let report = outage::run(plan).await;
        order.history.note("outage", json!({ "report": format!("{report:?}") }));
        outcome.acknowledged += studios as u64;
        outcome.doubled += report.doubled as u64;
        outcome.lost += studios.saturating_sub(report.done) as u64;
        recovery.push(report.recovery.as_secs_f64() * 1000.0);
        outcome.notes.push(format!(
            "{provider}: {} calls while it was away, {} probes in a minute at most, {} attempts spent, all done after {:.0} s",
            report.calls,
            report.probes_a_minute,
            report.spent,
            report.recovery.as_secs_f64()
        ));
        let told = report.violations().into_iter().map(|what| format!("{provider}: {what}"));
        outcome.violations.extend(told);
    }
    outcome.recovered(recovery, DONE_WITHIN.as_secs_f64() * 1000.0);
    outcome
}
