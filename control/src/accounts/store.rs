//! The SQL of accounts.

use domain::ids::AccountId;
use sqlx::PgConnection;

use crate::Result;

/// The role to assume and the external id to give.
pub(super) async fn credentials(conn: &mut PgConnection, id: AccountId) -> Result<Option<(Option<String>, String)>> {
    let row = sqlx::query!("select role_arn, external_id from accounts where id = $1", id.0).fetch_optional(conn).await?;
    Ok(row.map(|row| (row.role_arn, row.external_id)))
}
