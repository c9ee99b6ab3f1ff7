//! `/operations` and `/operations/{id}`.

use app::pages;
use axum::response::IntoResponse as _;
use control::{OrReplay as _, operations};
use domain::{Rejected, ids::OperationId, operation::OperationQuery};

use super::{
    posted::Posted,
    shown::{FormResult, PageResult, Shown, again, see_other},
};
use crate::{
    rest::extract::{Id, Query},
    session::Caller,
};

pub async fn list(Caller(ctx): Caller, Query(query): Query<OperationQuery>) -> PageResult {
    Ok(pages::operations::list(&ctx, query).await?.into())
}

pub async fn show(Caller(ctx): Caller, Id(id): Id<OperationId>) -> PageResult {
    Ok(pages::operations::show(&ctx, id, app::form::Typed::default()).await?.into())
}

pub async fn post(Id(id): Id<OperationId>, Posted(ctx, typed): Posted) -> FormResult {
    let outcome = match typed.operation() {
        "cancel" => operations::cancel(&ctx, id).await.or_replay(),
        _ => Err(Rejected::field("do", "Press one of the buttons.").into()),
    };
    match outcome {
        Ok(_) => Ok(see_other(&format!("/operations/{id}"))),
        Err(error) => Ok(Shown::from(pages::operations::show(&ctx, id, typed.rejected(again(error)?)).await?).into_response()),
    }
}
