//! `/audit`

use app::pages;
use domain::audit::AuditQuery;

use super::shown::PageResult;
use crate::{rest::extract::Query, session::Caller};

pub async fn list(Caller(ctx): Caller, Query(query): Query<AuditQuery>) -> PageResult {
    Ok(pages::audit::list(&ctx, query).await?.into())
}
