//! `/api/v1/accounts` and `/api/v1/repositories`

use axum::Json;
use control::{OrReplay as _, accounts};
use domain::{
    account::{Account, AccountChange, AccountPolicy, Image, ImageQuery, NewAccount, NewPrefix, RemovedPrefix, Repository, RepositoryQuery},
    ids::AccountId,
    page::{Page, PageQuery},
};
use http::StatusCode;

use super::{
    error::Problem,
    extract::{Body, Id, Query},
    precondition::Seen,
    respond::{Answer, Created, Tagged},
};
use crate::session::Caller;

/// Lists the AWS accounts Slipway works in.
#[utoipa::path(get, path = "/accounts", operation_id = "list_accounts", tag = "accounts", params(PageQuery), responses((status = 200, body = Page<Account>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn list(Caller(ctx): Caller, Query(query): Query<PageQuery>) -> Answer<Json<Page<Account>>> {
    Ok(Json(accounts::list(&ctx, &query).await?))
}

/// Adds an AWS account.
#[utoipa::path(post, path = "/accounts", operation_id = "create_account", tag = "accounts", request_body = NewAccount, responses((status = 201, body = Account), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn create(Caller(ctx): Caller, Body(new): Body<NewAccount>) -> Answer<Created<Account>> {
    let account = accounts::create(&ctx, &new).await.or_replay()?;
    Ok(Created { location: format!("/api/v1/accounts/{}", account.id), version: Some(account.version), body: account })
}

/// Shows an account with what its last check found.
#[utoipa::path(get, path = "/accounts/{id}", operation_id = "get_account", tag = "accounts", params(("id" = AccountId, Path)), responses((status = 200, body = Account), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn get(Caller(ctx): Caller, Id(id): Id<AccountId>) -> Answer<Tagged<Account>> {
    let account = accounts::get(&ctx, id).await?;
    Ok(Tagged(account.version, account))
}

/// Changes how Slipway gets into an account, and its regions.
#[utoipa::path(patch, path = "/accounts/{id}", operation_id = "update_account", tag = "accounts", params(("id" = AccountId, Path), ("If-Match" = String, Header)), request_body = AccountChange, responses((status = 200, body = Account), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn update(Seen(ctx): Seen, Id(id): Id<AccountId>, Body(change): Body<AccountChange>) -> Answer<Tagged<Account>> {
    let account = accounts::update(&ctx, id, &change).await.or_replay()?;
    Ok(Tagged(account.version, account))
}

/// Forgets an account that nothing needs any more. Nothing in AWS is touched.
#[utoipa::path(delete, path = "/accounts/{id}", operation_id = "delete_account", tag = "accounts", params(("id" = AccountId, Path)), responses((status = 204), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn delete(Caller(ctx): Caller, Id(id): Id<AccountId>) -> Answer<StatusCode> {
    accounts::delete(&ctx, id).await.or_replay()?;
    Ok(StatusCode::NO_CONTENT)
}

/// Finds out, now, what Slipway may do in an account.
#[utoipa::path(post, path = "/accounts/{id}/check", operation_id = "check_account", tag = "accounts", params(("id" = AccountId, Path)), responses((status = 200, body = Account), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn check(Caller(ctx): Caller, Id(id): Id<AccountId>) -> Answer<Tagged<Account>> {
    let account = accounts::check(&ctx, id).await.or_replay()?;
    Ok(Tagged(account.version, account))
}

/// Shows the IAM policies to copy.
#[utoipa::path(get, path = "/accounts/{id}/policy", operation_id = "get_account_policy", tag = "accounts", params(("id" = AccountId, Path)), responses((status = 200, body = AccountPolicy), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn policy(Caller(ctx): Caller, Id(id): Id<AccountId>) -> Answer<Json<AccountPolicy>> {
    Ok(Json(accounts::policy(&ctx, id).await?))
}

/// Lets a team release from repositories whose names begin with a prefix.
#[utoipa::path(put, path = "/accounts/{id}/prefixes", operation_id = "add_prefix", tag = "accounts", params(("id" = AccountId, Path)), request_body = NewPrefix, responses((status = 200, body = Account), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn add_prefix(Caller(ctx): Caller, Id(id): Id<AccountId>, Body(new): Body<NewPrefix>) -> Answer<Tagged<Account>> {
    let account = accounts::add_prefix(&ctx, id, &new).await.or_replay()?;
    Ok(Tagged(account.version, account))
}

/// Takes a prefix back. Releases that were made from it stay.
#[utoipa::path(delete, path = "/accounts/{id}/prefixes", operation_id = "remove_prefix", tag = "accounts", params(("id" = AccountId, Path), RemovedPrefix), responses((status = 200, body = Account), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn remove_prefix(Caller(ctx): Caller, Id(id): Id<AccountId>, Query(removed): Query<RemovedPrefix>) -> Answer<Tagged<Account>> {
    let account = accounts::remove_prefix(&ctx, id, &removed.prefix).await.or_replay()?;
    Ok(Tagged(account.version, account))
}

/// Lists the ECR repositories that a team may release from, as ECR has them now.
#[utoipa::path(get, path = "/repositories", operation_id = "list_repositories", tag = "repositories", params(RepositoryQuery), responses((status = 200, body = Page<Repository>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn repositories(Caller(ctx): Caller, Query(query): Query<RepositoryQuery>) -> Answer<Json<Page<Repository>>> {
    Ok(Json(accounts::repositories::list(&ctx, &query).await?))
}

/// Lists the tagged images of a repository that a team may release from, newest first.
#[utoipa::path(get, path = "/repositories/images", operation_id = "list_images", tag = "repositories", params(ImageQuery), responses((status = 200, body = Page<Image>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn images(Caller(ctx): Caller, Query(query): Query<ImageQuery>) -> Answer<Json<Page<Image>>> {
    Ok(Json(accounts::repositories::images(&ctx, &query).await?))
}
