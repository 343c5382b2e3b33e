//! Our own eyes on both sides of Prism: adapter, front, Prism, back, sandbox.
//!
//! The front sees what the adapters send and notes what is wrong; the back can be given an answer in place of the sandbox's,
//! a lie, which Prism must notice.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use reqwest::Client;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::description::{Description, Operation};
use crate::journal::{Journal, Sent};
use crate::prism::objection;

const MAX_BODY: usize = 4 << 20;

/// What the front knows.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) description: Description,
    pub(crate) prism: String,
    pub(crate) client: Client,
    pub(crate) journal: Mutex<Journal>,
}

impl Front {
    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at a request, and sends it to Prism.
    async fn pass(&self, sent: Sent) -> Answer {
        let (path, _) = sent.path_and_query();
        let Some(operation) = self.description.operation(&sent.method, path) else {
            self.journal().problems.push(format!("no operation for {} {path}", sent.method));
            return Answer::failed("the description has no such operation");
        };
        let name = operation.name.clone();
        let unknown = self.unknown(operation, &sent);
        self.journal().problems.extend(unknown);
        let answer = forward(&self.client, &self.prism, &sent).await;
        match objection(&answer.body) {
            Some(objection) => self.journal().problems.push(format!("{name}: {objection}")),
            None => self.journal().passed(&name, sent, &answer),
        }
        answer
    }

    /// The parameters that the operation does not have.
    fn unknown(&self, operation: &Operation, sent: &Sent) -> Vec<String> {
        let (_, query) = sent.path_and_query();
        let pairs = |text: &[u8]| -> Vec<String> {
            url::form_urlencoded::parse(text).map(|(name, _)| name.into_owned()).collect()
        };
        let query = pairs(query.as_bytes());
        let form = if is_form(&sent.headers) { pairs(&sent.body) } else { Vec::new() };
        let described = &self.description;
        let in_query = described.unknown_in_query(operation, query.iter().map(String::as_str));
        let in_form = described.unknown_in_form(operation, form.iter().map(String::as_str));
        in_query
            .into_iter()
            .chain(in_form)
            .map(|parameter| format!("{}: it has no parameter {parameter:?}", operation.name))
            .collect()
    }
}

/// What the back knows: where the sandbox is, and the answer that it gives in its place the next time.
#[derive(Debug, Clone)]
pub(crate) struct Back {
    pub(crate) sandbox: String,
    pub(crate) client: Client,
    pub(crate) instead: Arc<Mutex<Option<Answer>>>,
}

impl Back {
    async fn pass(&self, sent: Sent) -> Answer {
        let instead = self.instead.lock().unwrap_or_else(PoisonError::into_inner).take();
        match instead {
            Some(answer) => answer,
            None => forward(&self.client, &self.sandbox, &sent).await,
        }
    }
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    fn failed(reason: &str) -> Self {
        let body = Bytes::copy_from_slice(reason.as_bytes());
        Self { status: StatusCode::BAD_GATEWAY, headers: HeaderMap::new(), body }
    }

    fn into_response(self) -> Response {
        let mut headers = self.headers;
        for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
            headers.remove(name);
        }
        (self.status, headers, Body::from(self.body)).into_response()
    }
}

/// The same with something else in place of every single value.
pub(crate) fn lie(truth: Value) -> Value {
    match truth {
        Value::Array(values) => values.into_iter().map(lie).collect(),
        Value::Object(values) => {
            Value::Object(values.into_iter().map(|(name, value)| (name, lie(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            serde_json::json!([[{ "not": "one" }]])
        }
    }
}

/// Sends a request on, and reads the whole answer.
pub(crate) async fn forward(client: &Client, target: &str, sent: &Sent) -> Answer {
    let Ok(method) = sent.method.parse() else { return Answer::failed("no method") };
    let mut headers = sent.headers.clone();
    for name in [HOST, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let request = client
        .request(method, format!("{target}{}", sent.path))
        .headers(headers)
        .body(sent.body.clone());
    let answer = async {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok::<_, reqwest::Error>(Answer { status, headers, body: response.bytes().await? })
    };
    answer.await.unwrap_or_else(|error| Answer::failed(&error.to_string()))
}

pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

/// Serves the front on the loopback, and says where.
pub(crate) async fn serve_front(front: Arc<Front>) -> io::Result<String> {
    let pass =
        async |State(front): State<Arc<Front>>, request: Request| match receive(request).await {
            Some(sent) => front.pass(sent).await.into_response(),
            None => StatusCode::BAD_REQUEST.into_response(),
        };
    serve(Router::new().fallback(pass).with_state(front)).await
}

/// Serves the back on the loopback, and says where.
pub(crate) async fn serve_back(back: Back) -> io::Result<String> {
    let pass = async |State(back): State<Back>, request: Request| match receive(request).await {
        Some(sent) => back.pass(sent).await.into_response(),
        None => StatusCode::BAD_REQUEST.into_response(),
    };
    serve(Router::new().fallback(pass).with_state(back)).await
}

async fn serve(router: Router) -> io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

async fn receive(request: Request) -> Option<Sent> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.ok()?;
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    Some(Sent { method: parts.method.to_string(), path, headers: parts.headers, body })
}
