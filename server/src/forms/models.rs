//! `/models`, `/models/{id}`, `/models/{id}/releases/new` and `/releases/{id}`.

use app::{
    buttons::{self, Button as _},
    form::Typed,
    pages,
    said::Said,
};
use axum::response::{IntoResponse as _, Response};
use control::{Ctx, OrReplay as _, models, releases};
use domain::{
    ids::{ModelId, ReleaseId},
    model::{ModelChange, ModelQuery, NewModel},
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

pub async fn list(Caller(ctx): Caller, Query(query): Query<ModelQuery>) -> PageResult {
    Ok(pages::models::list(&ctx, query, Typed::default()).await?.into())
}

pub async fn create(Posted(ctx, typed): Posted) -> FormResult {
    match make(&ctx, &typed).await {
        Ok(next) => Ok(see_other(&next)),
        Err(error) => {
            let rejected = again(error)?;
            Ok(Shown::from(pages::models::list(&ctx, ModelQuery::default(), typed.rejected(rejected)).await?).into_response())
        }
    }
}

async fn make(ctx: &Ctx, typed: &Typed) -> control::Result<String> {
    let buttons::Models::Create = buttons::Models::pressed(typed)?;
    let new = NewModel { team: typed.text("team").into(), name: typed.text("name").into(), description: typed.text("description").into() };
    let model = models::create(ctx, &new).await.or_replay()?;
    Ok(format!("/models/{}", model.id))
}

pub async fn show(Caller(ctx): Caller, Id(id): Id<ModelId>, Query(query): Query<PageQuery>) -> PageResult {
    Ok(pages::model::show(&ctx, id, query.page_token, Typed::default()).await?.into())
}

pub async fn post(Id(id): Id<ModelId>, Posted(ctx, typed): Posted) -> FormResult {
    match change(&ctx, id, &typed).await {
        Ok(done) => Ok(done),
        Err(error) => {
            let rejected = again(error)?;
            Ok(Shown::from(pages::model::show(&ctx, id, None, typed.rejected(rejected)).await?).into_response())
        }
    }
}

/// Does what the pressed button names and leads on.
async fn change(ctx: &Ctx, id: ModelId, typed: &Typed) -> control::Result<Response> {
    match buttons::Model::pressed(typed)? {
        buttons::Model::Update => {
            models::update(ctx, id, &ModelChange { description: Some(typed.text("description").into()) }).await.or_replay()?;
            Ok(saying(&format!("/models/{id}"), Said::Saved))
        }
        buttons::Model::Delete => {
            confirmed(typed, &models::get(ctx, id).await?.name)?;
            models::delete(ctx, id).await.or_replay()?;
            Ok(see_other("/models"))
        }
    }
}

/// A link may fill the form in: `?repository=…&tag=…`.
pub async fn new_release(Caller(ctx): Caller, Id(id): Id<ModelId>, Query(filled): Query<Vec<(String, String)>>) -> PageResult {
    Ok(pages::register::show(&ctx, id, Typed::new(filled)).await?.into())
}

/// A button of the picker says in its address what it fills in; what else was typed stays.
pub async fn register(Id(id): Id<ModelId>, Query(chosen): Query<Vec<(String, String)>>, Posted(ctx, typed): Posted) -> FormResult {
    match register_release(&ctx, id, &typed).await {
        Ok(Some(next)) => Ok(see_other(&next)),
        Ok(None) => {
            let typed = if typed.operation() == buttons::NewRelease::Choose.word() { typed.filled_in(chosen) } else { typed };
            Ok(Shown::from(pages::register::show(&ctx, id, typed).await?).into_response())
        }
        Err(error) => {
            let rejected = again(error)?;
            Ok(Shown::from(pages::register::show(&ctx, id, typed.rejected(rejected)).await?).into_response())
        }
    }
}

/// Where it goes on, unless the page is only asked what ECR has.
async fn register_release(ctx: &Ctx, id: ModelId, typed: &Typed) -> control::Result<Option<String>> {
    match buttons::NewRelease::pressed(typed)? {
        buttons::NewRelease::Look | buttons::NewRelease::Choose => Ok(None),
        buttons::NewRelease::Enter if pages::register::searches(typed) => Ok(None),
        buttons::NewRelease::Enter | buttons::NewRelease::Register => {
            let release = releases::create(ctx, &pages::register::request(id, typed)?).await.or_replay()?;
            Ok(Some(pages::register::leads_to(ctx, typed, &release).await?))
        }
    }
}

pub async fn release(Caller(ctx): Caller, Id(id): Id<ReleaseId>) -> PageResult {
    Ok(pages::release::show(&ctx, id, Typed::default()).await?.into())
}

pub async fn post_release(Id(id): Id<ReleaseId>, Posted(ctx, typed): Posted) -> FormResult {
    match delete_release(&ctx, id, &typed).await {
        Ok(next) => Ok(see_other(&next)),
        Err(error) => {
            let rejected = again(error)?;
            Ok(Shown::from(pages::release::show(&ctx, id, typed.rejected(rejected)).await?).into_response())
        }
    }
}

async fn delete_release(ctx: &Ctx, id: ReleaseId, typed: &Typed) -> control::Result<String> {
    let buttons::Release::Delete = buttons::Release::pressed(typed)?;
    let release = releases::get(ctx, id).await?;
    confirmed(typed, &pages::release::name(&release))?;
    releases::delete(ctx, id).await.or_replay()?;
    Ok(format!("/models/{}", release.model))
}
