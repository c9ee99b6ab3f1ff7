//! Every route on one page.
//!
//! Layers that belong together are built as one: each that is laid around a router by itself is a copy and a box for every request.

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use domain::{Code, Rejected};
use http::{HeaderName, HeaderValue, header};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    services::{ServeDir, ServeFile},
    set_header::SetResponseHeaderLayer,
    trace::TraceLayer,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{forms, rest, rest::error::RestError, session, state::AppState, telemetry};

/// REST, with the paths its document has.
pub fn api() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(rest::me::get))
        .routes(routes!(rest::me::change_password))
        .routes(routes!(rest::me::sessions))
        .routes(routes!(rest::me::end_session))
        .routes(routes!(rest::users::list))
        .routes(routes!(rest::users::get, rest::users::update))
        .routes(routes!(rest::invitations::list, rest::invitations::create))
        .routes(routes!(rest::invitations::revoke))
        .routes(routes!(rest::tokens::list, rest::tokens::create))
        .routes(routes!(rest::tokens::revoke))
        .routes(routes!(rest::tokens::list_of_team))
        .routes(routes!(rest::teams::list, rest::teams::create))
        .routes(routes!(rest::teams::get, rest::teams::update, rest::teams::delete))
        .routes(routes!(rest::teams::members, rest::teams::set_member))
        .routes(routes!(rest::teams::remove_member))
        .routes(routes!(rest::teams::prefixes))
        .routes(routes!(rest::accounts::list, rest::accounts::create))
        .routes(routes!(rest::accounts::get, rest::accounts::update, rest::accounts::delete))
        .routes(routes!(rest::accounts::check))
        .routes(routes!(rest::accounts::policy))
        .routes(routes!(rest::accounts::add_prefix, rest::accounts::remove_prefix))
        .routes(routes!(rest::accounts::repositories))
        .routes(routes!(rest::accounts::images))
        .routes(routes!(rest::clusters::list, rest::clusters::attach))
        .routes(routes!(rest::clusters::found))
        .routes(routes!(rest::clusters::get, rest::clusters::detach))
        .routes(routes!(rest::clusters::check))
        .routes(routes!(rest::clusters::connection, rest::clusters::set_connection))
        .routes(routes!(rest::clusters::newer))
        .routes(routes!(rest::clusters::accept_database))
        .routes(routes!(rest::clusters::access, rest::clusters::set_up_access))
        .routes(routes!(rest::clusters::nodes))
        .routes(routes!(rest::models::list, rest::models::create))
        .routes(routes!(rest::models::get, rest::models::update, rest::models::delete))
        .routes(routes!(rest::releases::list, rest::releases::create))
        .routes(routes!(rest::releases::get, rest::releases::delete))
        .routes(routes!(rest::workspaces::list, rest::workspaces::create))
        .routes(routes!(rest::workspaces::get, rest::workspaces::update, rest::workspaces::delete))
        .routes(routes!(rest::workspaces::keep))
        .routes(routes!(rest::workspaces::repair))
        .routes(routes!(rest::deployments::list, rest::deployments::create))
        .routes(routes!(rest::deployments::counts))
        .routes(routes!(rest::deployments::preview))
        .routes(routes!(rest::deployments::get, rest::deployments::change, rest::deployments::delete))
        .routes(routes!(rest::deployments::preview_change))
        .routes(routes!(rest::deployments::revisions))
        .routes(routes!(rest::deployments::roll_back))
        .routes(routes!(rest::deployments::predict))
        .routes(routes!(rest::deployments::logs))
        .routes(routes!(rest::operations::list))
        .routes(routes!(rest::operations::get))
        .routes(routes!(rest::operations::cancel))
        .routes(routes!(rest::audit::list))
}

/// Pages and their forms.
pub fn pages() -> Router<AppState> {
    Router::new()
        .route("/sign-in", get(forms::sign_in::show).post(forms::sign_in::sign_in))
        .route("/sign-out", get(forms::sign_in::no_sign_out).post(forms::sign_in::sign_out))
        .route("/", get(forms::home::show))
        .route("/deployments", get(forms::deployments::list))
        .route("/deployments/new", get(forms::deployments::new).post(forms::deployments::create))
        .route("/deployments/{id}", get(forms::deployments::show).post(forms::deployments::post))
        .route("/deployments/{id}/logs", get(forms::deployments::logs))
        .route("/deployments/{id}/logs/download", get(forms::deployments::download_logs))
        .route("/deployments/{id}/change", get(forms::deployments::change).post(forms::deployments::post_change))
        .route("/clusters", get(forms::clusters::list))
        .route("/clusters/new", get(forms::clusters::find).post(forms::clusters::attach))
        .route("/clusters/{id}", get(forms::clusters::show).post(forms::clusters::post))
        .route("/live/clusters/{id}", get(forms::clusters::follow))
        .route("/workspaces", get(forms::workspaces::list).post(forms::workspaces::create))
        .route("/workspaces/{id}", get(forms::workspaces::show).post(forms::workspaces::post))
        .route("/live/workspaces/{id}", get(forms::workspaces::live))
        .route("/operations", get(forms::operations::list))
        .route("/operations/{id}", get(forms::operations::show).post(forms::operations::post))
        .route("/audit", get(forms::audit::list))
        .route("/reference", get(forms::reference::show))
        .route("/live/deployments/{id}", get(forms::deployments::live))
        .route("/live/operations/{id}", get(forms::operations::live))
        .route("/links/{secret}", get(forms::links::show).post(forms::links::redeem))
        .route("/profile", get(forms::profile::show).post(forms::profile::post))
        .route("/users", get(forms::users::list).post(forms::users::post))
        .route("/users/{id}", get(forms::users::show).post(forms::users::change))
        .route("/teams/{id}/tokens", get(forms::team_tokens::show).post(forms::team_tokens::post))
        .route("/accounts", get(forms::accounts::list).post(forms::accounts::create))
        .route("/accounts/{id}", get(forms::accounts::show).post(forms::accounts::post))
        .route("/models", get(forms::models::list).post(forms::models::create))
        .route("/models/{id}", get(forms::models::show).post(forms::models::post))
        .route("/models/{id}/releases/new", get(forms::models::new_release).post(forms::models::register))
        .route("/releases/{id}", get(forms::models::release).post(forms::models::post_release))
        .route("/teams", get(forms::teams::list).post(forms::teams::create))
        .route("/teams/{id}", get(forms::teams::show).post(forms::teams::post))
}

