//! The SQL of where clusters are.

use domain::ids::ClusterId;
use serde_json::Value;
use sqlx::PgPool;

/// What is known of a cluster, and how to get into its account.
pub(super) struct Known {
    pub region: String,
    pub eks_name: String,
    pub endpoint: Option<String>,
    pub certificate_authority: Option<String>,
    pub role_arn: Option<String>,
    pub external_id: String,
}

/// What an admin set in place of what DescribeCluster says; none when there is no such cluster.
pub(super) async fn connection(pool: &PgPool, id: ClusterId) -> sqlx::Result<Option<Value>> {
    sqlx::query_scalar!("select connection from clusters where id = $1", id.0).fetch_optional(pool).await
}

pub(super) async fn known(pool: &PgPool, id: ClusterId) -> sqlx::Result<Option<Known>> {
    sqlx::query_as!(
        Known,
        "select c.region, c.eks_name, c.endpoint, c.certificate_authority, a.role_arn, a.external_id
         from clusters c join accounts a on a.id = c.account_id where c.id = $1",
        id.0
    )
    .fetch_optional(pool)
    .await
}
