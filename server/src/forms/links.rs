//! `/links/{secret}`

use app::pages;
use axum::{extract::State, response::IntoResponse as _};
use control::links::{self, Filled};
use domain::Rejected;
use http::HeaderMap;

use super::{
    posted::Posted,
    shown::{FormResult, PageResult, Shown, again},
    sign_in::{signed_in, user_agent},
};
use crate::{rest::extract::Id, state::AppState};

pub async fn show(State(state): State<AppState>, Id(secret): Id<String>) -> PageResult {
    Ok(pages::link::show(&state.control, &secret, app::form::Typed::default()).await?.into())
}

pub async fn redeem(State(state): State<AppState>, Id(secret): Id<String>, headers: HeaderMap, Posted(ctx, typed): Posted) -> FormResult {
    let redeemed = if typed.text("password") == typed.text("password_again") {
        links::redeem(&ctx, &secret, Filled { email: typed.text("email"), name: typed.text("name"), password: typed.text("password"), user_agent: user_agent(&headers) }).await
    } else {
        Err(Rejected::field("password_again", "The two passwords differ.").into())
    };
    match redeemed {
        Ok(session) => Ok(signed_in(&state, &session, "/")),
        Err(error) => {
            let rejected = again(error)?;
            Ok(Shown::from(pages::link::show(&state.control, &secret, typed.rejected(rejected)).await?).into_response())
        }
    }
}
