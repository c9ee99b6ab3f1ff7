//! `/api/v1/users`

use axum::Json;
use control::{OrReplay as _, users};
use domain::{
    ids::UserId,
    page::Page,
    user::{User, UserChange, UserQuery},
};

use super::{
    error::Problem,
    extract::{Body, Id, Query},
    precondition::Seen,
    respond::{Answer, Tagged},
};
use crate::session::Caller;

/// Lists everybody, for admins and auditors.
#[utoipa::path(get, path = "/users", operation_id = "list_users", tag = "users", params(UserQuery), responses((status = 200, body = Page<User>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn list(Caller(ctx): Caller, Query(query): Query<UserQuery>) -> Answer<Json<Page<User>>> {
    Ok(Json(users::list(&ctx, &query).await?))
}

/// Shows a person: yourself, or anybody for admins and auditors.
#[utoipa::path(get, path = "/users/{id}", operation_id = "get_user", tag = "users", params(("id" = UserId, Path)), responses((status = 200, body = User), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn get(Caller(ctx): Caller, Id(id): Id<UserId>) -> Answer<Tagged<User>> {
    let user = users::get(&ctx, id).await?;
    Ok(Tagged(user.version, user))
}

/// Changes a person's name or platform role, or disables them.
#[utoipa::path(patch, path = "/users/{id}", operation_id = "update_user", tag = "users", params(("id" = UserId, Path), ("If-Match" = String, Header)), request_body = UserChange, responses((status = 200, body = User), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn update(Seen(ctx): Seen, Id(id): Id<UserId>, Body(change): Body<UserChange>) -> Answer<Tagged<User>> {
    let user = users::update(&ctx, id, &change).await.or_replay()?;
    Ok(Tagged(user.version, user))
}
