//! `/deployments`, `/deployments/new`, `/deployments/{id}` and what is below it.

use app::{
    buttons::{self, Button as _},
    form::Typed,
    pages, variables,
};
use axum::{extract::State, response::IntoResponse};
use control::{Ctx, OrReplay as _, deployments, operations};
use domain::{
    Rejected,
    deployment::{DeploymentChange, DeploymentQuery, LogQuery, Rollback},
    ids::DeploymentId,
    serving::PredictRequest,
};
use http::header;

use super::{
    posted::{Posted, confirmed},
    shown::{FormResult, PageResult, Shown, again, see_other},
};
use crate::{
    live,
    rest::{
        error::RestError,
        extract::{Id, Query},
    },
    session::Caller,
    state::AppState,
};

pub async fn list(Caller(ctx): Caller, Query(query): Query<DeploymentQuery>) -> PageResult {
    Ok(pages::deployments::list(&ctx, query).await?.into())
}

/// A link may fill the form in: `?release=…&workspace=…`.
pub async fn new(Caller(ctx): Caller, Query(filled): Query<Vec<(String, String)>>) -> PageResult {
    Ok(pages::deploy::show(&ctx, Typed::new(filled)).await?.into())
}

pub async fn create(Posted(ctx, typed): Posted) -> FormResult {
    let typed = pages::deploy::name::follow(&ctx, typed).await?;
    match deploy(&ctx, &typed).await {
        Ok(Some(next)) => Ok(see_other(&next)),
        Ok(None) => Ok(Shown::from(pages::deploy::show(&ctx, typed).await?).into_response()),
        Err(error) => {
            let typed = typed.rejected(variables::gather(again(error)?));
            Ok(Shown::from(pages::deploy::show(&ctx, typed).await?).into_response())
        }
    }
}

/// Where it goes on, unless the page is only asked to check.
async fn deploy(ctx: &Ctx, typed: &Typed) -> control::Result<Option<String>> {
    match buttons::Deploy::pressed(typed)? {
        buttons::Deploy::Check => Ok(None),
        buttons::Deploy::Deploy => {
            let started = deployments::create(ctx, &pages::deploy::request(typed)?).await.or_replay()?;
            Ok(Some(format!("/deployments/{}", started.object)))
        }
    }
}

pub async fn show(Caller(ctx): Caller, Id(id): Id<DeploymentId>) -> PageResult {
    Ok(pages::deployment::show(&ctx, id, Typed::default(), None).await?.into())
}

pub async fn post(Id(id): Id<DeploymentId>, Posted(ctx, typed): Posted) -> FormResult {
    let outcome = match buttons::Deployment::pressed(&typed) {
        Ok(buttons::Deployment::Predict) => return predict(&ctx, id, typed).await,
        Ok(buttons::Deployment::RollBack) => roll_back(&ctx, id, &typed).await,
        Ok(buttons::Deployment::TakeOver) => same_again(&ctx, id, &DeploymentChange { take_over: true, ..DeploymentChange::default() }).await,
        Ok(buttons::Deployment::Resume) => same_again(&ctx, id, &DeploymentChange::default()).await,
        Ok(buttons::Deployment::Cancel) => cancel(&ctx, id, &typed).await,
        Ok(buttons::Deployment::Delete) => delete(&ctx, id, &typed).await,
        Err(rejected) => Err(rejected.into()),
    };
    match outcome {
        Ok(next) => Ok(see_other(&next)),
        Err(error) => {
            let rejected = again(error)?;
            Ok(Shown::from(pages::deployment::show(&ctx, id, typed.rejected(rejected), None).await?).into_response())
        }
    }
}

/// The answer stands on the page: nothing is kept of it that could be redirected to.
async fn predict(ctx: &Ctx, id: DeploymentId, typed: Typed) -> FormResult {
    let deployment = deployments::get(ctx, id).await?;
    let path = typed.filled("path").map(str::to_owned);
    let outcome = match pages::deployment::playground::request(deployment.protocol, deployment.metadata.as_ref(), &typed) {
        Ok(body) => {
            let request = PredictRequest { body, path: path.clone() };
            deployments::predict(ctx, id, &request).await.map(|answer| pages::deployment::Asked { body: request.body, path, answer })
        }
        Err(rejected) => Err(rejected.into()),
    };
    let page = match outcome {
        Ok(asked) => pages::deployment::show(ctx, id, typed, Some(asked)).await?,
        Err(error) => {
            let rejected = again(error)?;
            pages::deployment::show(ctx, id, typed.rejected(rejected), None).await?
        }
    };
    Ok(Shown::from(page).into_response())
}

