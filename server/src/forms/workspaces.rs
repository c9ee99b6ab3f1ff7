//! `/workspaces` and `/workspaces/{id}`.

use app::{
    buttons::{self, Button as _},
    form::Typed,
    pages,
    said::Said,
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use control::{Ctx, OrReplay as _, workspaces};
use domain::{
    ids::WorkspaceId,
    workspace::{Adopt, NewWorkspace, WorkspaceChange, WorkspaceQuery},
};

use super::{
    posted::{Posted, confirmed},
    shown::{FormResult, PageResult, Shown, again, saying, see_other},
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

pub async fn list(Caller(ctx): Caller, Query(query): Query<WorkspaceQuery>) -> PageResult {
    Ok(pages::workspaces::list(&ctx, query, Typed::default()).await?.into())
}

pub async fn create(Posted(ctx, typed): Posted) -> FormResult {
    match make(&ctx, &typed).await {
        Ok(next) => Ok(see_other(&next)),
        Err(error) => {
            let typed = typed.rejected(pages::workspace::at_fields(again(error)?));
            Ok(Shown::from(pages::workspaces::list(&ctx, WorkspaceQuery::default(), typed).await?).into_response())
        }
    }
}

async fn make(ctx: &Ctx, typed: &Typed) -> control::Result<String> {
    let buttons::Workspaces::Create = buttons::Workspaces::pressed(typed)?;
    let new = NewWorkspace {
        name: typed.text("name").into(),
        team: typed.text("team").into(),
        cluster: typed.text("cluster").into(),
        quota: pages::workspace::quota(typed)?,
        adopt: if typed.text("adopt") == "existing" { Adopt::Existing } else { Adopt::Never },
    };
    let started = workspaces::create(ctx, &new).await.or_replay()?;
    Ok(format!("/workspaces/{}", started.object))
}

pub async fn show(Caller(ctx): Caller, Id(id): Id<WorkspaceId>) -> PageResult {
    Ok(pages::workspace::show(&ctx, id, Typed::default()).await?.into())
}

pub async fn post(Id(id): Id<WorkspaceId>, Posted(ctx, typed): Posted) -> FormResult {
    match change(&ctx, id, &typed).await {
        Ok(done) => Ok(done),
        Err(error) => {
            let typed = typed.rejected(pages::workspace::at_fields(again(error)?));
            Ok(Shown::from(pages::workspace::show(&ctx, id, typed).await?).into_response())
        }
    }
}

/// Does what the pressed button names and leads on.
async fn change(ctx: &Ctx, id: WorkspaceId, typed: &Typed) -> control::Result<Response> {
    match buttons::Workspace::pressed(typed)? {
        buttons::Workspace::Update => {
            let quota = pages::workspace::quota(typed)?;
            workspaces::update(ctx, id, &WorkspaceChange { quota: Some(quota), adopt: None }).await.or_replay()?;
            Ok(saying(&format!("/workspaces/{id}"), Said::Saved))
        }
        buttons::Workspace::Adopt => {
            workspaces::update(ctx, id, &WorkspaceChange { quota: None, adopt: Some(Adopt::Existing) }).await.or_replay()?;
            Ok(see_other(&format!("/workspaces/{id}")))
        }
        buttons::Workspace::Keep => {
            workspaces::keep(ctx, id).await.or_replay()?;
            Ok(see_other(&format!("/workspaces/{id}")))
        }
        buttons::Workspace::Repair => {
            workspaces::repair(ctx, id).await.or_replay()?;
            Ok(see_other(&format!("/workspaces/{id}")))
        }
        buttons::Workspace::Delete => {
            confirmed(typed, &workspaces::get(ctx, id).await?.name)?;
            let started = workspaces::delete(ctx, id).await.or_replay()?;
            Ok(see_other(&format!("/operations/{}", started.operation)))
        }
    }
}

/// How it stands, as it changes.
pub async fn live(State(state): State<AppState>, caller: Caller, Id(id): Id<WorkspaceId>) -> Result<impl IntoResponse, RestError> {
    live::stream(state, caller, id.0, move |ctx| async move { pages::workspace::part(&ctx, id).await }).await
}
