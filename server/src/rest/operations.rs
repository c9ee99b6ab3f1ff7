//! `/api/v1/operations`

use axum::Json;
use control::{OrReplay as _, operations};
use domain::{
    ids::OperationId,
    operation::{Operation, OperationQuery},
    page::Page,
};

use super::{
    error::Problem,
    extract::{Id, Query},
    respond::Answer,
};
use crate::session::Caller;

/// Lists the operations you may see, newest first.
#[utoipa::path(get, path = "/operations", operation_id = "list_operations", tag = "operations", params(OperationQuery), responses((status = 200, body = Page<Operation>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn list(Caller(ctx): Caller, Query(query): Query<OperationQuery>) -> Answer<Json<Page<Operation>>> {
    Ok(Json(operations::list(&ctx, &query).await?))
}

/// Shows an operation with its steps.
#[utoipa::path(get, path = "/operations/{id}", operation_id = "get_operation", tag = "operations", params(("id" = OperationId, Path)), responses((status = 200, body = Operation), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn get(Caller(ctx): Caller, Id(id): Id<OperationId>) -> Answer<Json<Operation>> {
    Ok(Json(operations::get(&ctx, id).await?))
}

/// Cancels an operation: its deployment is held as it is, its rollout paused in the cluster, until the next revision.
#[utoipa::path(post, path = "/operations/{id}/cancel", operation_id = "cancel_operation", tag = "operations", params(("id" = OperationId, Path)), responses((status = 200, body = Operation), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn cancel(Caller(ctx): Caller, Id(id): Id<OperationId>) -> Answer<Json<Operation>> {
    Ok(Json(operations::cancel(&ctx, id).await.or_replay()?))
}
