//! Every rejection leaves as RFC 9457 `application/problem+json` with a stable code; faults are logged here, once, and opaque outside.

use std::time::Duration;

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use control::Error;
use domain::{Code, FieldError, Rejected, error::Blocker, serving::Prediction};
use http::{HeaderValue, Method, StatusCode, header};
use serde::Serialize;

/// An operation's error on its way out.
#[derive(Debug)]
pub struct RestError(pub Error);

impl<E: Into<Error>> From<E> for RestError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// A problem, as RFC 9457 has it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// A stable address for the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// A summary of the kind.
    pub title: String,
    pub status: u16,
    /// What is wrong here and what to do; of a model's error, the model's own words.
    pub detail: String,
    /// The stable code.
    pub code: Code,
    /// The fields at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// What stands in the way of a deletion.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<Blocker>,
    /// What AWS, Kubernetes or the model said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// The model's own answer, at most 1 MiB of it, when that is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Prediction>,
}

impl Problem {
    /// A model's error: whoever asks for a prediction and gets none must not take it for one. A refusal is the caller's to mend
    /// and not worth a second try (422); anything else is the model's fault (502).
    #[must_use]
    pub fn of_model(answer: Prediction) -> Self {
        let code = if (400..500).contains(&answer.status) { Code::ModelRefused } else { Code::ModelError };
        let said = answer.cause().map_or_else(|| " and gave no reason in words; `answer` has all it said.".to_owned(), |cause| format!(": {cause}"));
        let rejected = Rejected::new(code, format!("The model answered with status {}{said}", answer.status));
        Self { answer: Some(answer), ..Self::from(rejected) }
    }
}

/// The header that a rejection is about, where its code says so: operations do not know what carries what they ask for.
fn header_at_fault(code: Code) -> Option<&'static str> {
    match code {
        Code::Unauthenticated => Some("Authorization"),
        Code::UnsupportedMediaType => Some("Content-Type"),
        Code::PreconditionFailed | Code::PreconditionRequired => Some("If-Match"),
        Code::IdempotencyMismatch | Code::IdempotencyInProgress => Some("Idempotency-Key"),
        _ => None,
    }
}

impl From<Rejected> for Problem {
    fn from(rejected: Rejected) -> Self {
        let rejected = match header_at_fault(rejected.code) {
            Some(header) if rejected.errors.is_empty() => rejected.at(header),
            _ => rejected,
        };
        Self {
            kind: format!("/api/v1/problems/{}", rejected.code.as_str()),
            title: rejected.code.title().into(),
            status: rejected.code.status(),
            detail: rejected.message,
            code: rejected.code,
            errors: rejected.errors,
            blockers: rejected.blockers,
            raw: rejected.raw,
            answer: None,
        }
    }
}

/// The rejection that stands for an error outside; a fault is logged and becomes opaque.
#[must_use]
pub fn outside(error: Error) -> Rejected {
    match error {
        Error::Rejected(rejected) => *rejected,
        Error::Replayed(_) => fault(&anyhow::anyhow!("a replayed answer reached the edge: the handler does not call or_replay")),
        Error::Fault(error) => fault(&error),
    }
}

fn fault(error: &anyhow::Error) -> Rejected {
    tracing::error!(error = format!("{error:#}"), "a request failed");
    Rejected::new(Code::Internal, "Something went wrong on our side. Nothing was changed. The x-request-id of this answer says where to look.")
}

/// Names the fields of a body as bodies have them, and calls what a query says wrong what it is: a request that cannot be read.
/// Operations name fields as forms do, and do not know where a request came from.
pub async fn layer(request: Request, next: Next) -> Response {
    let has_body = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    let response = next.run(request).await;
    let Some(rejected) = response.extensions().get::<Rejected>().filter(|rejected| !rejected.errors.is_empty()).cloned() else { return response };
    if !has_body {
        let code = if rejected.code == Code::InvalidInput { Code::MalformedRequest } else { rejected.code };
        return RestError::from(Rejected { code, ..rejected }).into_response();
    }
    let pointed = |error: FieldError| match error.field.as_str() {
        "" => error,
        // A header's name begins with a capital, which no field's does.
        field if field.starts_with('/') || field.starts_with(|first: char| first.is_ascii_uppercase()) => error,
        field => FieldError { field: format!("/{}", field.replace('.', "/")), ..error },
    };
    let errors = rejected.errors.into_iter().map(pointed).collect();
    RestError::from(Rejected { errors, ..rejected }).into_response()
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let rejected = outside(self.0);
        let retry = (rejected.code == Code::RateLimited).then_some(rejected.retry_after.unwrap_or(60));
        let mut response = Problem::from(rejected.clone()).into_response();
        let headers = response.headers_mut();
        if rejected.code == Code::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(rejected);
        response
    }
}

/// Gives up on what takes longer than `most`, in words.
pub async fn timely(most: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(most, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let sentence = format!("This took longer than {} s and was given up. Look at what came of it before you try again.", most.as_secs());
            RestError::from(Rejected::new(Code::Timeout, sentence)).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::to_bytes, middleware::from_fn, routing::get};
    use serde_json::{Value, json};

    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn what_takes_too_long_is_a_problem_like_any_other() {
        let router = Router::new().route("/slow", get(std::future::pending::<()>)).layer(from_fn(async |request, next| timely(Duration::from_millis(5), request, next).await));
        let response = router.oneshot(Request::get("/slow").body(axum::body::Body::empty()).unwrap()).await.unwrap();
        assert_eq!((response.status(), response.headers()[header::CONTENT_TYPE].to_str().unwrap()), (StatusCode::GATEWAY_TIMEOUT, "application/problem+json"));
        let problem: Value = serde_json::from_slice(&to_bytes(response.into_body(), 1 << 20).await.unwrap()).unwrap();
        assert_eq!(problem["code"], "timeout");
    }

    #[tokio::test]
    async fn a_page_that_a_model_answers_with_is_no_cause() {
        let answer = Prediction { status: 503, body: json!("<html><script>alert(1)</script></html>"), latency_ms: 1.5, pod: "iris-1".into(), revision: 2 };
        assert_eq!(Problem::of_model(answer).detail, "The model answered with status 503 and gave no reason in words; `answer` has all it said.");
    }

    #[tokio::test]
    async fn a_models_error_is_no_success() {
        for (status, outside, code) in
            [(400, StatusCode::UNPROCESSABLE_ENTITY, "model_refused"), (500, StatusCode::BAD_GATEWAY, "model_error"), (302, StatusCode::BAD_GATEWAY, "model_error")]
        {
            let answer = Prediction { status, body: json!({ "error": "wrong shape" }), latency_ms: 1.5, pod: "iris-1".into(), revision: 2 };
            let response = Problem::of_model(answer).into_response();
            assert_eq!((response.status(), response.headers()[header::CONTENT_TYPE].to_str().unwrap()), (outside, "application/problem+json"));
            let problem: Value = serde_json::from_slice(&to_bytes(response.into_body(), 1 << 20).await.unwrap()).unwrap();
            assert_eq!((&problem["code"], &problem["detail"]), (&json!(code), &json!(format!("The model answered with status {status}: wrong shape"))));
            assert_eq!(problem["answer"], json!({ "status": status, "body": { "error": "wrong shape" }, "latency_ms": 1.5, "pod": "iris-1", "revision": 2 }));
        }
    }
}
