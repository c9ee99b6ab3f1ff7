//! The OpenAPI document. What is published is also what requests are explained by: [`super::query`] and [`super::shape`] read it.

mod bounds;
mod examples;
mod lists;
mod promises;

use std::sync::LazyLock;

use axum::{
    Json,
    extract::Path,
    response::{IntoResponse, Redirect, Response},
};
use domain::{Code, Rejected};
use serde_json::Value;
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
        description = "Puts machine-learning models on Amazon EKS. Every rejection is an RFC 9457 problem with a stable `code`; `errors` names each field at fault, by its JSON pointer into the body (empty for all of it) or by the name of the query parameter or the header. Changes that are not instant answer 202 with an operation to watch. Whatever changes something takes `Idempotency-Key`, a password aside, and nothing else does; changing what somebody else may have changed needs `If-Match` with the `ETag` last seen, and wherever else a thing has an `ETag`, deleting it among them, one that is sent is checked. Lists take `page_size` and `page_token`. Unknown fields and query parameters are refused. A team, an account or a cluster is named by its id or by its name, in bodies and in filters alike: what looks like an id is one. Models, releases, workspaces and deployments are named by their id.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/api/v1")),
    components(schemas(domain::page::Direction, domain::user::UserState)),
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

static PUBLISHED: LazyLock<Value> = LazyLock::new(|| {
    let (_, mut paths) = crate::router::api().split_for_parts();
    let mut document = Document::openapi();
    document.paths.paths.append(&mut paths.paths.paths);
    if let Some(components) = paths.components {
        document.components.get_or_insert_default().schemas.extend(components.schemas);
    }
    let mut document = serde_json::to_value(document).expect("a document is JSON");
    promises::complete(&mut document);
    bounds::add(&mut document);
    lists::tell(&mut document);
    examples::add(&mut document);
    document
});

/// The document of everything under `/api/v1`.
#[must_use]
pub fn openapi() -> &'static Value {
    &PUBLISHED
}

/// What a reference leads to; anything else is what it is.
#[must_use]
pub fn resolved(schema: &'static Value) -> &'static Value {
    let name = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/components/schemas/"));
    name.map_or(schema, |name| &PUBLISHED["components"]["schemas"][name])
}

/// `GET /api/v1/openapi.json`
pub async fn json() -> Json<&'static Value> {
    Json(openapi())
}

/// `GET /api/v1/problems/{code}`: what the `type` of a problem points at.
pub async fn problem(Path(code): Path<String>) -> Result<Json<Value>, RestError> {
    let code = Code::ALL.iter().find(|known| known.as_str() == code).ok_or_else(|| Rejected::not_found("problem"))?;
    Ok(Json(serde_json::json!({ "code": code.as_str(), "title": code.title(), "status": code.status() })))
}

/// `GET /api/v1/docs`: the reference is a page of the portal.
pub async fn browse() -> Response {
    Redirect::permanent("/reference").into_response()
}
