//! One description and everything around it: front, Prism, back.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Client;
use serde_json::Value;

use crate::description::{Description, DescriptionError};
use crate::journal::{Journal, Sent};
use crate::mistakes::mistakes;
use crate::prism::{Prism, PrismError, objection};
use crate::relay::{Answer, Back, Front, forward, lie, serve_back, serve_front};

/// Why a description is not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RigError {
    /// It cannot be read.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// Prism does not run it.
    #[error(transparent)]
    Prism(#[from] PrismError),
    /// A relay cannot listen.
    #[error("cannot listen on the loopback: {0}")]
    Listen(#[from] io::Error),
}

/// A description that is between an adapter and the sandbox.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) name: &'static str,
    /// Where the adapter is pointed to.
    pub(crate) url: String,
    front: Arc<Front>,
    /// What the back answers in place of the sandbox the next time.
    instead: Arc<Mutex<Option<Answer>>>,
    _prism: Prism,
}

/// What came of a description.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) name: &'static str,
    pub(crate) operations: usize,
    pub(crate) failed: usize,
    pub(crate) exchanges: usize,
    pub(crate) mistakes: usize,
    pub(crate) lies: usize,
    pub(crate) problems: Vec<String>,
}

impl Rig {
    pub(crate) async fn start(
        name: &'static str,
        spec: &Path,
        sandbox: String,
        node: &Path,
    ) -> Result<Self, RigError> {
        let description = Description::read(spec, node)?;
        let client = Client::new();
        let instead = Arc::default();
        let back = Back { sandbox, client: client.clone(), instead: Arc::clone(&instead) };
        let back = serve_back(back).await?;
        let prism = Prism::start(spec, &back, node).await?;
        let front = Arc::new(Front {
            description,
            prism: prism.address.clone(),
            client,
            journal: Mutex::new(Journal::default()),
        });
        let url = serve_front(Arc::clone(&front)).await?;
        Ok(Self { name, url, front, instead, _prism: prism })
    }

    /// Whether all that was exercised was right, and whether Prism would have noticed if not.
    pub(crate) async fn verdict(&self) -> Verdict {
        let mut journal = std::mem::take(&mut *self.front.journal());
        let mut verdict = Verdict {
            name: self.name,
            operations: journal.accepted.len(),
            failed: journal.failed.len(),
            exchanges: journal.exchanges,
            mistakes: 0,
            lies: 0,
            problems: std::mem::take(&mut journal.problems),
        };
        for (operation, (right, truth)) in &journal.accepted {
            if !journal.failed.contains(operation) {
                verdict.problems.push(format!("{operation}: no error was exercised"));
            }
            self.try_mistakes(operation, right, &mut verdict).await;
            self.try_lie(operation, right, truth, &mut verdict).await;
        }
        for operation in &journal.failed {
            if !journal.accepted.contains_key(operation) {
                verdict.problems.push(format!("{operation}: no success was exercised"));
            }
        }
        verdict
    }

    async fn try_mistakes(&self, name: &str, right: &Sent, verdict: &mut Verdict) {
        let (path, _) = right.path_and_query();
        let Some(operation) = self.front.description.operation(&right.method, path) else { return };
        for mistake in mistakes(&self.front.description, operation, right) {
            let answer = forward(&self.front.client, &self.front.prism, &mistake.sent).await;
            verdict.mistakes += 1;
            if objection(&answer.body).is_none() {
                verdict.problems.push(format!("{name}: {} was not refused", mistake.what));
            }
        }
    }

    /// An answer of other types must be refused. What has no body cannot lie.
    async fn try_lie(&self, name: &str, right: &Sent, truth: &Answer, verdict: &mut Verdict) {
        let Ok(body) = serde_json::from_slice::<Value>(&truth.body) else { return };
        let false_answer = Answer { body: lie(body).to_string().into(), ..truth.clone() };
        *self.instead.lock().unwrap_or_else(PoisonError::into_inner) = Some(false_answer);
        let answer = forward(&self.front.client, &self.front.prism, right).await;
        verdict.lies += 1;
        if objection(&answer.body).is_none() {
            verdict.problems.push(format!("{name}: a lie for an answer was not refused"));
        }
    }
}
