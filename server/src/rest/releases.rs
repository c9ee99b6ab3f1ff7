//! `/api/v1/releases`

use axum::Json;
use control::{OrReplay as _, releases};
use domain::{
    ids::ReleaseId,
    model::{NewRelease, Release, ReleaseQuery},
    page::Page,
};
use http::StatusCode;

use super::{
    error::Problem,
    extract::{Body, Id, Query},
    respond::{Answer, Created},
};
use crate::session::Caller;

/// Lists the releases of your teams, or of one model.
#[utoipa::path(get, path = "/releases", operation_id = "list_releases", tag = "releases", params(ReleaseQuery), responses((status = 200, body = Page<Release>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn list(Caller(ctx): Caller, Query(query): Query<ReleaseQuery>) -> Answer<Json<Page<Release>>> {
    Ok(Json(releases::list(&ctx, &query).await?))
}

/// Registers a release: the tag is resolved to its digest now and never again.
#[utoipa::path(post, path = "/releases", operation_id = "create_release", tag = "releases", request_body = NewRelease, responses((status = 201, body = Release), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create(Caller(ctx): Caller, Body(new): Body<NewRelease>) -> Answer<Created<Release>> {
    let release = releases::create(&ctx, &new).await.or_replay()?;
    Ok(Created { location: format!("/api/v1/releases/{}", release.id), version: None, body: release })
}

/// Shows a release.
#[utoipa::path(get, path = "/releases/{id}", operation_id = "get_release", tag = "releases", params(("id" = ReleaseId, Path)), responses((status = 200, body = Release), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn get(Caller(ctx): Caller, Id(id): Id<ReleaseId>) -> Answer<Json<Release>> {
    Ok(Json(releases::get(&ctx, id).await?))
}

/// Deletes a release that no deployment uses or can go back to.
#[utoipa::path(delete, path = "/releases/{id}", operation_id = "delete_release", tag = "releases", params(("id" = ReleaseId, Path)), responses((status = 204), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn delete(Caller(ctx): Caller, Id(id): Id<ReleaseId>) -> Answer<StatusCode> {
    releases::delete(&ctx, id).await.or_replay()?;
    Ok(StatusCode::NO_CONTENT)
}
