//! How the reconciler finds a deployment, and that it was not changed meanwhile.

use domain::{deployment::DeploymentState, ids::DeploymentId};
use serde_json::Value;
use sqlx::PgConnection;

use super::super::{next::Intent, subject::Subject};
use crate::Result;

/// Whether what is wanted is what it was when the subject was loaded. Inside a claim's transaction its row is locked.
pub(in super::super) async fn is_still_wanted(conn: &mut PgConnection, subject: &Subject) -> Result<bool> {
    let desired = &subject.desired;
    let same = sqlx::query_scalar!(
        r#"select generation = $2 and held = $3 and (deleting_at is not null) = $4 as "same!" from deployments where id = $1"#,
        subject.id.0,
        desired.generation,
        desired.intent == Intent::Hold,
        desired.intent == Intent::Delete
    )
    .fetch_optional(conn)
    .await?;
    Ok(same == Some(true))
}

/// How the reconciler last found it.
pub(in super::super) async fn set_state(conn: &mut PgConnection, id: DeploymentId, state: DeploymentState, message: Option<&str>, ready: i32) -> Result<bool> {
    let changed = sqlx::query!(
        "update deployments set state = $2, state_message = $3, ready_replicas = $4
         where id = $1 and (state, state_message, ready_replicas) is distinct from ($2, $3, $4)",
        id.0,
        state as DeploymentState,
        message,
        ready
    )
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// The replicas of the wanted revision that are seen to answer.
pub(in super::super) async fn ready(conn: &mut PgConnection, subject: &Subject) -> Result<i32> {
    let ready = sqlx::query_scalar!(
        r#"select least(count(*), $3)::integer as "n!" from observed_pods where deployment_id = $1 and revision = $2 and ready and not terminating"#,
        subject.id.0,
        subject.desired.template_revision,
        i64::from(subject.desired.replicas)
    );
    Ok(ready.fetch_one(conn).await?)
}

/// The replicas that are seen to answer, of whatever revision.
pub(in super::super) async fn serving(conn: &mut PgConnection, id: DeploymentId) -> Result<i32> {
    let ready = sqlx::query_scalar!(r#"select count(*)::integer as "n!" from observed_pods where deployment_id = $1 and ready and not terminating"#, id.0);
    Ok(ready.fetch_one(conn).await?)
}

/// What a failed one says of itself.
pub(in super::super) async fn why_failed(conn: &mut PgConnection, id: DeploymentId) -> Result<Option<String>> {
    Ok(sqlx::query_scalar!("select state_message from deployments where id = $1 and state = 'failed'", id.0).fetch_optional(conn).await?.flatten())
}

/// Says what is the matter, and leaves its state.
pub(in super::super) async fn complain(conn: &mut PgConnection, id: DeploymentId, sentence: &str) -> Result<()> {
    sqlx::query!("update deployments set state_message = $2 where id = $1 and state_message is distinct from $2", id.0, sentence).execute(conn).await?;
    Ok(())
}

/// `revision` came up, if it is still the wanted one.
pub(in super::super) async fn came_up(conn: &mut PgConnection, id: DeploymentId, revision: i32) -> Result<()> {
    sqlx::query!("update deployments set live_revision = $2 where id = $1 and revision = $2", id.0, revision).execute(conn).await?;
    Ok(())
}

/// What the model of `revision` said about itself; none when it said nothing.
pub(in super::super) async fn keep_metadata(conn: &mut PgConnection, id: DeploymentId, revision: i32, metadata: Option<Value>) -> Result<()> {
    sqlx::query!("update deployments set metadata = $2, metadata_revision = $3 where id = $1", id.0, metadata, revision).execute(conn).await?;
    Ok(())
}

pub(in super::super) async fn remove(conn: &mut PgConnection, id: DeploymentId) -> Result<()> {
    sqlx::query!("delete from deployments where id = $1", id.0).execute(conn).await?;
    Ok(())
}
