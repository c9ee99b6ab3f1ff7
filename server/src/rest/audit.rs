//! `/api/v1/audit`

use axum::Json;
use control::audit;
use domain::{
    audit::{AuditEvent, AuditQuery},
    page::Page,
};

use super::{error::Problem, extract::Query, respond::Answer};
use crate::session::Caller;

/// Lists the audit events you may see, newest first.
#[utoipa::path(get, path = "/audit", operation_id = "list_audit_events", tag = "audit", params(AuditQuery), responses((status = 200, body = Page<AuditEvent>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn list(Caller(ctx): Caller, Query(query): Query<AuditQuery>) -> Answer<Json<Page<AuditEvent>>> {
    Ok(Json(audit::list(&ctx, &query).await?))
}
