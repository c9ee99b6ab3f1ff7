//! `/operations` and `/operations/{id}`.

use app::{
    buttons::{self, Button as _},
    pages,
};
use axum::{extract::State, response::IntoResponse};
use control::{OrReplay as _, operations};
use domain::{ids::OperationId, operation::OperationQuery};

use super::{
    posted::Posted,
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

pub async fn list(Caller(ctx): Caller, Query(query): Query<OperationQuery>) -> PageResult {
    Ok(pages::operations::list(&ctx, query).await?.into())
}

pub async fn show(Caller(ctx): Caller, Id(id): Id<OperationId>) -> PageResult {
    Ok(pages::operations::show(&ctx, id, app::form::Typed::default()).await?.into())
}

pub async fn post(Id(id): Id<OperationId>, Posted(ctx, typed): Posted) -> FormResult {
    let outcome = match buttons::Operation::pressed(&typed) {
        Ok(buttons::Operation::Cancel) => operations::cancel(&ctx, id).await.or_replay(),
        Err(rejected) => Err(rejected.into()),
    };
    match outcome {
        Ok(_) => Ok(see_other(&format!("/operations/{id}"))),
        Err(error) => Ok(Shown::from(pages::operations::show(&ctx, id, typed.rejected(again(error)?)).await?).into_response()),
    }
}

/// Its steps, as they go.
pub async fn live(State(state): State<AppState>, caller: Caller, Id(id): Id<OperationId>) -> Result<impl IntoResponse, RestError> {
    live::stream(state, caller, id.0, move |ctx| async move { pages::operations::part(&ctx, id).await }).await
}
