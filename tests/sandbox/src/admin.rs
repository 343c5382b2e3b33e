//! The sandbox's own interface, for demos and for tests in another process.

use std::sync::Arc;

use axum::extract::{Path, State as Extract};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::faults::{ActiveRule, Rule};
use crate::ledger::{Ledger, LedgerError, Record, Summary};
use crate::server::Shared;
use crate::sign;
use crate::stripe::{self, Checkout, DeliveryError};
use crate::twilio::BundleStatus;
use crate::whatsapp::Template;

/// A checkout's event, and how its delivery went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckoutOutcome {
    /// The `checkout.session.completed` event.
    pub event: Value,
    /// The HTTP status that the endpoint answered, where one was told.
    pub delivered: Option<u16>,
}

/// Why the sandbox could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The event was made, and could not be delivered.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// One half of the delivery's two settings is missing.
    #[error("a delivery needs both deliver_to and secret: give both, or neither")]
    HalfDelivery,
    /// The task that reads the ledger was cancelled.
    #[error("reading the ledger was interrupted: the sandbox is stopping")]
    Interrupted,
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Ledger(_) | Self::Interrupted => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Delivery(_) => StatusCode::BAD_GATEWAY,
            Self::HalfDelivery => StatusCode::BAD_REQUEST,
        };
        (status, Json(json!({"error": self.to_string()}))).into_response()
    }
}

type Answer<T> = Result<Json<T>, AdminError>;

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/health", get(async || Json(json!({"status": "ok"}))))
        .route("/ledger", get(ledger))
        .route("/summary", get(summary))
        .route("/faults", get(list_faults).post(add_faults).delete(clear_faults))
        .route("/stripe/checkout", post(complete_checkout))
        .route("/twilio/bundles", post(put_bundle))
        .route("/twilio/balance/{balance}", post(set_balance))
        .route("/whatsapp/templates", post(put_template))
        .with_state(shared)
}

/// Reads the ledger's file, on a thread where that may take long.
pub(crate) async fn read_ledger(shared: &Shared) -> Result<Vec<Record>, AdminError> {
    let path = shared.options.ledger.clone();
    let read = tokio::task::spawn_blocking(move || Ledger::read(path)).await;
    Ok(read.map_err(|_cancelled| AdminError::Interrupted)??)
}

/// Completes a checkout, and delivers its event where told.
pub(crate) async fn checkout(
    shared: &Shared,
    checkout: &Checkout,
) -> Result<CheckoutOutcome, AdminError> {
    let endpoint = match (&checkout.deliver_to, &checkout.secret) {
        (Some(url), Some(secret)) => Some((url, secret)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(AdminError::HalfDelivery),
    };
    let (event, receipt) = shared.change(|state| stripe::complete(&mut state.stripe, checkout));
    receipt.durable().await?;
    let delivered = match endpoint {
        None => None,
        Some((url, secret)) => {
            let body = event.to_string();
            let signature = sign::stripe(secret, Utc::now().timestamp(), body.as_bytes());
            Some(stripe::deliver(url, &signature, &body).await?)
        }
    };
    Ok(CheckoutOutcome { event, delivered })
}

async fn ledger(Extract(shared): Extract<Arc<Shared>>) -> Answer<Vec<Record>> {
    Ok(Json(read_ledger(&shared).await?))
}

async fn summary(Extract(shared): Extract<Arc<Shared>>) -> Answer<Summary> {
    Ok(Json(Summary::of(&read_ledger(&shared).await?)))
}

async fn list_faults(Extract(shared): Extract<Arc<Shared>>) -> Json<Vec<ActiveRule>> {
    Json(shared.faults.list())
}

/// One rule, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Rules {
    Many(Vec<Rule>),
    One(Rule),
}

async fn add_faults(
    Extract(shared): Extract<Arc<Shared>>,
    Json(rules): Json<Rules>,
) -> Json<Vec<ActiveRule>> {
    let rules = match rules {
        Rules::Many(rules) => rules,
        Rules::One(rule) => vec![rule],
    };
    for rule in rules {
        shared.faults.add(rule);
    }
    Json(shared.faults.list())
}

async fn clear_faults(Extract(shared): Extract<Arc<Shared>>) -> StatusCode {
    shared.faults.clear();
    StatusCode::NO_CONTENT
}

async fn complete_checkout(
    Extract(shared): Extract<Arc<Shared>>,
    Json(request): Json<Checkout>,
) -> Answer<CheckoutOutcome> {
    Ok(Json(checkout(&shared, &request).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BundleChange {
    sid: Option<String>,
    status: BundleStatus,
}

async fn put_bundle(
    Extract(shared): Extract<Arc<Shared>>,
    Json(BundleChange { sid, status }): Json<BundleChange>,
) -> Json<Value> {
    Json(shared.state().twilio.put_bundle(sid, status))
}

async fn set_balance(
    Extract(shared): Extract<Arc<Shared>>,
    Path(balance): Path<String>,
) -> StatusCode {
    shared.state().twilio.balance = balance;
    StatusCode::NO_CONTENT
}

async fn put_template(
    Extract(shared): Extract<Arc<Shared>>,
    Json(template): Json<Template>,
) -> StatusCode {
    shared.state().whatsapp.put_template(template);
    StatusCode::NO_CONTENT
}
