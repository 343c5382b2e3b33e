//! How an adapter's operations are exercised: each as it should go, and as it should fail.

use std::fmt::Display;

use autopilot_sandbox::{Fault, Provider, Rule, Sandbox};

/// Why an exercise could not even begin.
pub(crate) type Problem = Box<dyn std::error::Error + Send + Sync>;

/// The statuses that every operation is answered with once.
const FAILURES: [u16; 4] = [401, 429, 500, 503];

/// The exercises of one adapter.
#[derive(Debug)]
pub(crate) struct Course<'s> {
    sandbox: &'s Sandbox,
    provider: Provider,
    /// What did not go as it should.
    pub(crate) problems: Vec<String>,
}

impl<'s> Course<'s> {
    pub(crate) const fn new(sandbox: &'s Sandbox, provider: Provider) -> Self {
        Self { sandbox, provider, problems: Vec::new() }
    }

    /// Calls an operation, first with an answer of each failure, then as it should go.
    pub(crate) async fn both<T, E: Display>(
        &mut self,
        what: &str,
        call: impl AsyncFn() -> Result<T, E>,
    ) -> Option<T> {
        for status in FAILURES {
            let fault = Fault::Status { status, retry_after: None, body: None };
            self.sandbox.faults().add(Rule::new(self.provider, fault));
            if call().await.is_ok() {
                self.problems.push(format!("{what}: {status} was taken for a success"));
            }
        }
        self.sandbox.faults().clear();
        match call().await {
            Ok(done) => Some(done),
            Err(error) => {
                self.problems.push(format!("{what}: {error}"));
                None
            }
        }
    }
}
