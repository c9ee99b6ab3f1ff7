//! `/api/v1/models`

use axum::Json;
use control::{OrReplay as _, models};
use domain::{
    ids::ModelId,
    model::{Model, ModelChange, ModelQuery, NewModel},
    page::Page,
};
use http::StatusCode;

use super::{
    error::Problem,
    extract::{Body, Id, Query},
    precondition::Seen,
    respond::{Answer, Created, Tagged},
};
use crate::session::Caller;

/// Lists the models of your teams.
#[utoipa::path(get, path = "/models", operation_id = "list_models", tag = "models", params(ModelQuery), responses((status = 200, body = Page<Model>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn list(Caller(ctx): Caller, Query(query): Query<ModelQuery>) -> Answer<Json<Page<Model>>> {
    Ok(Json(models::list(&ctx, &query).await?))
}

/// Creates a model.
#[utoipa::path(post, path = "/models", operation_id = "create_model", tag = "models", request_body = NewModel, responses((status = 201, body = Model), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create(Caller(ctx): Caller, Body(new): Body<NewModel>) -> Answer<Created<Model>> {
    let model = models::create(&ctx, &new).await.or_replay()?;
    Ok(Created { location: format!("/api/v1/models/{}", model.id), version: Some(model.version), body: model })
}

/// Shows a model.
#[utoipa::path(get, path = "/models/{id}", operation_id = "get_model", tag = "models", params(("id" = ModelId, Path)), responses((status = 200, body = Model), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn get(Caller(ctx): Caller, Id(id): Id<ModelId>) -> Answer<Tagged<Model>> {
    let model = models::get(&ctx, id).await?;
    Ok(Tagged(model.version, model))
}

/// Changes a model's description.
#[utoipa::path(patch, path = "/models/{id}", operation_id = "update_model", tag = "models", params(("id" = ModelId, Path), ("If-Match" = String, Header)), request_body = ModelChange, responses((status = 200, body = Model), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn update(Seen(ctx): Seen, Id(id): Id<ModelId>, Body(change): Body<ModelChange>) -> Answer<Tagged<Model>> {
    let model = models::update(&ctx, id, &change).await.or_replay()?;
    Ok(Tagged(model.version, model))
}

/// Deletes a model that has no releases and no deployments.
#[utoipa::path(delete, path = "/models/{id}", operation_id = "delete_model", tag = "models", params(("id" = ModelId, Path)), responses((status = 204), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn delete(Caller(ctx): Caller, Id(id): Id<ModelId>) -> Answer<StatusCode> {
    models::delete(&ctx, id).await.or_replay()?;
    Ok(StatusCode::NO_CONTENT)
}
