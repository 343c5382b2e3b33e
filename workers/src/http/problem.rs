//! Errors as RFC 9457 problem details: what went wrong, and what to do, as `application/problem+json`.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

/// An error as the API answers it. It never carries a secret, a body or another tenant's data.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    members: Members,
}

#[derive(Debug, Clone, Serialize)]
struct Members {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(flatten)]
    extensions: Map<String, Value>,
}

impl Problem {
    /// A problem that its status says all about (`about:blank`); `detail` is one sentence for people.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let members = Members {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            extensions: Map::new(),
        };
        Self { status, headers: Vec::new(), members }
    }

    /// Gives the problem a type of its own, a URN that machines may rely on, and its title.
    pub(crate) fn kind(mut self, urn: &'static str, title: &'static str) -> Self {
        self.members.r#type = urn;
        self.members.title = title;
        self
    }

    /// Says exactly what to do: a command or a setting.
    pub(crate) fn action(self, action: impl Into<String>) -> Self {
        self.extend("action", action.into())
    }

    /// Names each thing that is wrong with a request.
    pub(crate) fn errors(self, errors: Vec<String>) -> Self {
        self.extend("errors", errors)
    }

    /// Adds an extension member. A member of the RFC itself (`type`, `title`, `status`, `detail`) is never
    /// replaced.
    pub(crate) fn extend(mut self, name: &str, value: impl Into<Value>) -> Self {
        if !matches!(name, "type" | "title" | "status" | "detail") {
            self.members.extensions.insert(name.to_owned(), value.into());
        }
        self
    }

    /// When to come back, in whole seconds and at least one.
    pub(crate) fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// Adds a header to the answer; the last of one name counts.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The status of the answer.
    #[cfg(test)]
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, headers, members } = self;
        // Text, numbers and JSON values always serialize; an empty body beside the status is the fallback.
        let body = serde_json::to_vec(&members).unwrap_or_default();
        let mut answer = (status, body).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        for (name, value) in headers.into_iter().chain([(CONTENT_TYPE, kind)]) {
            answer.headers_mut().insert(name, value);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;

    async fn parts(problem: Problem) -> (StatusCode, HeaderMap, Value) {
        let (parts, body) = problem.into_response().into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_problem_is_the_rfcs_members_and_ours() {
        let problem = Problem::new(StatusCode::CONFLICT, "The run is finished.")
            .action("autopilot runs fork 7")
            .errors(vec!["a".to_owned()])
            .extend("status", 200);
        let (status, headers, body) = parts(problem).await;
        assert_eq!(status, 409);
        assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(
            body,
            serde_json::json!({
                "type": "about:blank",
                "title": "Conflict",
                "status": 409,
                "detail": "The run is finished.",
                "action": "autopilot runs fork 7",
                "errors": ["a"],
            })
        );
    }

    #[tokio::test]
    async fn a_problem_of_a_kind_has_its_urn_and_title() {
        let problem =
            Problem::new(StatusCode::CONFLICT, "…").kind("urn:autopilot:paused", "Paused");
        let (_, _, body) = parts(problem).await;
        assert_eq!(
            (&body["type"], &body["title"]),
            (&"urn:autopilot:paused".into(), &"Paused".into())
        );
    }

    #[tokio::test]
    async fn a_wait_is_rounded_up_to_whole_seconds() {
        for (millis, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2")] {
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy");
            let (_, headers, _) = parts(problem.retry_after(Duration::from_millis(millis))).await;
            assert_eq!(headers[RETRY_AFTER], seconds);
        }
    }
}
