//! The HTTP side: one pipeline for every provider.
//!
//! Receive, hold it against the limit, record the call, meet a fault, take effect, record the effects, answer. Each record is
//! on disk before the next stage begins, so the ledger never knows less than the client.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Form, FromRequest as _, Query, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::connection::Breakable;
use crate::exchange::{Answer, Exchange, Payload, is_form};
use crate::faults::{Fault, Faults};
use crate::ledger::{Entry, Kind, LedgerError, Receipt, Writer};
use crate::limits::{Limits, Refusal};
use crate::state::State;
use crate::{Options, Provider, admin};

/// Longer bodies than any of the providers takes.
const MAX_BODY: usize = 4 << 20;

/// What all requests and the library share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) faults: Faults,
    pub(crate) limits: Limits,
    pub(crate) ledger: Writer,
    pub(crate) stop: CancellationToken,
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn new(options: Options, ledger: Writer) -> Self {
        let state = Mutex::new(State::new(&options));
        let (faults, limits) = (Faults::default(), Limits::new(&options.limits));
        Self { options, faults, limits, ledger, stop: CancellationToken::new(), state }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A handler that panicked has answered nothing; what it left is what the next one sees.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records one entry and waits until it is on disk.
    pub(crate) async fn record(&self, entry: Entry) -> Result<(), LedgerError> {
        self.ledger.submit(vec![entry]).durable().await
    }

    /// Changes the state and queues the effects under one lock, so that the ledger has them in
    /// the order in which they happened.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut State) -> (T, Vec<Entry>),
    ) -> (T, Receipt) {
        let mut state = self.state();
        let (result, effects) = change(&mut state);
        (result, self.ledger.submit(effects))
    }
}

/// All providers and the sandbox's own interface.
pub(crate) fn router(shared: &Arc<Shared>) -> Router {
    let providers = [Provider::Stripe, Provider::Twilio, Provider::Whatsapp, Provider::Openai];
    let admin = Router::new().nest("/_sandbox", admin::router(Arc::clone(shared)));
    providers.into_iter().fold(admin, |router, provider| {
        let shared = Arc::clone(shared);
        let handler = any(move |ConnectInfo(connection): ConnectInfo<Breakable>, request| {
            let shared = Arc::clone(&shared);
            async move { serve(&shared, provider, &connection, request).await }
        });
        router.route(&format!("{}/{{*rest}}", prefix(provider)), handler)
    })
}

/// The path under which a provider is found.
pub(crate) fn prefix(provider: Provider) -> &'static str {
    match provider {
        Provider::Stripe => "/stripe",
        Provider::Twilio => "/twilio",
        Provider::Whatsapp => "/whatsapp",
        Provider::Openai => "/openai",
        Provider::Smtp => "/smtp",
    }
}

async fn serve(
    shared: &Arc<Shared>,
    provider: Provider,
    connection: &Breakable,
    request: Request,
) -> Response {
    let exchange = match receive(provider, request).await {
        Ok(exchange) => exchange,
        Err(refusal) => return refusal.into_response(),
    };
    let outcome = match shared.limits.enter(provider, Instant::now()) {
        Ok(_under_way) => answer(shared, connection, exchange).await,
        Err(refusal) => refuse(shared, &exchange, refusal).await,
    };
    outcome.unwrap_or_else(|error| Answer::text(500, &error.to_string())).into_response()
}

async fn answer(
    shared: &Arc<Shared>,
    connection: &Breakable,
    mut exchange: Exchange,
) -> Result<Answer, LedgerError> {
    let method = exchange.method.as_str();
    let fault = shared.faults.strike(exchange.provider, method, &exchange.path);
    record_call(shared, &exchange, fault.as_ref().map(Fault::name)).await?;
    if shared.options.ignores_keys {
        exchange.forget_keys();
    }
    meet(shared, connection, &exchange, fault).await
}

async fn refuse(
    shared: &Shared,
    exchange: &Exchange,
    refusal: Refusal,
) -> Result<Answer, LedgerError> {
    record_call(shared, exchange, Some(refusal.name())).await?;
    Ok(refusal.answer(exchange.provider))
}