/// What the replicas wrote.
pub async fn logs(Caller(ctx): Caller, Id(id): Id<DeploymentId>, Query(query): Query<LogQuery>) -> PageResult {
    Ok(pages::deployment::logs::show(&ctx, id, query).await?.into())
}

/// The same as a file to keep.
pub async fn download_logs(Caller(ctx): Caller, Id(id): Id<DeploymentId>, Query(query): Query<LogQuery>) -> FormResult {
    let file = pages::deployment::logs::file(&ctx, id, query).await?;
    // A deployment's name has nothing that would have to be quoted.
    let name = format!("attachment; filename=\"{}\"", file.name);
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")], [(header::CONTENT_DISPOSITION, name)], file.text).into_response())
}

async fn roll_back(ctx: &Ctx, id: DeploymentId, typed: &Typed) -> control::Result<String> {
    let revision = typed.text("revision").parse().map_err(|_| Rejected::field("revision", "Choose a revision."))?;
    deployments::roll_back(ctx, id, &Rollback { revision, reason: typed.filled("reason").map(str::to_owned) }).await.or_replay()?;
    Ok(format!("/deployments/{id}"))
}

/// What is wanted, as a new revision: it ends a hold, or takes back what others set.
async fn same_again(ctx: &Ctx, id: DeploymentId, change: &DeploymentChange) -> control::Result<String> {
    deployments::change(ctx, id, change).await.or_replay()?;
    Ok(format!("/deployments/{id}"))
}

/// Back to where it was pressed: what is held is seen there.
async fn cancel(ctx: &Ctx, id: DeploymentId, typed: &Typed) -> control::Result<String> {
    let operation = typed.text("operation").parse().map_err(|_| Rejected::not_found("operation"))?;
    operations::cancel(ctx, operation).await.or_replay()?;
    Ok(format!("/deployments/{id}"))
}

async fn delete(ctx: &Ctx, id: DeploymentId, typed: &Typed) -> control::Result<String> {
    confirmed(typed, &deployments::get(ctx, id).await?.summary.name)?;
    let started = deployments::delete(ctx, id).await.or_replay()?;
    Ok(format!("/operations/{}", started.operation))
}

/// A link may fill the form in: `?size=…` or `?release=…`.
pub async fn change(Caller(ctx): Caller, Id(id): Id<DeploymentId>, Query(filled): Query<Vec<(String, String)>>) -> PageResult {
    Ok(pages::change::show(&ctx, id, Typed::new(filled)).await?.into())
}

pub async fn post_change(Id(id): Id<DeploymentId>, Posted(ctx, typed): Posted) -> FormResult {
    match revise(&ctx, id, &typed).await {
        Ok(Some(next)) => Ok(see_other(&next)),
        Ok(None) => Ok(Shown::from(pages::change::show(&ctx, id, typed).await?).into_response()),
        Err(error) => {
            let typed = typed.rejected(variables::gather(again(error)?));
            Ok(Shown::from(pages::change::show(&ctx, id, typed).await?).into_response())
        }
    }
}

/// Where it goes on, unless the page is only asked to check.
async fn revise(ctx: &Ctx, id: DeploymentId, typed: &Typed) -> control::Result<Option<String>> {
    match buttons::Change::pressed(typed)? {
        buttons::Change::Check => Ok(None),
        buttons::Change::Change => {
            deployments::change(ctx, id, &pages::change::request(typed)?).await.or_replay()?;
            Ok(Some(format!("/deployments/{id}")))
        }
    }
}

/// How it stands, as it changes.
pub async fn live(State(state): State<AppState>, caller: Caller, Id(id): Id<DeploymentId>) -> Result<impl IntoResponse, RestError> {
    // While it is watched, a deployment that goes away is shown as gone; to begin with, it has to be there.
    deployments::get(&caller.0, id).await?;
    live::stream(state, caller, id.0, move |ctx| async move { pages::deployment::part(&ctx, id).await }).await
}
