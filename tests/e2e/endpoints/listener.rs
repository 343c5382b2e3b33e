//! A program of a studio's, which hears what it is told.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;

/// A status, and after how many seconds to come again.
pub(super) type Answer = (u16, Option<u32>);

/// A program of a studio's, which answers as it is told.
#[derive(Clone, Default)]
pub(super) struct Listener {
    answers: Arc<Mutex<Vec<Answer>>>,
    /// Whoever holds it keeps all answers back.
    pub(super) gate: Arc<tokio::sync::Mutex<()>>,
    heard: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl Listener {
    /// Its address.
    pub(super) async fn start(&self) -> String {
        let router = Router::new().route("/hook", post(hear)).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        format!("http://{address}/hook")
    }

    /// How it answers the next ones; when none is left, with 200.
    pub(super) fn answer(&self, answers: &[Answer]) {
        self.answers.lock().unwrap().extend(answers.iter().rev());
    }

    pub(super) fn heard(&self) -> Vec<(HeaderMap, Bytes)> {
        self.heard.lock().unwrap().clone()
    }
}

async fn hear(
    State(listener): State<Listener>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap) {
    listener.heard.lock().unwrap().push((headers, body));
    drop(listener.gate.lock().await);
    let (status, wait) = listener.answers.lock().unwrap().pop().unwrap_or((200, None));
    let mut answer = HeaderMap::new();
    if let Some(wait) = wait {
        answer.insert("retry-after", wait.into());
    }
    (StatusCode::from_u16(status).unwrap(), answer)
}
