//! The OpenAPI document, and a page to browse it.

use axum::{
    Json,
    extract::Path,
    response::{IntoResponse, Redirect, Response},
};
use domain::{Code, Rejected};
use http::{HeaderValue, header};
use utoipa::{
    OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::error::RestError;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Slipway",
        version = "1",
        description = "Puts machine-learning models on Amazon EKS. Every rejection is an RFC 9457 problem with a stable `code`. Changes that are not instant answer 202 with an operation to watch. POST, PUT, PATCH and DELETE take `Idempotency-Key`; PATCH needs `If-Match` with the `ETag` last seen. Lists take `page_size` and `page_token`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/api/v1")),
    security(("token" = [])),
    modifiers(&Token)
)]
pub struct Document;

struct Token;

impl utoipa::Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An API token, made on the profile page.")).build();
        document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The document of everything under `/api/v1`.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let (_, mut paths) = crate::router::api().split_for_parts();
    let mut document = Document::openapi();
    document.paths.paths.append(&mut paths.paths.paths);
    if let Some(components) = paths.components {
        document.components.get_or_insert_default().schemas.extend(components.schemas);
    }
    document
}

/// `GET /api/v1/openapi.json`
pub async fn json() -> Json<utoipa::openapi::OpenApi> {
    Json(openapi())
}

/// `GET /api/v1/problems/{code}`: what the `type` of a problem points at.
pub async fn problem(Path(code): Path<String>) -> Result<Json<serde_json::Value>, RestError> {
    let code = Code::ALL.iter().find(|known| known.as_str() == code).ok_or_else(|| Rejected::not_found("problem"))?;
    Ok(Json(serde_json::json!({ "code": code.as_str(), "title": code.title(), "status": code.status() })))
}

/// `GET /api/v1/docs` and what it loads, from the program itself. Its own policy: it brings scripts and styles of its own, and talks to nobody else.
pub async fn browse(path: Option<Path<String>>) -> Result<Response, RestError> {
    let path = path.map(|Path(path)| path).unwrap_or_default();
    if path.is_empty() {
        return Ok(Redirect::permanent("/api/v1/docs/index.html").into_response());
    }
    let config = std::sync::Arc::new(utoipa_swagger_ui::Config::from("/api/v1/openapi.json"));
    let file = utoipa_swagger_ui::serve(&path, config).map_err(|error| anyhow::anyhow!("{error}"))?.ok_or_else(|| Rejected::not_found("file"))?;
    let mut response = file.bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(&file.content_type).map_err(|error| anyhow::anyhow!(error))?);
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    );
    Ok(response)
}
