//! OpenAI's operations.

use autopilot_sandbox::{Credentials, Provider, Sandbox};
use autopilot_workflows::integrations::openai::{Config, OpenAi, Prompt};

use crate::course::{Course, Problem};
use crate::rig::Rig;

/// Exercises every operation of the adapter; what did not go as it should.
pub(crate) async fn exercise(sandbox: &Sandbox, rig: &Rig) -> Result<Vec<String>, Problem> {
    let mut course = Course::new(sandbox, Provider::Openai);
    let key = Credentials::default().openai_key.into();
    let config = Config { base_url: rig.url.clone(), ..Config::new(key, "gpt-4o-mini") };
    let openai = OpenAi::new(config)?;
    let prompt = Prompt {
        system: "You are a coach.".to_owned(),
        user: "Greet Anna.".to_owned(),
        max_tokens: 60,
    };
    course.both("ping", async || openai.ping().await).await;
    course.both("write", async || openai.write(&prompt, "contact-1").await).await;
    Ok(course.problems)
}
