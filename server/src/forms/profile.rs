//! `/profile`

use app::{
    buttons::{self, Button as _},
    form::Typed,
    pages,
    said::Said,
};
use axum::response::IntoResponse as _;
use control::{Ctx, OrReplay as _, sessions, tokens, users};
use domain::{
    Rejected,
    page::PageQuery,
    token::{CreatedToken, NewToken, TokenKind},
    user::UserChange,
};

use super::{
    posted::{Posted, confirmed},
    shown::{FormResult, PageResult, Shown, again, saying},
    users::team_role,
};
use crate::{rest::extract::Query, session::Caller};

pub async fn show(Caller(ctx): Caller, Query(query): Query<PageQuery>) -> PageResult {
    Ok(pages::profile::show(&ctx, query, Typed::default(), None).await?.into())
}

pub async fn post(Posted(ctx, typed): Posted) -> FormResult {
    match change(&ctx, &typed).await {
        Ok(Done::Said(said)) => Ok(saying("/profile", said)),
        // Shown at once instead of after a redirect: the secret is kept nowhere.
        Ok(Done::Made(created)) => Ok(Shown::from(pages::profile::show(&ctx, PageQuery::default(), Typed::default(), Some(created)).await?).into_response()),
        Err(error) => {
            let mut rejected = again(error)?;
            if typed.operation() == buttons::Profile::CreateToken.word() {
                // The page has another field called name.
                rejected.errors.iter_mut().filter(|error| error.field == "name").for_each(|error| error.field = "token_name".into());
            }
            Ok(Shown::from(pages::profile::show(&ctx, PageQuery::default(), typed.rejected(rejected), None).await?).into_response())
        }
    }
}

/// What came of a form.
enum Done {
    Said(Said),
    Made(CreatedToken),
}

/// Does what the pressed button names.
async fn change(ctx: &Ctx, typed: &Typed) -> control::Result<Done> {
    match buttons::Profile::pressed(typed)? {
        buttons::Profile::Rename => {
            let user = ctx.actor().check_person()?;
            users::update(ctx, user, &UserChange { name: Some(typed.text("name").into()), ..UserChange::default() }).await.or_replay()?;
            Ok(Done::Said(Said::Saved))
        }
        buttons::Profile::ChangePassword => {
            if typed.text("new_password") != typed.text("password_again") {
                return Err(Rejected::field("password_again", "The two passwords differ.").into());
            }
            let ended = users::change_password(ctx, typed.text("current_password"), typed.text("new_password")).await.or_replay()?;
            Ok(Done::Said(Said::PasswordChanged(ended)))
        }
        buttons::Profile::RevokeSession => {
            let id = typed.text("session").parse().map_err(|_| Rejected::not_found("session"))?;
            sessions::revoke(ctx, id).await.or_replay()?;
            Ok(Done::Said(Said::SessionEnded))
        }
        buttons::Profile::CreateToken => {
            let new = new_token(typed, "token_name", TokenKind::Personal, typed.filled("team"))?;
            tokens::create(ctx, &new).await.or_replay().map(Done::Made)
        }
        buttons::Profile::RevokeToken => {
            revoke_token(ctx, typed).await?;
            Ok(Done::Said(Said::TokenRevoked))
        }
    }
}

/// The token that a form asks for.
pub(super) fn new_token(typed: &Typed, name: &str, kind: TokenKind, team: Option<&str>) -> Result<NewToken, Rejected> {
    Ok(NewToken {
        name: typed.text(name).into(),
        kind,
        team: team.map(str::to_owned),
        role: typed.filled("role").map(|role| team_role("role", role)).transpose()?,
        days: typed.text("days").trim().parse().map_err(|_| Rejected::field("days", "Let it end after 1 to 365 days."))?,
    })
}

/// Revokes the token whose button was pressed.
pub(super) async fn revoke_token(ctx: &Ctx, typed: &Typed) -> control::Result<()> {
    let id = typed.text("token").parse().map_err(|_| Rejected::not_found("token"))?;
    confirmed(typed, &tokens::get(ctx, id).await?.name)?;
    tokens::revoke(ctx, id).await.or_replay()
}
