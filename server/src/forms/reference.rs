//! `/reference`

use app::pages;

use super::shown::PageResult;
use crate::{rest::document, session::Caller};

pub async fn show(Caller(ctx): Caller) -> PageResult {
    Ok(pages::reference::show(&ctx, document::openapi())?.into())
}