async fn receive(provider: Provider, request: Request) -> Result<Exchange, Answer> {
    let (parts, body) = request.into_parts();
    let refused = |error: &dyn std::fmt::Display| Answer::text(400, &error.to_string());
    let body = to_bytes(body, MAX_BODY).await.map_err(|error| refused(&error))?;
    let query = Query::try_from_uri(&parts.uri).map_err(|error| refused(&error))?;
    let form = form(&parts, &body).await.map_err(|error| refused(&error))?;
    let path = parts.uri.path();
    Ok(Exchange {
        provider,
        path: path.strip_prefix(prefix(provider)).unwrap_or(path).to_owned(),
        method: parts.method,
        query: query.0,
        form,
        headers: parts.headers,
        body: body.to_vec(),
    })
}

type FormRejection = <Form<Vec<(String, String)>> as axum::extract::FromRequest<()>>::Rejection;

async fn form(parts: &Parts, body: &Bytes) -> Result<Vec<(String, String)>, FormRejection> {
    // For GET the extractor would read the query again.
    if !is_form(&parts.headers) || parts.method == "GET" {
        return Ok(Vec::new());
    }
    let request = Request::from_parts(parts.clone(), Body::from(body.clone()));
    Ok(Form::from_request(request, &()).await?.0)
}

async fn record_call(
    shared: &Shared,
    exchange: &Exchange,
    fault: Option<&'static str>,
) -> Result<(), LedgerError> {
    let detail = json!({
        "method": exchange.method.as_str(), "path": exchange.path,
        "query": exchange.query.iter().map(|(name, value)| json!([name, value])).collect::<Value>(),
        "fault": fault,
    });
    let route = exchange.provider.route(&shared.state(), exchange);
    shared.record(route.entry(exchange.provider, Kind::Call, detail)).await
}

/// Meets the fault, if there is one, and otherwise takes effect.
async fn meet(
    shared: &Arc<Shared>,
    connection: &Breakable,
    exchange: &Exchange,
    fault: Option<Fault>,
) -> Result<Answer, LedgerError> {
    let provider = exchange.provider;
    match fault {
        None => take_effect(shared, exchange).await,
        Some(Fault::Delay { ms }) => {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(ms)) => {}
                () = shared.stop.cancelled() => {}
            }
            take_effect(shared, exchange).await
        }
        Some(Fault::Late { ms }) => {
            let (shared, exchange) = (Arc::clone(shared), exchange.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(ms)) => {
                        take_effect(&shared, &exchange).await.map(drop)
                    }
                    () = shared.stop.cancelled() => Ok(()),
                }
            });
            connection.reset();
            Ok(Answer::no_content())
        }
        Some(Fault::Hang) => {
            shared.stop.cancelled().await;
            connection.reset();
            Ok(Answer::no_content())
        }
        Some(Fault::ResetBefore) => {
            connection.reset();
            Ok(Answer::no_content())
        }
        Some(Fault::ResetAfter) => {
            let answer = take_effect(shared, exchange).await?;
            connection.reset();
            Ok(answer)
        }
        Some(Fault::Stall) => {
            let answer = take_effect(shared, exchange).await?;
            shared.stop.cancelled().await;
            connection.reset();
            Ok(answer)
        }
        Some(Fault::Status { status, retry_after, body }) => {
            Ok(scripted(provider, status, retry_after, body))
        }
        Some(Fault::Malformed) => Ok(take_effect(shared, exchange).await?.torn()),
        Some(Fault::Auth) => Ok(provider.failure(401)),
    }
}

async fn take_effect(shared: &Shared, exchange: &Exchange) -> Result<Answer, LedgerError> {
    let (answer, receipt) = shared.change(|state| {
        let mut answer = exchange.provider.answer(state, exchange);
        let effects = std::mem::take(&mut answer.effects);
        (answer, effects)
    });
    receipt.durable().await?;
    Ok(answer)
}

fn scripted(
    provider: Provider,
    status: u16,
    retry_after: Option<u64>,
    body: Option<Value>,
) -> Answer {
    let mut answer = provider.failure(status);
    match body {
        None => {}
        Some(Value::String(text)) => answer.body = Payload::Text(text),
        Some(other) => answer.body = Payload::Json(other),
    }
    match retry_after {
        None => answer,
        Some(seconds) => answer.header("retry-after", seconds.to_string()),
    }
}
