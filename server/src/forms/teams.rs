//! `/teams` and `/teams/{id}`.

use app::{
    buttons::{self, Button as _},
    form::Typed,
    pages,
    said::Said,
};
use control::{Ctx, OrReplay as _, teams};
use domain::{
    Rejected,
    access::TeamRole,
    ids::TeamId,
    page::PageQuery,
    team::{MemberChange, NewTeam, TeamChange},
};

use super::{
    posted::{Posted, confirmed},
    shown::{FormResult, PageResult, Shown, again, saying, see_other},
};
use crate::{
    rest::extract::{Id, Query},
    session::Caller,
};
use axum::response::{IntoResponse as _, Response};

pub async fn list(Caller(ctx): Caller, Query(query): Query<PageQuery>) -> PageResult {
    Ok(pages::teams::list(&ctx, query, Typed::default()).await?.into())
}

pub async fn create(Posted(ctx, typed): Posted) -> FormResult {
    match make(&ctx, &typed).await {
        Ok(next) => Ok(see_other(&next)),
        Err(error) => {
            let rejected = again(error)?;
            Ok(Shown::from(pages::teams::list(&ctx, PageQuery::default(), typed.rejected(rejected)).await?).into_response())
        }
    }
}

async fn make(ctx: &Ctx, typed: &Typed) -> control::Result<String> {
    let buttons::Teams::Create = buttons::Teams::pressed(typed)?;
    let new = NewTeam { name: typed.text("name").into(), description: typed.text("description").into(), owner: typed.filled("owner").map(str::to_owned) };
    let team = teams::create(ctx, &new).await.or_replay()?;
    Ok(format!("/teams/{}", team.id))
}

pub async fn show(Caller(ctx): Caller, Id(id): Id<TeamId>) -> PageResult {
    Ok(pages::teams::show(&ctx, id, Typed::default()).await?.into())
}

pub async fn post(Id(id): Id<TeamId>, Posted(ctx, typed): Posted) -> FormResult {
    match change(&ctx, id, &typed).await {
        Ok(done) => Ok(done),
        Err(error) => {
            let rejected = again(error)?;
            Ok(Shown::from(pages::teams::show(&ctx, id, typed.rejected(rejected)).await?).into_response())
        }
    }
}

/// Does what the pressed button names and leads on.
async fn change(ctx: &Ctx, id: TeamId, typed: &Typed) -> control::Result<Response> {
    let here = format!("/teams/{id}");
    match buttons::Team::pressed(typed)? {
        buttons::Team::Update => {
            teams::update(ctx, id, &TeamChange { description: Some(typed.text("description").into()) }).await.or_replay()?;
            Ok(saying(&here, Said::Saved))
        }
        buttons::Team::SetMember => {
            let role = TeamRole::ALL.into_iter().find(|role| role.as_str() == typed.text("role")).ok_or_else(|| Rejected::field("role", "Choose a role."))?;
            teams::set_member(ctx, id, &MemberChange { email: typed.text("email").into(), role }).await.or_replay()?;
            Ok(saying(&here, Said::Saved))
        }
        buttons::Team::RemoveMember => {
            let user = typed.text("user").parse().map_err(|_| Rejected::not_found("member"))?;
            let members = teams::members(ctx, id).await?;
            let member = members.iter().find(|member| member.user == user).ok_or_else(|| Rejected::not_found("member"))?;
            confirmed(typed, &member.email)?;
            teams::remove_member(ctx, id, user).await.or_replay()?;
            Ok(saying(if ctx.actor().person() == Some(user) { "/teams" } else { &here }, Said::MemberRemoved))
        }
        buttons::Team::Delete => {
            confirmed(typed, &teams::get(ctx, id).await?.name)?;
            teams::delete(ctx, id).await.or_replay()?;
            Ok(see_other("/teams"))
        }
    }
}
