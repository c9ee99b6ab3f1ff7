//! `/api/v1/teams`

use axum::Json;
use control::{OrReplay as _, accounts, teams};
use domain::{
    account::TeamRepositories,
    ids::{TeamId, UserId},
    page::{Page, PageQuery},
    team::{Member, MemberChange, NewTeam, Team, TeamChange},
};
use http::StatusCode;

use super::{
    error::Problem,
    extract::{Body, Id, Ids, Query},
    precondition::Seen,
    respond::{Answer, Created, Tagged},
};
use crate::session::Caller;

/// Lists the teams you may see.
#[utoipa::path(get, path = "/teams", operation_id = "list_teams", tag = "teams", params(PageQuery), responses((status = 200, body = Page<Team>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn list(Caller(ctx): Caller, Query(query): Query<PageQuery>) -> Answer<Json<Page<Team>>> {
    Ok(Json(teams::list(&ctx, &query).await?))
}

/// Creates a team.
#[utoipa::path(post, path = "/teams", operation_id = "create_team", tag = "teams", request_body = NewTeam, responses((status = 201, body = Team), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create(Caller(ctx): Caller, Body(new): Body<NewTeam>) -> Answer<Created<Team>> {
    let team = teams::create(&ctx, &new).await.or_replay()?;
    Ok(Created { location: format!("/api/v1/teams/{}", team.id), version: Some(team.version), body: team })
}

/// Shows a team.
#[utoipa::path(get, path = "/teams/{id}", operation_id = "get_team", tag = "teams", params(("id" = TeamId, Path)), responses((status = 200, body = Team), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn get(Caller(ctx): Caller, Id(id): Id<TeamId>) -> Answer<Tagged<Team>> {
    let team = teams::get(&ctx, id).await?;
    Ok(Tagged(team.version, team))
}

/// Changes a team's settings.
#[utoipa::path(patch, path = "/teams/{id}", operation_id = "update_team", tag = "teams", params(("id" = TeamId, Path), ("If-Match" = String, Header)), request_body = TeamChange, responses((status = 200, body = Team), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn update(Seen(ctx): Seen, Id(id): Id<TeamId>, Body(change): Body<TeamChange>) -> Answer<Tagged<Team>> {
    let team = teams::update(&ctx, id, &change).await.or_replay()?;
    Ok(Tagged(team.version, team))
}

/// Deletes an empty team.
#[utoipa::path(delete, path = "/teams/{id}", operation_id = "delete_team", tag = "teams", params(("id" = TeamId, Path)), responses((status = 204), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn delete(Caller(ctx): Caller, Id(id): Id<TeamId>) -> Answer<StatusCode> {
    teams::delete(&ctx, id).await.or_replay()?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists a team's members.
#[utoipa::path(get, path = "/teams/{id}/members", operation_id = "list_members", tag = "teams", params(("id" = TeamId, Path)), responses((status = 200, body = Vec<Member>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn members(Caller(ctx): Caller, Id(id): Id<TeamId>) -> Answer<Json<Vec<Member>>> {
    Ok(Json(teams::members(&ctx, id).await?))
}

/// Lists the repository prefixes that were given to a team, account by account.
#[utoipa::path(get, path = "/teams/{id}/prefixes", operation_id = "list_team_prefixes", tag = "teams", params(("id" = TeamId, Path)), responses((status = 200, body = Vec<TeamRepositories>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn prefixes(Caller(ctx): Caller, Id(id): Id<TeamId>) -> Answer<Json<Vec<TeamRepositories>>> {
    Ok(Json(accounts::prefixes_of_team(&ctx, id).await?))
}

/// Adds a member or changes their role.
#[utoipa::path(put, path = "/teams/{id}/members", operation_id = "set_member", tag = "teams", params(("id" = TeamId, Path)), request_body = MemberChange, responses((status = 200, body = Vec<Member>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn set_member(Caller(ctx): Caller, Id(id): Id<TeamId>, Body(change): Body<MemberChange>) -> Answer<Json<Vec<Member>>> {
    Ok(Json(teams::set_member(&ctx, id, &change).await.or_replay()?))
}

/// Takes a member out of a team.
#[utoipa::path(delete, path = "/teams/{id}/members/{user}", operation_id = "remove_member", tag = "teams", params(("id" = TeamId, Path), ("user" = UserId, Path)), responses((status = 200, body = Vec<Member>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn remove_member(Caller(ctx): Caller, Ids(id, user): Ids<TeamId, UserId>) -> Answer<Json<Vec<Member>>> {
    Ok(Json(teams::remove_member(&ctx, id, user).await.or_replay()?))
}
