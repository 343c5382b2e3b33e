//! A request as the providers see it, and their answer.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::Provider;
use crate::ledger::{Entry, Kind};

/// One received request.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) provider: Provider,
    pub(crate) method: Method,
    /// Without the provider's prefix, such as `/v1/balance`.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    /// The parameters of a form body; empty for any other body.
    pub(crate) form: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Exchange {
    /// The path's parts, without empty ones.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|part| !part.is_empty()).collect()
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    /// A form parameter; empty text counts as absent.
    pub(crate) fn form(&self, name: &str) -> Option<&str> {
        find(&self.form, name).filter(|value| !value.is_empty())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// User and password of HTTP Basic.
    pub(crate) fn basic(&self) -> Option<(String, String)> {
        let encoded = self.header("authorization")?.strip_prefix("Basic ")?;
        let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let (user, password) = decoded.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }

    /// Whether a body came that is no form.
    pub(crate) fn has_foreign_body(&self) -> bool {
        !self.body.is_empty() && !is_form(&self.headers)
    }

    /// Takes out what a repeated call would be known by: the key, and the name that is looked for.
    pub(crate) fn forget_keys(&mut self) {
        self.headers.remove("idempotency-key");
        for (_, value) in self.query.iter_mut().filter(|(key, _)| key == "FriendlyName") {
            value.insert(0, '\0'); // No name begins with it.
        }
    }

    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// Whether the headers announce a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"))
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// What a request asks for, as the ledger names it.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) operation: &'static str,
    pub(crate) subject: Option<String>,
    pub(crate) idempotency_key: Option<String>,
}

impl Route {
    pub(crate) fn new(operation: &'static str) -> Self {
        Self { operation, subject: None, idempotency_key: None }
    }

    pub(crate) fn subject(mut self, subject: Option<impl Into<String>>) -> Self {
        self.subject = subject.map(Into::into);
        self
    }

    pub(crate) fn key(mut self, key: Option<impl Into<String>>) -> Self {
        self.idempotency_key = key.map(Into::into);
        self
    }

    /// The ledger entry of this route.
    pub(crate) fn entry(self, provider: Provider, kind: Kind, detail: Value) -> Entry {
        let Self { operation, subject, idempotency_key } = self;
        let operation = operation.to_owned();
        Entry { provider, kind, operation, subject, idempotency_key, detail }
    }
}

/// An answer, and the effects that it confirms.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Payload,
    pub(crate) effects: Vec<Entry>,
}

/// The bytes of an answer.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    Empty,
    Json(Value),
    Text(String),
}

impl Answer {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Payload::Json(body), effects: Vec::new() }
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        let body = Payload::Text(body.to_owned());
        Self { status, headers: Vec::new(), body, effects: Vec::new() }
    }

    /// 204, as Twilio answers a deletion.
    pub(crate) fn no_content() -> Self {
        Self { status: 204, headers: Vec::new(), body: Payload::Empty, effects: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn effect(mut self, effect: Entry) -> Self {
        self.effects.push(effect);
        self
    }

    /// The same success with a body that stops half-way.
    pub(crate) fn torn(mut self) -> Self {
        let whole = match &self.body {
            Payload::Empty => String::new(),
            Payload::Json(value) => value.to_string(),
            Payload::Text(text) => text.clone(),
        };
        let half: String = whole.chars().take(whole.chars().count() / 2).collect();
        // An empty body has no half; a lone brace is no JSON either.
        self.body = Payload::Text(if half.is_empty() { "{".to_owned() } else { half });
        if self.status == 204 {
            self.status = 200;
        }
        self.header("content-type", "application/json")
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let (kind, body) = match self.body {
            Payload::Empty => (None, Body::empty()),
            Payload::Json(value) => (Some("application/json"), Body::from(value.to_string())),
            Payload::Text(text) => (Some("text/plain; charset=utf-8"), Body::from(text)),
        };
        let mut response = Response::new(body);
        // A status outside of HTTP's range can only come from a fault rule.
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if let Some(kind) = kind {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}
