//! async-stripe's client trait on our transport.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use secrecy::ExposeSecret;
use stripe_client_core::{
    AccountId, ConfigOverride, CustomizedStripeRequest, IdempotencyKey, RequestBuilder,
    RequestStrategy, StripeClient, StripeClientErr, StripeMethod, VERSION,
};

use super::{Stripe, StripeError};
use crate::integrations::http::Access;

/// What one request asks for beyond the client's own settings.
#[derive(Default)]
pub(super) struct Options {
    /// On whose behalf (Stripe Connect).
    pub(super) account: Option<AccountId>,
    /// A time limit of its own.
    pub(super) timeout: Option<Duration>,
    /// The key under which Stripe executes the request once.
    pub(super) key: Option<IdempotencyKey>,
}

impl Options {
    fn parse(overrides: ConfigOverride) -> Result<Self, StripeError> {
        let key = match overrides.request_strategy {
            None | Some(RequestStrategy::Once) => None,
            Some(RequestStrategy::Idempotent(key)) => Some(key),
            Some(RequestStrategy::Retry(_) | RequestStrategy::ExponentialBackoff(_)) => {
                return Err(StripeError::HiddenRetry);
            }
        };
        Ok(Self { account: overrides.account_id, timeout: overrides.timeout, key })
    }
}

impl StripeClient for Stripe {
    type Err = StripeError;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes, StripeError> {
        let (request, overrides) = request.into_pieces();
        self.call(request, Options::parse(overrides)?).await
    }
}

impl StripeClientErr for StripeError {
    /// The answer was a success that async-stripe's types do not fit. It does not say to which
    /// request, so the worst is assumed; `of_a_read` puts that right for reads.
    fn deserialize_err(message: impl std::fmt::Display) -> Self {
        Self::Unreadable { problem: message.to_string(), access: Access::Write }
    }
}

impl Stripe {
    /// Sends once and returns the body of a 2xx.
    pub(super) async fn call(
        &self,
        request: RequestBuilder,
        options: Options,
    ) -> Result<Bytes, StripeError> {
        let method = match request.method {
            StripeMethod::Get => Method::GET,
            StripeMethod::Post => Method::POST,
            StripeMethod::Delete => Method::DELETE,
        };
        let mut path = format!("/v1{}", request.path);
        if let Some(query) = &request.query {
            path = format!("{path}?{query}");
        }
        let mut http = self
            .transport
            .request(method, &path)
            .bearer_auth(self.key.expose_secret())
            .header("stripe-version", VERSION.as_str());
        if let Some(body) = request.body {
            http = http.header("content-type", "application/x-www-form-urlencoded").body(body);
        }
        if let Some(account) = options.account {
            http = http.header("stripe-account", account.as_str());
        }
        if let Some(timeout) = options.timeout {
            http = http.timeout(timeout);
        }
        if let Some(key) = options.key {
            http = http.header("idempotency-key", key.as_str());
        }
        let answer = self.transport.send(http).await?;
        let request_id = answer.header("request-id");
        tracing::debug!(
            request_id,
            status = answer.status.as_u16(),
            path = request.path,
            "stripe answered"
        );
        if answer.status.is_success() {
            Ok(answer.body)
        } else {
            Err(StripeError::of_answer(&answer))
        }
    }
}
