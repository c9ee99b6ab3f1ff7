//! `/api/v1/tokens` and `/api/v1/teams/{id}/tokens`

use axum::Json;
use control::{OrReplay as _, tokens};
use domain::{
    ids::{TeamId, TokenId},
    page::{Page, PageQuery},
    token::{CreatedToken, NewToken, Token},
};
use http::StatusCode;

use super::{
    error::Problem,
    extract::{Body, Id, Query},
    respond::{Answer, Created},
};
use crate::session::Caller;

/// Lists your own tokens.
#[utoipa::path(get, path = "/tokens", operation_id = "list_tokens", tag = "tokens", params(PageQuery), responses((status = 200, body = Page<Token>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn list(Caller(ctx): Caller, Query(query): Query<PageQuery>) -> Answer<Json<Page<Token>>> {
    Ok(Json(tokens::list(&ctx, &query).await?))
}

/// Makes a token, your own or a team's. Takes a signed-in person: no token makes another. The secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/tokens", operation_id = "create_token", tag = "tokens", request_body = NewToken, responses((status = 201, body = CreatedToken), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create(Caller(ctx): Caller, Body(new): Body<NewToken>) -> Answer<Created<CreatedToken>> {
    let created = tokens::create(&ctx, &new).await.or_replay()?;
    Ok(Created { location: format!("/api/v1/tokens/{}", created.token.id), version: None, body: created })
}

/// Revokes a token for good.
#[utoipa::path(delete, path = "/tokens/{id}", operation_id = "revoke_token", tag = "tokens", params(("id" = TokenId, Path)), responses((status = 204), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn revoke(Caller(ctx): Caller, Id(id): Id<TokenId>) -> Answer<StatusCode> {
    tokens::revoke(&ctx, id).await.or_replay()?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists a team's tokens, for its owners.
#[utoipa::path(get, path = "/teams/{id}/tokens", operation_id = "list_team_tokens", tag = "tokens", params(("id" = TeamId, Path), PageQuery), responses((status = 200, body = Page<Token>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn list_of_team(Caller(ctx): Caller, Id(team): Id<TeamId>, Query(query): Query<PageQuery>) -> Answer<Json<Page<Token>>> {
    Ok(Json(tokens::list_of_team(&ctx, team, &query).await?))
}
