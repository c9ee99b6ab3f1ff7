//! `/users` and `/users/{id}`.

use app::{
    buttons::{self, Button as _},
    form::Typed,
    pages,
    said::Said,
};
use axum::response::IntoResponse as _;
use control::{Ctx, OrReplay as _, links, users};
use domain::{
    Rejected,
    access::{PlatformRole, TeamRole},
    ids::UserId,
    user::{Earlier, Invitation, NewInvitation, PlatformRoleChange, UserChange, UserQuery},
};

use super::{
    posted::{Posted, confirmed},
    shown::{FormResult, PageResult, Shown, again, saying},
};
use crate::{
    rest::extract::{Id, Query},
    session::Caller,
};

pub async fn list(Caller(ctx): Caller, Query(query): Query<UserQuery>) -> PageResult {
    Ok(pages::users::list(&ctx, query, Typed::default(), None).await?.into())
}

pub async fn post(Posted(ctx, typed): Posted) -> FormResult {
    match invite_or_revoke(&ctx, &typed).await {
        Ok(None) => Ok(saying("/users", Said::InvitationRevoked)),
        // Shown at once instead of after a redirect: the link is kept nowhere.
        Ok(Some(made)) => Ok(Shown::from(pages::users::list(&ctx, UserQuery::default(), Typed::default(), Some(made)).await?).into_response()),
        Err(error) => {
            let rejected = again(error)?;
            Ok(Shown::from(pages::users::list(&ctx, UserQuery::default(), typed.rejected(rejected), None).await?).into_response())
        }
    }
}

async fn invite_or_revoke(ctx: &Ctx, typed: &Typed) -> control::Result<Option<Invitation>> {
    match buttons::Users::pressed(typed)? {
        buttons::Users::Invite => {
            let platform_role = match typed.text("platform_role") {
                "" => None,
                "auditor" => Some(PlatformRole::Auditor),
                "admin" => Some(PlatformRole::Admin),
                _ => return Err(Rejected::field("platform_role", "Choose a role.").into()),
            };
            let team = typed.filled("team").map(str::to_owned);
            let team_role = typed.filled("team_role").map(|role| team_role("team_role", role)).transpose()?;
            // Viewer stands in the form before anybody chooses: without a team it asks for nothing.
            let team_role = team_role.filter(|role| team.is_some() || *role != TeamRole::Viewer);
            let earlier = if typed.text("earlier") == "replace" { Earlier::Replace } else { Earlier::Keep };
            let new = NewInvitation { email: typed.text("email").into(), platform_role, team, team_role, earlier };
            links::invite(ctx, &new).await.or_replay().map(Some)
        }
        buttons::Users::RevokeInvitation => {
            let link = typed.text("link").parse().map_err(|_| Rejected::not_found("invitation"))?;
            links::revoke_invitation(ctx, link).await.or_replay()?;
            Ok(None)
        }
    }
}

pub async fn show(Caller(ctx): Caller, Id(id): Id<UserId>) -> PageResult {
    Ok(pages::user::show(&ctx, id, Typed::default()).await?.into())
}

pub async fn change(Id(id): Id<UserId>, Posted(ctx, typed): Posted) -> FormResult {
    match change_or_disable(&ctx, id, &typed).await {
        Ok(()) => Ok(saying(&format!("/users/{id}"), Said::Saved)),
        Err(error) => {
            let rejected = again(error)?;
            Ok(Shown::from(pages::user::show(&ctx, id, typed.rejected(rejected)).await?).into_response())
        }
    }
}

async fn change_or_disable(ctx: &Ctx, id: UserId, typed: &Typed) -> control::Result<()> {
    let change = wanted(typed)?;
    if change.disabled == Some(true) {
        confirmed(typed, &users::get(ctx, id).await?.email)?;
    }
    users::update(ctx, id, &change).await.or_replay()?;
    Ok(())
}

fn wanted(typed: &Typed) -> Result<UserChange, Rejected> {
    match buttons::User::pressed(typed)? {
        buttons::User::Update => {
            let role = match typed.text("platform_role") {
                "none" => PlatformRoleChange::None,
                "auditor" => PlatformRoleChange::Auditor,
                "admin" => PlatformRoleChange::Admin,
                _ => return Err(Rejected::field("platform_role", "Choose a role.")),
            };
            Ok(UserChange { name: Some(typed.text("name").into()), platform_role: Some(role), disabled: None })
        }
        buttons::User::Disable => Ok(UserChange { disabled: Some(true), ..UserChange::default() }),
        buttons::User::Enable => Ok(UserChange { disabled: Some(false), ..UserChange::default() }),
    }
}

/// The team role that a form's field names.
pub(super) fn team_role(field: &str, text: &str) -> Result<TeamRole, Rejected> {
    TeamRole::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| Rejected::field(field, "Choose a role."))
}
