//! The sections of `worker.toml` that name the providers. What each knob means, its unit and its default stand
//! there and only there. An integration that is not configured is no error: its steps are skipped.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};

use super::base_url::BaseUrl;
use super::{secret, units};

/// `[stripe]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stripe {
    #[serde(with = "secret")]
    pub(crate) secret_key: Option<SecretString>,
    #[serde(with = "secret::list")]
    pub(crate) webhook_secrets: Vec<SecretString>,
    pub(crate) base_url: BaseUrl,
    #[serde(with = "units::duration")]
    pub(crate) connect_timeout: Duration,
    #[serde(with = "units::duration")]
    pub(crate) timeout: Duration,
    pub(crate) calls_per_second: NonZeroU32,
}

/// `[twilio]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Twilio {
    #[serde(deserialize_with = "filled")]
    pub(crate) account_sid: Option<String>,
    #[serde(with = "secret")]
    pub(crate) auth_token: Option<SecretString>,
    pub(crate) voice_answer: String,
    pub(crate) base_url: BaseUrl,
    #[serde(with = "units::duration")]
    pub(crate) connect_timeout: Duration,
    #[serde(with = "units::duration")]
    pub(crate) timeout: Duration,
    pub(crate) calls_per_second: NonZeroU32,
}

/// `[whatsapp]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhatsApp {
    #[serde(with = "secret")]
    pub(crate) api_token: Option<SecretString>,
    #[serde(deserialize_with = "filled")]
    pub(crate) phone_number_id: Option<String>,
    #[serde(deserialize_with = "filled")]
    pub(crate) business_account_id: Option<String>,
    #[serde(with = "secret")]
    pub(crate) verify_token: Option<SecretString>,
    #[serde(with = "secret")]
    pub(crate) app_secret: Option<SecretString>,
    pub(crate) base_url: BaseUrl,
    #[serde(with = "units::duration")]
    pub(crate) connect_timeout: Duration,
    #[serde(with = "units::duration")]
    pub(crate) timeout: Duration,
    pub(crate) calls_per_second: NonZeroU32,
}

/// `[openai]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenAi {
    #[serde(with = "secret")]
    pub(crate) api_key: Option<SecretString>,
    pub(crate) base_url: BaseUrl,
    #[serde(with = "units::duration")]
    pub(crate) connect_timeout: Duration,
    #[serde(with = "units::duration")]
    pub(crate) timeout: Duration,
}

/// `[smtp]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Smtp {
    #[serde(deserialize_with = "filled")]
    pub(crate) host: Option<String>,
    pub(crate) port: NonZeroU16,
    #[serde(deserialize_with = "filled")]
    pub(crate) user: Option<String>,
    #[serde(with = "secret")]
    pub(crate) password: Option<SecretString>,
    pub(crate) tls: SmtpTls,
    #[serde(with = "units::duration")]
    pub(crate) timeout: Duration,
}

/// How the conversation with the mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SmtpTls {
    /// STARTTLS, required: without it nothing is sent.
    Starttls,
    /// TLS from the first byte, usually on port 465.
    Implicit,
    /// Plain text.
    None,
}

/// A text, where an empty one means "not set".
fn filled<'de, D: Deserializer<'de>>(source: D) -> Result<Option<String>, D::Error> {
    String::deserialize(source).map(|text| (!text.is_empty()).then_some(text))
}
