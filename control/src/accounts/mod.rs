//! AWS accounts: how Slipway gets in, what it may do there, and whose repositories are whose.

mod store;

use domain::{Rejected, ids::AccountId};
use sqlx::PgConnection;

use crate::{Actor, Result, aws::AccountAccess};

/// How to get into an account, for whoever asks. Who may use it is for the caller to have checked.
///
/// # Errors
/// `not_found` when there is no such account.
pub async fn access(conn: &mut PgConnection, actor: &Actor, id: AccountId) -> Result<AccountAccess> {
    let (role_arn, external_id) = store::credentials(conn, id).await?.ok_or_else(|| Rejected::not_found("account"))?;
    Ok(AccountAccess { role_arn, external_id, on_behalf_of: actor.kubernetes_name() })
}
