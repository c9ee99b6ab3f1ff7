//! `/api/v1/invitations`

use axum::Json;
use control::{OrReplay as _, links};
use domain::{
    ids::LinkId,
    page::{Page, PageQuery},
    user::{Invitation, NewInvitation, OpenInvitation},
};
use http::StatusCode;

use super::{
    error::Problem,
    extract::{Body, Id, Query},
    respond::{Answer, Created},
};
use crate::session::Caller;

/// Lists invitations that were not used yet.
#[utoipa::path(get, path = "/invitations", operation_id = "list_invitations", tag = "users", params(PageQuery), responses((status = 200, body = Page<OpenInvitation>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn list(Caller(ctx): Caller, Query(query): Query<PageQuery>) -> Answer<Json<Page<OpenInvitation>>> {
    Ok(Json(links::invitations(&ctx, &query).await?))
}

/// Invites a person by a link that works once. The link is in this answer and nowhere else.
#[utoipa::path(post, path = "/invitations", operation_id = "create_invitation", tag = "users", request_body = NewInvitation, responses((status = 201, body = Invitation), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create(Caller(ctx): Caller, Body(new): Body<NewInvitation>) -> Answer<Created<Invitation>> {
    let invitation = links::invite(&ctx, &new).await.or_replay()?;
    Ok(Created { location: format!("/api/v1/invitations/{}", invitation.id), version: None, body: invitation })
}

/// Withdraws an invitation.
#[utoipa::path(delete, path = "/invitations/{id}", operation_id = "revoke_invitation", tag = "users", params(("id" = LinkId, Path)), responses((status = 204), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn revoke(Caller(ctx): Caller, Id(id): Id<LinkId>) -> Answer<StatusCode> {
    links::revoke_invitation(&ctx, id).await.or_replay()?;
    Ok(StatusCode::NO_CONTENT)
}
