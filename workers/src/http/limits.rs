//! What a request may take: bytes, time and a place among those in progress. Past a bound it is answered at
//! once, as far as possible before its body is read.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRef, FromRequest, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;

use super::problem::Problem;

/// When somebody who was sent away for now should come back.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Bytes of a body, at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimit(pub(crate) usize);

/// The bytes of a body exactly as they arrived, for signatures are made over them.
///
/// A body that says it is too long is refused unread (413); one that does not say, or lies, is refused when the
/// count passes the limit.
#[derive(Debug, Clone)]
pub(crate) struct RawBody(pub(crate) Bytes);

impl<S> FromRequest<S> for RawBody
where
    BodyLimit: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, Problem> {
        let BodyLimit(limit) = BodyLimit::from_ref(state);
        let announced =
            request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        if announced.and_then(|length| length.parse::<u64>().ok()) > u64::try_from(limit).ok() {
            return Err(too_large(limit));
        }
        DefaultBodyLimit::max(limit).apply(&mut request);
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(too_large(limit)),
            Err(_interrupted) => {
                Err(Problem::new(StatusCode::BAD_REQUEST, "The body ended before it was complete."))
            }
        }
    }
}

/// Places for requests in progress, shared by all clones.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Semaphore>);

impl Places {
    /// So many requests at once.
    pub(crate) fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))))
    }
}

/// Middleware: answers 503 with `Retry-After` when all places are taken, without reading the body and without
/// a queue, in which requests would only grow old.
pub(crate) async fn take_place(
    State(Places(places)): State<Places>,
    request: Request,
    next: Next,
) -> Response {
    match places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_taken) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "All places are taken.")
            .retry_after(RETRY_AFTER)
            .into_response(),
    }
}

/// Middleware: ends a request that takes longer, its body's arrival included. What it had not committed is
/// undone, for the dropped transaction rolls back; only a delivery that was handed over is recorded all the same.
pub(crate) async fn end_in_time(
    State(limit): State<Duration>,
    request: Request,
    next: Next,
) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(answer) => answer,
        Err(_elapsed) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The request took too long.")
                .retry_after(RETRY_AFTER)
                .header(CONNECTION, HeaderValue::from_static("close"))
                .into_response()
        }
    }
}

fn too_large(limit: usize) -> Problem {
    // The rest of the body is not read, so the connection is of no further use.
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("The body is longer than {limit} bytes."))
        .extend("limit", limit)
        .header(CONNECTION, HeaderValue::from_static("close"))
}

#[cfg(test)]
mod tests;
