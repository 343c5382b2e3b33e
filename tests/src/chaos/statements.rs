//! T24: some of the mutants of the queue's statements, others with every seed.

use std::pin::Pin;

use serde_json::json;

use super::{Order, Outcome};
use crate::mutants::Survey;

type Running = Pin<Box<dyn Future<Output = Outcome>>>;

/// What the lease rules rest on, and the tests of those rules and of what else these statements do.
const STATEMENTS: &str = "claim.sql fence.sql finish.sql rescue.sql";
const TESTS: &str = "::l0 pauses:: lanes::";

pub(super) fn broken(order: Order) -> Running {
    let most = order.many(3, 1);
    Box::pin(survey(order, most, TESTS))
}

/// The same, and no test says anything of it.
pub(super) fn nobody_asked(order: Order) -> Running {
    Box::pin(survey(order, 1, "there_is_no_such_test"))
}

async fn survey(order: Order, most: usize, tests: &str) -> Outcome {
    let Some(e2e) = &order.e2e else {
        return Outcome::not_run("the compiled tests were not named: --e2e");
    };
    let survey =
        Survey { e2e, folder: &order.folder, only: STATEMENTS, most, seed: order.seed, tests };
    let tell = |line: &str| order.history.note("mutant", json!({ "is": line }));
    let mut outcome = Outcome::default();
    match survey.run(tell).await {
        Ok(found) => {
            outcome.faults.push(("statements broken", found.tried));
            outcome.acknowledged = (found.caught + found.known) as u64;
            outcome.notes.push(format!("{} caught, of {} mutants in all", found.caught, found.all));
            // A mutant that survives is a test that is missing, and no promise that is broken.
            outcome.hold(found.caught > 0, || "no test saw anything".to_owned());
            let survived = found.survived.iter().map(|name| format!("survived: {name}"));
            outcome.notes.extend(survived);
        }
        Err(why) => outcome.violations.push(why),
    }
    outcome
}
