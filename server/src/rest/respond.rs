//! Writes what operations give.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use domain::{ids::OperationId, operation::Started};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::error::RestError;

/// What a handler gives.
pub type Answer<T> = Result<T, RestError>;

/// 200 with an `ETag`.
pub struct Tagged<T>(pub i64, pub T);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.1).into_response();
        response.headers_mut().insert(header::ETAG, etag(self.0));
        response
    }
}

/// 201 with the new thing, its address and its `ETag`.
pub struct Created<T> {
    pub location: String,
    pub version: Option<i64>,
    pub body: T,
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, Json(self.body)).into_response();
        if let Ok(location) = HeaderValue::from_str(&self.location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        if let Some(version) = self.version {
            response.headers_mut().insert(header::ETAG, etag(version));
        }
        response
    }
}

/// 202 with the operation to watch.
pub struct Accepted(pub OperationId);

/// An operation that was accepted and goes on.
#[derive(Serialize, utoipa::ToSchema)]
pub struct AcceptedOperation {
    pub operation: OperationId,
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        let location = format!("/api/v1/operations/{}", self.0);
        let mut response = (StatusCode::ACCEPTED, Json(AcceptedOperation { operation: self.0 })).into_response();
        response.headers_mut().insert(header::LOCATION, HeaderValue::from_str(&location).expect("an id fits a header"));
        response
    }
}

/// 202 with the operation to watch and the thing it is about.
pub struct Begun(pub Started);

impl IntoResponse for Begun {
    fn into_response(self) -> Response {
        let location = format!("/api/v1/operations/{}", self.0.operation);
        let mut response = (StatusCode::ACCEPTED, Json(self.0)).into_response();
        response.headers_mut().insert(header::LOCATION, HeaderValue::from_str(&location).expect("an id fits a header"));
        response
    }
}

fn etag(version: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).expect("a number fits a header")
}