/// The whole portal.
pub fn router(state: AppState) -> Router {
    around(pages(), state)
}

/// The whole portal with these pages in it.
pub fn around(pages: Router<AppState>, state: AppState) -> Router {
    let (api, _) = api().split_for_parts();
    let api = Router::new()
        .nest(
            "/api/v1",
            api.layer(ServiceBuilder::new().layer(from_fn(session::signed_in_only)).layer(from_fn(rest::query::layer)).layer(from_fn(rest::error::layer)))
                .route("/openapi.json", get(rest::document::json))
                .route("/problems/{code}", get(rest::document::problem))
                .route("/docs", get(rest::document::browse))
                .route("/docs/{*path}", get(rest::document::browse))
                .fallback(no_such_address)
                .method_not_allowed_fallback(wrong_method),
        )
        .route("/api/{*path}", any(no_such_address))
        .layer(ServiceBuilder::new().layer(set(header::CACHE_CONTROL, "no-store")).layer(from_fn_with_state(state.clone(), timely)));
    // What is caught inside is said on a page.
    let pages = pages.fallback(no_such_page).layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(state.clone(), forms::shown::layer))
            .layer(from_fn_with_state(state.clone(), timely))
            .layer(CatchPanicLayer::custom(panicked)),
    );
    Router::new()
        .merge(api)
        .merge(pages)
        .layer(
            ServiceBuilder::new()
                .layer(from_fn_with_state(state.clone(), session::cross_site::layer))
                .layer(from_fn_with_state(state.clone(), session::layer))
                .layer(from_fn(telemetry::measure)),
        )
        .merge(assets(&state))
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(telemetry::ready))
        .layer(
            ServiceBuilder::new()
                .layer(from_fn(own_request_id))
                .layer(SetRequestIdLayer::new(HeaderName::from_static("x-request-id"), MakeRequestUuid))
                .layer(TraceLayer::new_for_http().make_span_with(telemetry::span))
                .layer(PropagateRequestIdLayer::new(HeaderName::from_static("x-request-id")))
                .layer(set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
                .layer(set(header::REFERRER_POLICY, "same-origin"))
                .layer(set(header::X_FRAME_OPTIONS, "DENY"))
                .option_layer(state.is_https().then(|| set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000")))
                .layer(set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin"))
                .layer(CatchPanicLayer::custom(panicked))
                .layer(from_fn_with_state(state.clone(), timely_in_any_case))
                .layer(CompressionLayer::new().br(false).quality(tower_http::CompressionLevel::Fastest))
                .layer(DefaultBodyLimit::max(rest::extract::MAX_BODY)),
        )
        .with_state(state)
}

/// Files that are the same for everyone; nobody's session is looked up for them.
fn assets(state: &AppState) -> Router<AppState> {
    let site = std::path::PathBuf::from(state.web.options.site_root.to_string());
    Router::new()
        .nest_service("/pkg", ServeDir::new(site.join("pkg")).precompressed_br().precompressed_gzip())
        .route_service("/icon.svg", ServeFile::new(site.join("icon.svg")))
        .layer(from_fn(cached))
}

/// A file asked for by its version never changes; any other is asked about again.
async fn cached(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let versioned = request.uri().query().is_some_and(|query| query.starts_with("v="));
    let mut response = next.run(request).await;
    let policy = if versioned && response.status().is_success() { "public, max-age=31536000, immutable" } else { "no-cache" };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(policy));
    response
}

/// A proxy's id for the request is kept when it is one: it stands in logs and answers, and anybody can send it.
async fn own_request_id(mut request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    const NAME: &str = "x-request-id";
    let is_id = |value: &HeaderValue| (1..=64).contains(&value.len()) && value.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte));
    if request.headers().get_all(NAME).iter().count() > 1 || !request.headers().get(NAME).is_none_or(is_id) {
        request.headers_mut().remove(NAME);
    }
    next.run(request).await
}

async fn timely(State(state): State<AppState>, request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    rest::error::timely(state.web.patience, request, next).await
}

/// For what comes before and beside pages and API: the session's lookup, a body that is read for its idempotency key. Later than theirs, which know how to say it.
async fn timely_in_any_case(State(state): State<AppState>, request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    rest::error::timely(state.web.patience.mul_f32(1.1), request, next).await
}

fn set(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

async fn no_such_address() -> RestError {
    Rejected::new(Code::NotFound, "There is no such address. /api/v1/openapi.json lists them.").into()
}

async fn wrong_method() -> RestError {
    Rejected::new(Code::MethodNotAllowed, "This address does not take this method. /api/v1/openapi.json lists what it takes.").into()
}

async fn no_such_page() -> forms::shown::PageError {
    Rejected::not_found("page").into()
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let what = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("something that is not text");
    RestError(anyhow::anyhow!("a handler panicked: {what}").into()).into_response()
}
