//! Who answers while the wanted revision does not.

use domain::deployment::{DeploymentSummary, Pod, StillServing};
use sqlx::PgConnection;

use super::store;
use crate::Result;

/// The revision that came up last, if its replicas still answer and are not those of the wanted one.
pub(super) async fn still(conn: &mut PgConnection, summary: &DeploymentSummary, live_revision: Option<i32>, pods: &[Pod]) -> Result<Option<StillServing>> {
    let Some(revision) = live_revision.filter(|revision| *revision != summary.revision) else { return Ok(None) };
    let earlier = store::template_revision(conn, summary.id, revision).await?;
    let wanted = store::template_revision(conn, summary.id, summary.revision).await?;
    let answering = |template: i32| pods.iter().filter(|pod| pod.ready && pod.revision == template).count();
    if earlier == wanted || answering(wanted) > 0 {
        return Ok(None);
    }
    let ready = i64::try_from(answering(earlier)).unwrap_or(i64::MAX);
    Ok((ready > 0).then_some(StillServing { revision, ready }))
}
