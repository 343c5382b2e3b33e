//! OpenAI, or any server of the same protocol: a short text for a member.
//!
//! It has no idempotency keys: a text that is generated twice costs twice and does no other harm, so it is generated in a step of its
//! own and kept. Our own requests over our own transport: the usual client retries by itself, sleeping on `Retry-After` while our lease
//! runs, and tells no headers of an error.

mod error;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::integrations::http::{Pace, Timeouts, Transport};

pub use error::{OpenAiError, Unusable};

/// Where OpenAI lives.
pub const BASE_URL: &str = "https://api.openai.com/v1";

/// Whose account, which model, and where.
#[derive(Debug, Clone)]
pub struct Config {
    /// Default [`BASE_URL`].
    pub base_url: String,
    /// The key (`sk-…`).
    pub api_key: SecretString,
    /// The model's name.
    pub model: String,
    /// How long to wait. Defaults: 5 s to connect, 20 s for a call.
    pub timeouts: Timeouts,
}

impl Config {
    /// The real OpenAI, with this key and model.
    #[must_use]
    pub fn new(api_key: SecretString, model: impl Into<String>) -> Self {
        let base_url = BASE_URL.to_owned();
        Self { base_url, api_key, model: model.into(), timeouts: Timeouts::default() }
    }
}

/// A client of one account and model. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OpenAi {
    transport: Transport,
    key: Arc<SecretString>,
    model: Arc<str>,
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What the model is, and what it must not do.
    pub system: String,
    /// What this text is to be about.
    pub user: String,
    /// Tokens of the answer, at most: what is longer is cut off, and is an error here.
    pub max_tokens: u32,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The text, without blanks around it.
    pub text: String,
    /// The model that wrote it, as it names itself.
    pub model: String,
    /// Tokens that were read.
    pub prompt_tokens: u32,
    /// Tokens that were written.
    pub completion_tokens: u32,
}

#[derive(Deserialize)]
struct Completion {
    model: String,
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Usage,
}

#[derive(Deserialize)]
struct Choice {
    finish_reason: String,
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

#[derive(Default, Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: u32,
    #[serde(default)]
    completion_tokens: u32,
}

#[derive(Deserialize)]
struct AnyModel {
    #[serde(rename = "id")]
    _id: String,
}

impl OpenAi {
    /// A client for the account of `config`. Calls nobody.
    ///
    /// # Errors
    ///
    /// A transport error if the base URL or the TLS set-up cannot be used.
    pub fn new(config: Config) -> Result<Self, OpenAiError> {
        Ok(Self {
            transport: Transport::new(&config.base_url, config.timeouts)?,
            key: Arc::new(config.api_key),
            model: config.model.into(),
        })
    }

    /// The same client, whose calls and whose clones' calls take turns at this pace. Limits are those of the account: all studios
    /// share them.
    #[must_use]
    pub fn paced(self, pace: Pace) -> Self {
        Self { transport: self.transport.paced(pace), ..self }
    }

    /// Writes a text. `user` names whom it is for to OpenAI, which looks for abuse by it: no name, no number.
    ///
    /// # Errors
    ///
    /// See [`OpenAiError`]; among them a text that must not be sent. Safe to repeat, at the price of another text.
    pub async fn write(&self, prompt: &Prompt, user: &str) -> Result<Written, OpenAiError> {
        let request = self.request(Method::POST, "/chat/completions").json(&json!({
            "model": self.model.as_ref(),
            "messages": [
                { "role": "system", "content": prompt.system },
                { "role": "user", "content": prompt.user },
            ],
            "max_completion_tokens": prompt.max_tokens,
            "safety_identifier": user,
            "store": false,
        }));
        let Completion { model, choices, usage } = self.call("write a text", request).await?;
        let choice = choices.into_iter().next().ok_or(OpenAiError::Unusable(Unusable::Empty))?;
        let text = usable(choice)?;
        let Usage { prompt_tokens, completion_tokens } = usage;
        Ok(Written { text, model, prompt_tokens, completion_tokens })
    }

    /// Whether the server answers, accepts our key, and has our model.
    ///
    /// # Errors
    ///
    /// See [`OpenAiError`]. Safe to repeat.
    pub async fn ping(&self) -> Result<(), OpenAiError> {
        let request = self.request(Method::GET, &format!("/models/{}", self.model));
        self.call("read the model", request).await.map(|_model: AnyModel| ())
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.transport.request(method, path).bearer_auth(self.key.expose_secret())
    }

    async fn call<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<T, OpenAiError> {
        let answer = self.transport.send(request).await?;
        if !answer.status.is_success() {
            return Err(OpenAiError::of_answer(operation, &answer));
        }
        answer.json().map_err(|source| OpenAiError::Unreadable { operation, source })
    }
}

/// The text, if it may be sent as it is.
fn usable(choice: Choice) -> Result<String, OpenAiError> {
    let Choice { finish_reason, message } = choice;
    let unusable = match (finish_reason.as_str(), message.refusal) {
        (_, Some(refusal)) if !refusal.is_empty() => Some(Unusable::Refused),
        ("stop", _) => None,
        ("length", _) => Some(Unusable::CutOff),
        ("content_filter", _) => Some(Unusable::Filtered),
        (_, _) => Some(Unusable::Unfinished),
    };
    if let Some(unusable) = unusable {
        return Err(OpenAiError::Unusable(unusable));
    }
    let text = message.content.unwrap_or_default().trim().to_owned();
    if text.is_empty() { Err(OpenAiError::Unusable(Unusable::Empty)) } else { Ok(text) }
}
