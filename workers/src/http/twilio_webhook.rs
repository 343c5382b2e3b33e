//! `POST /webhooks/twilio/…`: verified with the token of the account that the request is about, recorded and enqueued in one
//! transaction, then answered in Twilio's own words.
//!
//! A call waits for its answer: it gets one also when the database does not take the event.

use std::time::Duration;

use autopilot_workflows::webhooks::twilio::{self, Endpoint, Form};
use autopilot_workflows::webhooks::{self, Received};
use axum::extract::{OriginalUri, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use secrecy::SecretString;
use tokio::time::timeout;

use super::Http;
use super::delivered::{digest, kept, unrecorded};
use super::limits::{RETRY_AFTER, RawBody};
use super::problem::Problem;
use super::state::refused;
use super::twilio_signature::{self, Asked, HEADER, SignatureError};

/// By which Twilio marks a repetition.
const TOKEN: &str = "i-twilio-idempotency-token";

/// How long a caller hears nothing because the call is being recorded.
const SILENCE: Duration = Duration::from_secs(2);

const FORM: &str = "application/x-www-form-urlencoded";

/// A message came in.
pub(super) async fn sms(
    state: State<Http>,
    uri: OriginalUri,
    headers: HeaderMap,
    body: RawBody,
) -> Result<Response, Problem> {
    take(&state, &uri, &headers, body, Endpoint::Sms).await?;
    Ok(twiml("<Response/>"))
}

/// A message or a call of ours has come to another state.
pub(super) async fn status(
    state: State<Http>,
    uri: OriginalUri,
    headers: HeaderMap,
    body: RawBody,
) -> Result<StatusCode, Problem> {
    take(&state, &uri, &headers, body, Endpoint::Status).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The examination of a regulatory bundle has.
pub(super) async fn bundle(
    state: State<Http>,
    uri: OriginalUri,
    headers: HeaderMap,
    body: RawBody,
) -> Result<StatusCode, Problem> {
    take(&state, &uri, &headers, body, Endpoint::Bundle).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A call comes in, and somebody hears silence meanwhile.
pub(super) async fn voice(
    State(http): State<Http>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    believe(&http, &uri, &headers, &body).await?;
    match timeout(SILENCE, record(&http, &headers, body, Endpoint::Voice)).await {
        Ok(Ok(())) => {}
        Ok(Err(_unrecorded)) => tracing::error!("a call was answered, but is not recorded"),
        Err(_elapsed) => tracing::error!("a call was answered, but may not be recorded"),
    }
    Ok(twiml(&http.voice_answer))
}

async fn take(
    State(http): &State<Http>,
    OriginalUri(uri): &OriginalUri,
    headers: &HeaderMap,
    RawBody(body): RawBody,
    endpoint: Endpoint,
) -> Result<(), Problem> {
    believe(http, uri, headers, &body).await?;
    record(http, headers, body, endpoint).await
}

async fn record(
    http: &Http,
    headers: &HeaderMap,
    body: axum::body::Bytes,
    endpoint: Endpoint,
) -> Result<(), Problem> {
    let parameters = webhooks::form(&body);
    let token = headers.get(TOKEN).and_then(|token| token.to_str().ok());
    let form = Form { parameters: &parameters, token };
    let delivery = twilio::read(endpoint, form, body, kept(headers), digest).map_err(refused)?;
    match http.intake.record(delivery).await {
        Ok(
            Received::Enqueued(_) | Received::Ignored | Received::Duplicate | Received::Unreadable,
        ) => Ok(()),
        Err(unknown) => Err(unrecorded(unknown)),
    }
}

/// One and the same refusal whatever is wrong with the signature; the log says what.
async fn believe(
    http: &Http,
    uri: &axum::http::Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), Problem> {
    let Some(base) = http.public_base_url.as_ref().filter(|_| http.twilio_tokens.is_configured())
    else {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "This server does not know how Twilio signs.",
        )
        .action("Set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and PUBLIC_BASE_URL.")
        .retry_after(RETRY_AFTER));
    };
    let parameters = webhooks::form(body);
    let account = Form { parameters: &parameters, token: None }
        .get("AccountSid")
        .unwrap_or_default()
        .to_owned();
    let token = http.twilio_tokens.of(&account).await.map_err(refused)?;
    let tokens: Vec<SecretString> = token.into_iter().collect();
    let path = uri.path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str);
    let asked = Asked { address: &format!("{base}{path}"), body, is_form: is_form(headers) };
    let mut values = headers.get_all(HEADER).iter();
    let header = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        (Some(_) | None, _) => None,
    };
    twilio_signature::verify(header, asked, &tokens).map_err(|error| {
        let reason = if tokens.is_empty() { Reason::Stranger } else { Reason::Signature(error) };
        tracing::warn!(%reason, account, "a Twilio webhook was refused");
        Problem::new(
            StatusCode::FORBIDDEN,
            "The X-Twilio-Signature header does not vouch for this request.",
        )
        .kind("urn:autopilot:webhook-signature", "Signature refused")
    })
}

/// What the log says of a refusal.
#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error("the account is none of ours")]
    Stranger,
    #[error(transparent)]
    Signature(SignatureError),
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(FORM))
}

fn twiml(text: &str) -> Response {
    let xml = HeaderValue::from_static("text/xml; charset=utf-8");
    ([(CONTENT_TYPE, xml)], format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{text}"))
        .into_response()
}
