//! `/workspaces` and `/workspaces/{id}`.

use app::{form::Typed, pages};
use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use control::{Ctx, OrReplay as _, workspaces};
use domain::{
    Rejected,
    ids::WorkspaceId,
    workspace::{WorkspaceChange, WorkspaceQuery},
};

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
    session::{Caller, Watcher},
    state::AppState,
};

pub async fn list(Caller(ctx): Caller, Query(query): Query<WorkspaceQuery>) -> PageResult {
    Ok(pages::workspaces::list(&ctx, query, Typed::default()).await?.into())
}

pub async fn create(Posted(ctx, typed): Posted) -> FormResult {
    let outcome = match pages::workspaces::request(&typed) {
        Ok(new) => workspaces::create(&ctx, &new).await.or_replay(),
        Err(rejected) => Err(rejected.into()),
    };
    match outcome {
        Ok(started) => Ok(see_other(&format!("/workspaces/{}", started.object))),
        Err(error) => {
            let rejected = again(error)?;
            Ok(Shown::from(pages::workspaces::list(&ctx, WorkspaceQuery::default(), typed.rejected(rejected)).await?).into_response())
        }
    }
}

pub async fn show(Caller(ctx): Caller, Id(id): Id<WorkspaceId>) -> PageResult {
    Ok(pages::workspace::show(&ctx, id, Typed::default()).await?.into())
}

pub async fn post(Id(id): Id<WorkspaceId>, Posted(ctx, typed): Posted) -> FormResult {
    match change(&ctx, id, &typed).await {
        Ok(()) => Ok(see_other(&format!("/workspaces/{id}"))),
        Err(error) => {
            let rejected = again(error)?;
            Ok(Shown::from(pages::workspace::show(&ctx, id, typed.rejected(rejected)).await?).into_response())
        }
    }
}

/// Does what the pressed button names. The page shows the operation that follows.
async fn change(ctx: &Ctx, id: WorkspaceId, typed: &Typed) -> control::Result<()> {
    match typed.operation() {
        "update" => {
            let quota = pages::workspaces::quota(typed)?;
            workspaces::update(ctx, id, &WorkspaceChange { quota: Some(quota) }).await.or_replay()?;
        }
        "delete" => {
            confirmed(typed, &workspaces::get(ctx, id).await?.name)?;
            workspaces::delete(ctx, id).await.or_replay()?;
        }
        _ => return Err(Rejected::field("do", "Press one of the buttons.").into()),
    }
    Ok(())
}

/// The page's live part.
pub async fn follow(State(state): State<AppState>, Id(id): Id<WorkspaceId>, watcher: Watcher) -> Result<Response, RestError> {
    let part = move |ctx: Ctx| async move { pages::workspace::part(&ctx, id).await };
    Ok(live::stream(state, watcher, id.0, part).await?.into_response())
}
