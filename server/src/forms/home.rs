//! `/`

use app::pages;

use super::shown::PageResult;
use crate::session::Caller;

pub async fn show(Caller(ctx): Caller) -> PageResult {
    Ok(pages::home::show(&ctx).await?.into())
}
