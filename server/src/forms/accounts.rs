//! `/accounts` and `/accounts/{id}`.

use app::{
    buttons::{self, Button as _},
    form::Typed,
    pages,
    said::Said,
};
use axum::response::{IntoResponse as _, Response};
use control::{Ctx, OrReplay as _, accounts};
use domain::{
    account::{AccountChange, NewAccount, NewPrefix},
    ids::AccountId,
    page::PageQuery,
};

use super::{
    posted::{Posted, confirmed},
    shown::{FormResult, PageResult, Shown, again, saying, see_other},
};
use crate::{
    rest::extract::{Id, Query},
    session::Caller,
};

pub async fn list(Caller(ctx): Caller, Query(query): Query<PageQuery>) -> PageResult {
    Ok(pages::accounts::list(&ctx, query, Typed::default()).await?.into())
}

pub async fn create(Posted(ctx, typed): Posted) -> FormResult {
    match add(&ctx, &typed).await {
        Ok(next) => Ok(see_other(&next)),
        Err(error) => {
            let rejected = again(error)?;
            Ok(Shown::from(pages::accounts::list(&ctx, PageQuery::default(), typed.rejected(rejected)).await?).into_response())
        }
    }
}

async fn add(ctx: &Ctx, typed: &Typed) -> control::Result<String> {
    let buttons::Accounts::Create = buttons::Accounts::pressed(typed)?;
    let new = NewAccount { name: typed.text("name").into(), role_arn: typed.filled("role_arn").map(str::to_owned), regions: regions(typed) };
    let account = accounts::create(ctx, &new).await.or_replay()?;
    Ok(format!("/accounts/{}", account.id))
}

pub async fn show(Caller(ctx): Caller, Id(id): Id<AccountId>) -> PageResult {
    Ok(pages::account::show(&ctx, id, Typed::default()).await?.into())
}

pub async fn post(Id(id): Id<AccountId>, Posted(ctx, typed): Posted) -> FormResult {
    match change(&ctx, id, &typed).await {
        Ok(done) => Ok(done),
        Err(error) => {
            let rejected = again(error)?;
            Ok(Shown::from(pages::account::show(&ctx, id, typed.rejected(rejected)).await?).into_response())
        }
    }
}

/// Does what the pressed button names and leads on.
async fn change(ctx: &Ctx, id: AccountId, typed: &Typed) -> control::Result<Response> {
    match buttons::Account::pressed(typed)? {
        buttons::Account::Check => {
            accounts::check(ctx, id).await.or_replay()?;
            Ok(see_other(&format!("/accounts/{id}")))
        }
        buttons::Account::Update => {
            let change = AccountChange { role_arn: Some(typed.text("role_arn").into()), regions: Some(regions(typed)) };
            accounts::update(ctx, id, &change).await.or_replay()?;
            Ok(saying(&format!("/accounts/{id}"), Said::Saved))
        }
        buttons::Account::AddPrefix => {
            accounts::add_prefix(ctx, id, &NewPrefix { prefix: typed.text("prefix").into(), team: typed.text("team").into() }).await.or_replay()?;
            Ok(saying(&format!("/accounts/{id}#prefixes"), Said::Saved))
        }
        buttons::Account::RemovePrefix => {
            confirmed(typed, typed.text("taken"))?;
            accounts::remove_prefix(ctx, id, typed.text("taken")).await.or_replay()?;
            Ok(saying(&format!("/accounts/{id}#prefixes"), Said::Saved))
        }
        buttons::Account::Delete => {
            confirmed(typed, &accounts::get(ctx, id).await?.name)?;
            accounts::delete(ctx, id).await.or_replay()?;
            Ok(see_other("/accounts"))
        }
    }
}

/// One field holds them all, apart by commas or spaces.
fn regions(typed: &Typed) -> Vec<String> {
    typed.text("regions").split([',', ' ', '\n', '\t']).map(str::trim).filter(|region| !region.is_empty()).map(str::to_owned).collect()
}
