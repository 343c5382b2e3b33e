//! What every handler may use.

use std::ops::Deref;
use std::sync::Arc;

use autopilot_engine::secrets::Vault;
use autopilot_engine::{Strains, Waker};
use autopilot_workflows::integrations::phone::Country;
use axum::extract::FromRef;
use axum::http::StatusCode;
use secrecy::SecretString;
use sqlx::PgPool;

use super::auth::ApiToken;
use super::intake::Intake;
use super::limits::{BodyLimit, RETRY_AFTER};
use super::problem::Problem;
use super::twilio_tokens::TwilioTokens;
use crate::app;
use crate::config::Config;
use crate::fail::Fail;

/// What every handler may use; cheap to clone, as every request does.
#[derive(Debug, Clone)]
pub(crate) struct Http(Arc<Parts>);

/// What stands in [`Http`].
#[derive(Debug)]
pub(crate) struct Parts {
    pub(super) pool: PgPool,
    pub(super) waker: Waker,
    pub(super) intake: Intake,
    pub(super) token: ApiToken,
    pub(super) stripe_secrets: Vec<SecretString>,
    pub(super) twilio_tokens: TwilioTokens,
    /// What a caller hears, in Twilio's markup.
    pub(super) voice_answer: String,
    pub(super) whatsapp_app_secret: Option<SecretString>,
    pub(super) whatsapp_verify_token: Option<SecretString>,
    /// How the outside reaches us, for signatures over the address.
    pub(super) public_base_url: Option<String>,
    pub(super) default_country: Country,
    body_limit: BodyLimit,
}

impl Http {
    /// Starts the tasks that record deliveries and send hints to the workers; connects to nothing.
    ///
    /// # Errors
    /// Never for a configuration that was accepted.
    pub(crate) fn new(
        config: &Config,
        pool: PgPool,
        vault: Option<Vault>,
        strains: Strains,
    ) -> Result<Self, Fail> {
        let twilio = config.twilio.account_sid.clone().zip(config.twilio.auth_token.clone());
        let waker = Waker::start(pool.clone());
        Ok(Self(Arc::new(Parts {
            intake: Intake::start(&pool, &waker, config.http.request_timeout, strains),
            waker,
            twilio_tokens: TwilioTokens::new(twilio, vault, pool.clone()),
            voice_answer: config.twilio.voice_answer.clone(),
            whatsapp_app_secret: config.whatsapp.app_secret.clone(),
            whatsapp_verify_token: config.whatsapp.verify_token.clone(),
            public_base_url: config
                .http
                .public_base_url
                .as_ref()
                .map(|url| url.as_str().to_owned()),
            pool,
            token: ApiToken::new(config.http.api_token.as_ref()),
            stripe_secrets: config.stripe.webhook_secrets.clone(),
            default_country: app::default_country(&config.provisioning)?,
            body_limit: BodyLimit(config.http.body_limit),
        })))
    }

    /// Where deliveries are handed over: to be closed after the server, so that what it took is recorded.
    pub(crate) fn intake(&self) -> Intake {
        self.intake.clone()
    }
}

impl Deref for Http {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl FromRef<Http> for BodyLimit {
    fn from_ref(http: &Http) -> Self {
        http.body_limit
    }
}

/// The database did not do it: come again. The reason is in the log, for it names places that strangers need
/// not know.
pub(super) fn unavailable() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The database did not answer; nothing was done.")
        .retry_after(RETRY_AFTER)
}

/// [`unavailable`], with the reason in the log.
pub(super) fn refused(error: impl std::error::Error) -> Problem {
    tracing::error!(%error, "the database did not do what a request asked");
    unavailable()
}
