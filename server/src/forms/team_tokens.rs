//! `/teams/{id}/tokens`

use app::{
    buttons::{self, Button as _},
    form::Typed,
    pages,
    said::Said,
};
use axum::response::IntoResponse as _;
use control::{Ctx, OrReplay as _, teams, tokens};
use domain::{
    ids::TeamId,
    page::PageQuery,
    token::{CreatedToken, TokenKind},
};

use super::{
    posted::Posted,
    profile::{new_token, revoke_token},
    shown::{FormResult, PageResult, Shown, again, saying},
};
use crate::{
    rest::extract::{Id, Query},
    session::Caller,
};

pub async fn show(Caller(ctx): Caller, Id(id): Id<TeamId>, Query(query): Query<PageQuery>) -> PageResult {
    Ok(pages::team_tokens::show(&ctx, id, query, Typed::default(), None).await?.into())
}

pub async fn post(Id(id): Id<TeamId>, Posted(ctx, typed): Posted) -> FormResult {
    match change(&ctx, id, &typed).await {
        Ok(None) => Ok(saying(&format!("/teams/{id}/tokens"), Said::TokenRevoked)),
        // Shown at once instead of after a redirect: the secret is kept nowhere.
        Ok(created) => Ok(Shown::from(pages::team_tokens::show(&ctx, id, PageQuery::default(), Typed::default(), created).await?).into_response()),
        Err(error) => {
            let rejected = again(error)?;
            Ok(Shown::from(pages::team_tokens::show(&ctx, id, PageQuery::default(), typed.rejected(rejected), None).await?).into_response())
        }
    }
}

async fn change(ctx: &Ctx, id: TeamId, typed: &Typed) -> control::Result<Option<CreatedToken>> {
    let team = teams::get(ctx, id).await?;
    match buttons::TeamTokens::pressed(typed)? {
        buttons::TeamTokens::CreateToken => {
            let new = new_token(typed, "name", TokenKind::Team, Some(&team.name))?;
            tokens::create(ctx, &new).await.or_replay().map(Some)
        }
        buttons::TeamTokens::RevokeToken => {
            revoke_token(ctx, typed).await?;
            Ok(None)
        }
    }
}
