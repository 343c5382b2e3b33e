//! The API's bearer token. Everything behind this layer is refused without it.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::problem::Problem;

/// The token that callers must present, kept as its digest. Without a token nobody is let in, and everybody is told
/// why: an API that is open because a variable was forgotten would be found by others first.
#[derive(Debug, Clone)]
pub(crate) struct ApiToken(Option<[u8; 32]>);

impl ApiToken {
    /// Accepts this token and no other.
    pub(crate) fn new(token: Option<&SecretString>) -> Self {
        Self(token.map(|token| digest(token.expose_secret().as_bytes())))
    }

    /// Whether the request carries the token.
    ///
    /// Both sides are hashed first, so that neither the length nor a common beginning shows in the time taken.
    ///
    /// # Errors
    ///
    /// One and the same problem (401) for a missing, a malformed and a wrong token; 503 where none is configured.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let presented = digest(bearer(headers).unwrap_or_default());
        match &self.0 {
            Some(expected) if bool::from(expected.ct_eq(&presented)) => Ok(()),
            Some(_) => Err(refused()),
            None => Err(closed()),
        }
    }
}

/// Middleware: lets a request pass that carries the token, before anything else of it is read.
pub(crate) async fn require_token(
    State(token): State<ApiToken>,
    request: Request,
    next: Next,
) -> Response {
    match token.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// What follows `Bearer`, where there is exactly one such header.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token.trim_ascii())
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn refused() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "This address needs the API token as a bearer token.")
        .action("Send `Authorization: Bearer …` with the value of AUTOPILOT_API_TOKEN.")
        .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"autopilot\""))
}

fn closed() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "The API is closed: this server has no API token.",
    )
    .action("Set AUTOPILOT_API_TOKEN to what `openssl rand -hex 32` prints, and start it again.")
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use axum::{Router, middleware};
    use tower::ServiceExt as _;

    use super::*;

    async fn answer(token: Option<&str>, headers: &[&str]) -> (StatusCode, HeaderMap, String) {
        let token = ApiToken::new(token.map(SecretString::from).as_ref());
        let app = Router::new()
            .route("/", get(async || "inside"))
            .layer(middleware::from_fn_with_state(token, require_token));
        let request = headers
            .iter()
            .fold(Request::builder(), |request, value| request.header(AUTHORIZATION, *value));
        let answer = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(body.into()).unwrap())
    }

    #[tokio::test]
    async fn the_token_opens_whatever_the_case_of_its_scheme() {
        for header in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret "] {
            let (status, _, body) = answer(Some("s3cret"), &[header]).await;
            assert_eq!((status, body.as_str()), (StatusCode::OK, "inside"), "{header}");
        }
    }

    #[tokio::test]
    async fn every_refusal_looks_the_same() {
        let (status, headers, body) = answer(Some("s3cret"), &[]).await;
        assert_eq!(status, 401);
        assert_eq!(headers[WWW_AUTHENTICATE], "Bearer realm=\"autopilot\"");
        let refusals: [(Option<&str>, &[&str]); 6] = [
            (Some("s3cret"), &["Bearer wrong"]),
            (Some("s3cret"), &["Bearer s3cre"]),
            (Some("s3cret"), &["Bearer s3cret5"]),
            (Some("s3cret"), &["Basic s3cret"]),
            (Some("s3cret"), &["s3cret"]),
            (Some("s3cret"), &["Bearer s3cret", "Bearer s3cret"]),
        ];
        for (token, presented) in refusals {
            let (other_status, other_headers, other_body) = answer(token, presented).await;
            assert_eq!(other_status, status, "{presented:?}");
            assert_eq!(other_headers, headers, "{presented:?}");
            assert_eq!(other_body, body, "{presented:?}");
        }
    }

    #[tokio::test]
    async fn without_a_token_nobody_is_let_in_and_the_variable_is_named() {
        for presented in [&["Bearer "][..], &["Bearer x"], &[]] {
            let (status, _, body) = answer(None, presented).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(body.contains("AUTOPILOT_API_TOKEN"), "{body}");
        }
    }
}
