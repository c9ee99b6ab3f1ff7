//! Which sizes a workspace and its cluster have room for.

use domain::{
    deployment::{Finding, FindingTone},
    ids::{DeploymentId, WorkspaceId},
    size::Size,
};

use super::{preview, spec::Spec, store, usable_workspace};
use crate::{Ctx, Result};

/// How a size stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizeRoom {
    pub size: Size,
    pub finding: Finding,
    /// Whether the workspace's quota leaves room for it: what does not fit is refused.
    pub allowed: bool,
}

/// How each size stands for so many replicas in a workspace; `without` leaves out what a deployment that is to be changed asks for.
///
/// # Errors
/// `not_found` for a workspace the actor may not see; `forbidden`; `conflict` while it is being deleted.
pub async fn sizes(ctx: &Ctx, workspace: WorkspaceId, replicas: i32, without: Option<DeploymentId>) -> Result<Vec<SizeRoom>> {
    ctx.actor().check_signed_in()?;
    let mut conn = ctx.read().await?;
    let workspace = usable_workspace(&mut conn, ctx, workspace).await?;
    let (rooms, used) = (store::rooms(&mut conn, workspace.cluster).await?, store::used(&mut conn, workspace.id, without).await?);
    let stand = |size: Size| {
        let replicas = replicas.clamp(1, super::spec::MAX_REPLICAS);
        let asks = Spec { release: domain::ids::ReleaseId(uuid::Uuid::nil()), size, replicas, environment: Vec::new() }.asks();
        let lacks = workspace.quota.lacks(&used, &asks);
        let allowed = lacks.is_empty();
        let finding = match lacks.into_iter().next() {
            Some(message) => Finding { tone: FindingTone::Bad, title: "Over the quota".into(), detail: Some(message) },
            None => preview::capacity(&rooms, size, i64::from(replicas)),
        };
        SizeRoom { size, finding, allowed }
    };
    Ok(Size::ALL.into_iter().map(stand).collect())
}
