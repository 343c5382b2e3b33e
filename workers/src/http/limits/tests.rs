use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::header::RETRY_AFTER;
use axum::routing::post;
use axum::{Router, middleware};
use tokio::sync::Notify;
use tower::ServiceExt as _;

use super::*;

/// A body of unknown length that counts the bytes read of it, one a chunk.
#[derive(Clone)]
struct Chunks {
    left: usize,
    read: Arc<AtomicUsize>,
}

impl Chunks {
    fn new(length: usize) -> Self {
        Self { left: length, read: Arc::default() }
    }

    fn read(&self) -> usize {
        self.read.load(Ordering::SeqCst)
    }

    fn body(&self) -> Body {
        Body::from_stream(self.clone())
    }
}

impl futures_core::Stream for Chunks {
    type Item = Result<&'static str, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        self.read.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Some(Ok("x")))
    }
}

async fn upload(length: Option<&str>, body: Body) -> Response {
    let app = Router::new()
        .route("/", post(async |RawBody(bytes): RawBody| bytes.len().to_string()))
        .with_state(BodyLimit(8));
    let mut request = Request::post("/");
    if let Some(length) = length {
        request = request.header(CONTENT_LENGTH, length);
    }
    app.oneshot(request.body(body).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_body_up_to_the_limit_arrives_whole() {
    let chunks = Chunks::new(8);
    let answer = upload(None, chunks.body()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(axum::body::to_bytes(answer.into_body(), 9).await.unwrap(), "8");
    assert_eq!(upload(Some("8"), Body::from("12345678")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_says_it_is_too_long_is_not_read() {
    for length in ["9", "18446744073709551615"] {
        let chunks = Chunks::new(9);
        let answer = upload(Some(length), chunks.body()).await;
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(answer.headers()[CONNECTION], "close");
        assert_eq!(chunks.read(), 0);
    }
}

#[tokio::test]
async fn a_body_that_lies_about_its_length_is_read_no_further_than_the_limit() {
    for length in [None, Some("1"), Some("many")] {
        let chunks = Chunks::new(1_000);
        let answer = upload(length, chunks.body()).await;
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "{length:?}");
        assert!(chunks.read() <= 9, "{length:?}: {}", chunks.read());
    }
}

#[tokio::test]
async fn a_request_without_a_place_is_refused_unread_and_a_freed_place_is_taken() {
    let inside = Arc::new(Notify::new());
    let leave = Arc::new(Notify::new());
    let (entered, may_leave) = (Arc::clone(&inside), Arc::clone(&leave));
    let handler = async move || {
        entered.notify_one();
        may_leave.notified().await;
    };
    let app = Router::new()
        .route("/", post(handler))
        .layer(middleware::from_fn_with_state(Places::new(1), take_place));
    let request = |body| Request::post("/").body(body).unwrap();

    let first = tokio::spawn(app.clone().oneshot(request(Body::empty())));
    inside.notified().await;
    let chunks = Chunks::new(1);
    let refused = tokio::select! {
        refused = app.clone().oneshot(request(chunks.body())) => refused.unwrap(),
        () = inside.notified() => panic!("a second request found a place"),
    };
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[RETRY_AFTER], "1");
    assert_eq!(chunks.read(), 0);

    leave.notify_one();
    assert_eq!(first.await.unwrap().unwrap().status(), StatusCode::OK);
    leave.notify_one();
    let next = app.oneshot(request(Body::empty())).await.unwrap();
    assert_eq!(next.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_ended() {
    let app = Router::new()
        .route("/", post(async || std::future::pending::<()>().await))
        .layer(middleware::from_fn_with_state(Duration::from_millis(1), end_in_time));
    let answer = app.oneshot(Request::post("/").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()[RETRY_AFTER], "1");
}
