//! `/api/v1/workspaces`

use axum::Json;
use control::{OrReplay as _, workspaces};
use domain::{
    ids::WorkspaceId,
    operation::Started,
    page::Page,
    workspace::{NewWorkspace, Workspace, WorkspaceChange, WorkspaceQuery},
};

use super::{
    error::Problem,
    extract::{Body, Id, Query},
    precondition::Seen,
    respond::{Answer, Begun, Tagged},
};
use crate::session::Caller;

/// Lists the workspaces you may see.
#[utoipa::path(get, path = "/workspaces", operation_id = "list_workspaces", tag = "workspaces", params(WorkspaceQuery), responses((status = 200, body = Page<Workspace>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn list(Caller(ctx): Caller, Query(query): Query<WorkspaceQuery>) -> Answer<Json<Page<Workspace>>> {
    Ok(Json(workspaces::list(&ctx, &query).await?))
}

/// Makes a workspace: a namespace of a team on a cluster.
#[utoipa::path(post, path = "/workspaces", operation_id = "create_workspace", tag = "workspaces", request_body = NewWorkspace, responses((status = 202, body = Started), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create(Caller(ctx): Caller, Body(new): Body<NewWorkspace>) -> Answer<Begun> {
    Ok(Begun(workspaces::create(&ctx, &new).await.or_replay()?))
}

/// Shows a workspace.
#[utoipa::path(get, path = "/workspaces/{id}", operation_id = "get_workspace", tag = "workspaces", params(("id" = WorkspaceId, Path)), responses((status = 200, body = Workspace), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn get(Caller(ctx): Caller, Id(id): Id<WorkspaceId>) -> Answer<Tagged<Workspace>> {
    let workspace = workspaces::get(&ctx, id).await?;
    Ok(Tagged(workspace.version, workspace))
}

/// Changes a workspace's quota, or lets it take over a namespace that exists already.
#[utoipa::path(patch, path = "/workspaces/{id}", operation_id = "update_workspace", tag = "workspaces", params(("id" = WorkspaceId, Path), ("If-Match" = String, Header)), request_body = WorkspaceChange, responses((status = 202, body = Started), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn update(Seen(ctx): Seen, Id(id): Id<WorkspaceId>, Body(change): Body<WorkspaceChange>) -> Answer<Begun> {
    Ok(Begun(workspaces::update(&ctx, id, &change).await.or_replay()?))
}

/// Calls off a workspace's deletion that is not over. What was deleted already is made again, empty.
#[utoipa::path(post, path = "/workspaces/{id}/keep", operation_id = "keep_workspace", tag = "workspaces", params(("id" = WorkspaceId, Path)), responses((status = 202, body = Started), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn keep(Caller(ctx): Caller, Id(id): Id<WorkspaceId>) -> Answer<Begun> {
    Ok(Begun(workspaces::keep(&ctx, id).await.or_replay()?))
}

/// Writes everything of a workspace again, and makes what is missing. What others set in the cluster is set back only when a person presses Repair on its page.
#[utoipa::path(post, path = "/workspaces/{id}/repair", operation_id = "repair_workspace", tag = "workspaces", params(("id" = WorkspaceId, Path), ("If-Match" = String, Header)), responses((status = 202, body = Started), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn repair(Seen(ctx): Seen, Id(id): Id<WorkspaceId>) -> Answer<Begun> {
    Ok(Begun(workspaces::repair(&ctx, id).await.or_replay()?))
}

/// Takes a workspace away that has no deployments.
#[utoipa::path(delete, path = "/workspaces/{id}", operation_id = "delete_workspace", tag = "workspaces", params(("id" = WorkspaceId, Path)), responses((status = 202, body = Started), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn delete(Caller(ctx): Caller, Id(id): Id<WorkspaceId>) -> Answer<Begun> {
    Ok(Begun(workspaces::delete(&ctx, id).await.or_replay()?))
}
