//! A job that asks the model for a text, as a coach's follow-up does.

use std::time::Duration;

use autopilot_engine::{Job, Result, Run, Step, WorkspaceId};
use autopilot_sandbox::{Credentials, Options};
use autopilot_workflows::app::App;
use autopilot_workflows::integrations::http::Timeouts;
use autopilot_workflows::integrations::openai::{Config, OpenAi, Prompt};
use autopilot_workflows::integrations::service;
use serde::{Deserialize, Serialize};

/// Has a text written for a member of a studio.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Reply {
    pub(super) workspace: WorkspaceId,
    /// Where the model is.
    pub(super) base_url: String,
    /// The most that one call takes, in milliseconds.
    pub(super) patience: u64,
}

impl Job for Reply {
    type App = App;
    const KIND: &'static str = "test.reply";

    fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        let written = run
            .step(Step::named("write").calls(service::OPENAI), async |_| {
                let call = Duration::from_millis(self.patience);
                let model = OpenAi::new(Config {
                    base_url: self.base_url.clone(),
                    timeouts: Timeouts { connect: call, call },
                    ..Config::new(Credentials::default().openai_key.into(), "gpt-test")
                })?;
                let prompt = Prompt {
                    system: "You write one friendly sentence.".to_owned(),
                    user: "Ada has not trained for a week.".to_owned(),
                    max_tokens: 100,
                };
                Ok(model.write(&prompt, &self.workspace.to_string()).await?.text)
            })
            .await?;
        assert_eq!(written, Options::new("").completion, "what the model writes");
        Ok(())
    }
}
