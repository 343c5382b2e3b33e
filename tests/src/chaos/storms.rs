//! T1, T2 and T7: the storm, with the fence and without, with providers that know keys and such as do not.

use std::pin::Pin;

use serde_json::json;

use super::outcome::RECOVERY;
use super::{Order, Outcome};
use crate::storm::{self, Pace, Plan};

type Running = Pin<Box<dyn Future<Output = Outcome>>>;

/// Kills and pauses.
pub(super) fn storm(order: Order) -> Running {
    let workflows = order.many(280, 20);
    Box::pin(blow(order, workflows, |_| ()))
}

/// The same without the fence.
pub(super) fn no_fence(order: Order) -> Running {
    let workflows = order.many(80, 80);
    Box::pin(blow(order, workflows, |plan| plan.fence = false))
}

/// The same at providers that take no repeated call for known: of each twentieth purchase the answer is lost.
pub(super) fn no_keys(order: Order) -> Running {
    let workflows = order.many(40, 20);
    Box::pin(blow(order, workflows, |plan| plan.keys = false))
}

/// Kills alone, with the lease and the heartbeat that are the defaults: what P5 promises.
pub(super) fn production(order: Order) -> Running {
    let workflows = order.many(360, 20);
    Box::pin(blow(order, workflows, |plan| plan.pace = Pace::Production))
}

async fn blow(order: Order, workflows: usize, change: impl FnOnce(&mut Plan)) -> Outcome {
    let mut plan = Plan {
        workflows,
        workers: 4,
        fence: true,
        keys: true,
        pace: Pace::Short,
        seed: order.seed,
        program: order.program.clone(),
        folder: order.folder.clone(),
    };
    change(&mut plan);
    let report = storm::run(plan).await;
    order.history.note("storm", json!({ "report": format!("{report:?}") }));
    let mut outcome = Outcome {
        faults: vec![("kills", report.kills), ("pauses", report.pauses)],
        stuck: report.stuck as u64,
        ..Outcome::default()
    };
    outcome.judge(&report.verdict);
    outcome.hold(report.stuck == 0, || {
        format!("runs stuck: {}: {}", report.stuck, report.left.join("; "))
    });
    // A storm of a short pace recovers sooner: its leases are shorter.
    outcome.recovered(report.recovered, RECOVERY);
    outcome.notes.push(format!("late writes refused {}", report.refused));
    outcome.notes.push(format!("put back by an operator {}", report.put_back));
    outcome
        .notes
        .push(format!("settled {:.1} s after the last strike", report.settled.as_secs_f64()));
    outcome
}
