//! `/api/v1/me`: whoever asks.

use axum::Json;
use control::{OrReplay as _, sessions, users};
use domain::{
    ids::SessionId,
    user::{Me, NewPassword, PasswordChanged, Session},
};
use http::StatusCode;

use super::{
    error::Problem,
    extract::{Body, Id},
    respond::Answer,
};
use crate::session::Caller;

/// Says who you are and what you hold.
#[utoipa::path(get, path = "/me", operation_id = "get_me", tag = "users", responses((status = 200, body = Me), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn get(Caller(ctx): Caller) -> Answer<Json<Me>> {
    Ok(Json(users::me(&ctx).await?))
}

/// Changes your password and ends your other sessions. Takes a signed-in person: no token changes a password.
#[utoipa::path(post, path = "/me/password", operation_id = "change_password", tag = "users", request_body = NewPassword, responses((status = 200, body = PasswordChanged), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn change_password(Caller(ctx): Caller, Body(new): Body<NewPassword>) -> Answer<Json<PasswordChanged>> {
    let sessions_ended = users::change_password(&ctx, &new.current_password, &new.new_password).await?;
    Ok(Json(PasswordChanged { sessions_ended }))
}

/// Lists where you are signed in, the newest first. Takes a signed-in person.
#[utoipa::path(get, path = "/me/sessions", operation_id = "list_sessions", tag = "users", responses((status = 200, body = Vec<Session>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn sessions(Caller(ctx): Caller) -> Answer<Json<Vec<Session>>> {
    Ok(Json(sessions::list(&ctx).await?))
}

/// Ends one of your sessions. Takes a signed-in person.
#[utoipa::path(delete, path = "/me/sessions/{id}", operation_id = "end_session", tag = "users", params(("id" = SessionId, Path)), responses((status = 204), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn end_session(Caller(ctx): Caller, Id(id): Id<SessionId>) -> Answer<StatusCode> {
    sessions::revoke(&ctx, id).await.or_replay()?;
    Ok(StatusCode::NO_CONTENT)
}
