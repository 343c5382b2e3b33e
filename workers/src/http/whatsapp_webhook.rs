//! `GET` and `POST /webhooks/whatsapp`: Meta's handshake, and its deliveries, verified over the raw bytes.
//!
//! One delivery holds many events. It is acknowledged when all of them are recorded; delivered again, those that were are duplicates.

use autopilot_workflows::webhooks::whatsapp;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use futures_util::future::join_all;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::Http;
use super::delivered::{digest, kept, unrecorded};
use super::fields::invalid;
use super::limits::{RETRY_AFTER, RawBody};
use super::problem::Problem;
use super::state::refused;
use super::whatsapp_signature::{self, HEADER};

/// What Meta asks when the address is entered.
#[derive(Debug, Deserialize)]
pub(super) struct Handshake {
    #[serde(rename = "hub.mode", default)]
    mode: String,
    #[serde(rename = "hub.verify_token", default)]
    verify_token: SecretString,
    #[serde(rename = "hub.challenge", default)]
    challenge: String,
}

/// Answers with the challenge whoever knows the token that was chosen for this.
pub(super) async fn shake_hands(
    State(http): State<Http>,
    asked: Result<Query<Handshake>, QueryRejection>,
) -> Result<([(axum::http::HeaderName, &'static str); 1], String), Problem> {
    let Query(asked) = asked.map_err(|error| invalid(vec![format!("the query: {error}")]))?;
    let Some(token) = &http.whatsapp_verify_token else {
        return Err(unconfigured(
            "WHATSAPP_VERIFY_TOKEN to the text that is entered in Meta's dashboard",
        ));
    };
    let (own, theirs) =
        (token.expose_secret().as_bytes(), asked.verify_token.expose_secret().as_bytes());
    if asked.mode != "subscribe" || !bool::from(own.ct_eq(theirs)) {
        tracing::warn!("WhatsApp's handshake was refused: the token is not WHATSAPP_VERIFY_TOKEN");
        return Err(Problem::new(StatusCode::FORBIDDEN, "This is not the token that was chosen."));
    }
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], asked.challenge))
}

/// Records one delivery.
pub(super) async fn receive(
    State(http): State<Http>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<StatusCode, Problem> {
    verify(&http, &headers, &body)?;
    let events = whatsapp::read(&body, &kept(&headers), digest).map_err(refused)?;
    // All of them at once, so that they share transactions with each other and everybody.
    for recorded in join_all(events.into_iter().map(|event| http.intake.record(event))).await {
        let _whatever_became_of_it = recorded.map_err(unrecorded)?;
    }
    Ok(StatusCode::OK)
}

/// One and the same refusal whatever is wrong with the signature; the log says what.
fn verify(http: &Http, headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
    let Some(secret) = &http.whatsapp_app_secret else {
        return Err(unconfigured("WHATSAPP_APP_SECRET to the app's secret"));
    };
    let mut values = headers.get_all(HEADER).iter();
    let header = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        (Some(_) | None, _) => None,
    };
    whatsapp_signature::verify(header, body, std::slice::from_ref(secret)).map_err(|error| {
        tracing::warn!(reason = %error, "a WhatsApp webhook was refused");
        Problem::new(
            StatusCode::FORBIDDEN,
            "The X-Hub-Signature-256 header does not vouch for this body.",
        )
        .kind("urn:autopilot:webhook-signature", "Signature refused")
    })
}

fn unconfigured(what: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "This server does not know WhatsApp's secrets.")
        .action(format!("Set {what}."))
        .retry_after(RETRY_AFTER)
}
