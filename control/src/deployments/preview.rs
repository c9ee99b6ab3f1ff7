//! What will be made when the button is pressed, and whether anything stands in the way.

use domain::{
    access::TeamAction,
    cluster::{Capacity, ClusterState},
    deployment::{DeploymentChange, DeploymentPreview, Finding, FindingTone, NewDeployment},
    error::Checks,
    ids::DeploymentId,
    names::DeploymentName,
    size::Size,
    workspace::{WorkspaceState, cpus},
};
use sqlx::PgConnection;

use super::{
    add, authorize, authorize_new,
    manifests::{Blueprint, Objects},
    own_share, refuse_deleting, revising,
    spec::{self, Spec},
    store, usable_workspace,
};
use crate::{Ctx, Result, clusters};

/// What a request would make, with everything that was checked. Nothing is changed. A request with a wrong field would make
/// nothing: there are only findings then, one for each.
///
/// # Errors
/// `not_found` for a release or workspace the actor may not see; `forbidden`; `invalid_input` for a workspace of another team.
pub async fn preview(ctx: &Ctx, new: &NewDeployment) -> Result<DeploymentPreview> {
    ctx.actor().check_signed_in()?;
    let mut conn = ctx.read().await?;
    let (release, workspace) = authorize_new(&mut conn, ctx, new.release, new.workspace).await?;
    let mut checks = Checks::new();
    let typed = new.name.as_deref().map(str::trim).filter(|name| !name.is_empty()).unwrap_or(&release.model_name);
    let name = checks.take("name", DeploymentName::parse(typed));
    let replicas = new.replicas.unwrap_or(1);
    spec::check_replicas(&mut checks, replicas);
    let environment = spec::check_environment(&mut checks, &new.environment);
    spec::check_reason(&mut checks, new.reason.as_deref());
    let mut wrong: Vec<Finding> =
        checks.finish().err().map_or_else(Vec::new, |rejected| rejected.errors).into_iter().map(|error| bad(title_of(&error.field), error.message)).collect();
    let name = name.map_or_else(|| typed.to_owned(), DeploymentName::into_string);
    let wanted = Spec { release: release.id, size: new.size.unwrap_or(release.size), replicas, environment };

    if store::is_taken(&mut conn, workspace.id, &name).await? {
        wrong.push(bad("The name is taken", format!("There is a deployment {name} in {} already. Choose another name.", workspace.name)));
    }
    // What cannot be made has no plan, and nothing about it is fine.
    if !wrong.is_empty() {
        if (1..=spec::MAX_REPLICAS).contains(&replicas) {
            wrong.extend(Some(quota(&mut conn, &workspace, None, &wanted).await?).filter(|finding| finding.tone == FindingTone::Bad));
        }
        return Ok(DeploymentPreview { findings: wrong, changes: Vec::new(), objects: Vec::new(), manifests: String::new() });
    }
    let mut findings = vec![good("The image is pinned", format!("{} always runs {}, whatever its tag points at later.", release.title(), short_digest(&release.digest)))];
    findings.push(quota(&mut conn, &workspace, None, &wanted).await?);
    findings.extend(standing(&mut conn, &workspace).await?);
    findings.push(capacity(&store::rooms(&mut conn, workspace.cluster).await?, wanted.size, i64::from(wanted.replicas)));

    let made = Made { deployment: DeploymentId(uuid::Uuid::nil()), name: &name, generation: 1, revision: 1 };
    shown(ctx, made, &workspace, &release, wanted, findings, Vec::new())
}

/// What a change would make of a deployment, with everything that was checked. Nothing is changed.
///
/// # Errors
/// `not_found` if the actor may not see it; `forbidden`; `invalid_input` naming the field; `conflict` while its workspace is being deleted.
pub async fn preview_change(ctx: &Ctx, id: DeploymentId, change: &DeploymentChange) -> Result<DeploymentPreview> {
    let mut conn = ctx.read().await?;
    let found = authorize(&mut conn, ctx, id, TeamAction::Deploy).await?;
    refuse_deleting(&found)?;
    let workspace = usable_workspace(&mut conn, ctx, found.workspace).await?;
    let revising::Asked { before, release, after, .. } = revising::asked(&mut conn, &found, change).await?;
    let (title_before, title_after) = (before.release.title(), release.title());
    let changes = spec::differences(before.spec.side(&title_before), after.side(&title_after));

    let mut findings = Vec::new();
    if after.release != before.spec.release {
        findings.push(good("The image is pinned", format!("{title_after} always runs {}, whatever its tag points at later.", short_digest(&release.digest))));
    }
    findings.push(quota(&mut conn, &workspace, Some(id), &after).await?);
    findings.extend(standing(&mut conn, &workspace).await?);
    let replaced = Spec { replicas: after.replicas, ..before.spec.clone() } != after;
    // One replica more comes up before an earlier one goes.
    let new = i64::from((after.replicas - before.spec.replicas).max(0)) + i64::from(replaced);
    if new > 0 {
        findings.push(capacity(&store::rooms(&mut conn, workspace.cluster).await?, after.size, new));
    }
    let made = Made { deployment: id, name: &found.name, generation: found.generation + 1, revision: found.revision + 1 };
    shown(ctx, made, &workspace, &release, after, findings, changes)
}

/// What a request would bring about, as far as a preview can know.
struct Made<'a> {
    deployment: DeploymentId,
    name: &'a str,
    generation: i64,
    revision: i32,
}

/// The preview, with the objects as they would be applied.
fn shown(
    ctx: &Ctx,
    made: Made<'_>,
    workspace: &store::Workspace,
    release: &store::Release,
    wanted: Spec,
    findings: Vec<Finding>,
    changes: Vec<String>,
) -> Result<DeploymentPreview> {
    let objects = Blueprint {
        installation: ctx.control().installation,
        deployment: made.deployment,
        name: made.name.to_owned(),
        namespace: workspace.name.clone(),
        generation: made.generation,
        revision: made.revision,
        template_revision: made.revision,
        image: release.image(),
        port: release.port,
        health_path: release.health_path.clone(),
        size: wanted.size,
        replicas: wanted.replicas,
        environment: wanted.environment,
    }
    .objects();
    Ok(DeploymentPreview { findings, changes, objects: named(&objects), manifests: objects.yaml()? })
}

fn named(objects: &Objects) -> Vec<String> {
    objects.names().into_iter().map(|(kind, name)| format!("{kind} {name}")).collect()
}

async fn quota(conn: &mut PgConnection, workspace: &store::Workspace, without: Option<DeploymentId>, wanted: &Spec) -> Result<Finding> {
    let (used, needs) = (store::used(conn, workspace.id, without).await?, wanted.asks());
    let lacks = workspace.quota.lacks(&used, &needs);
    let own = own_share(without);
    if !lacks.is_empty() {
        return Ok(bad("The workspace's quota does not leave room", format!("{}{own} Choose a smaller size or fewer replicas.", lacks.join(" "))));
    }
    // A rollout brings up one replica more before it lets one go.
    let surge = Spec { replicas: 1, ..wanted.clone() }.asks();
    if !workspace.quota.lacks(&add(used, needs), &surge).is_empty() {
        let detail = format!("It fits into {}, but a later update needs room for one replica more. Ask a platform admin for a little more quota.", workspace.name);
        return Ok(warn("The quota is used up with this", detail));
    }
    let [cpu, memory, ..] = workspace.quota.free(&used);
    let detail = format!("It needs {} CPU and {}; {cpu} and {memory} are free in this workspace.{own}", cpus(needs.cpu_millis), domain::workspace::memory(needs.memory_mib));
    Ok(good("It fits into the workspace's quota", detail))
}

/// How cluster and workspace stand, as far as it matters. What is asked for is kept and begins when they are well,
/// unless one of them is gone or was never made: then it fails.
async fn standing(conn: &mut PgConnection, workspace: &store::Workspace) -> Result<Vec<Finding>> {
    let store::Standing { state, state_message: message, read_only } = store::cluster_standing(conn, workspace.cluster).await?;
    let cluster = &workspace.cluster_name;
    let waits = |why: String| format!("{why} What you ask for is kept, and the rollout begins when this is mended.");
    let mut findings = vec![match state {
        ClusterState::Connected if read_only => warn("The cluster is read-only", waits(clusters::why_read_only(cluster))),
        ClusterState::Connected => good("The cluster is connected", format!("{cluster} answers, and Slipway has what it needs there.")),
        ClusterState::Connecting => warn("The cluster is still being connected", format!("The rollout on {cluster} starts as soon as it answers.")),
        ClusterState::Gone => bad("The cluster is gone", message.unwrap_or_else(|| format!("EKS has no cluster {cluster} any more. Choose a workspace on another one."))),
        ClusterState::NeedsAccess | ClusterState::Unreachable => {
            let why = message.unwrap_or_else(|| format!("Slipway does not get through to {cluster}. Ask a platform admin."));
            warn("The cluster is not connected", waits(why))
        }
    }];
    if workspace.changed_by_others {
        let detail = format!("Its quota or its policies may not be what is shown here, and replicas may not come up. Ask a platform admin to look at {}'s page.", workspace.name);
        findings.push(warn("Others changed the workspace in the cluster", detail));
    }
    match workspace.state {
        WorkspaceState::Ready => {}
        WorkspaceState::Preparing => findings.push(warn("The workspace is still being prepared", format!("The rollout starts as soon as {} is ready.", workspace.name))),
        WorkspaceState::Failed if workspace.made => {
            findings.push(warn("The workspace's last change failed", format!("{} serves as it was before. Ask a platform admin to look at it.", workspace.name)));
        }
        WorkspaceState::Failed => findings.push(bad("The workspace could not be made", format!("Ask a platform admin to look at {}.", workspace.name))),
        WorkspaceState::Deleting => findings.push(bad("The workspace is being deleted", "Choose another one.")),
    }
    Ok(findings)
}

/// Whether replicas of this size find nodes.
pub(super) fn capacity(rooms: &[store::Room], size: Size, replicas: i64) -> Finding {
    if rooms.is_empty() {
        return warn("No node takes pods just now", "None was seen yet, or those that were are not ready or closed to new pods. Replicas wait until there is one.");
    }
    let fit = |room: &Capacity| {
        let by = |have: i64, need: i64| if need == 0 { i64::MAX } else { have.max(0) / need };
        by(room.cpu_millis, size.cpu_millis()).min(by(room.memory_mib, size.memory_mib())).min(by(room.gpus, size.gpus())).min(room.pods.max(0))
    };
    if rooms.iter().all(|room| fit(&room.allocatable) == 0) {
        let gpus = size.gpus() > 0 && rooms.iter().all(|room| room.allocatable.gpus == 0);
        let title = if gpus { "There are no GPU nodes here" } else { "No node is large enough" };
        return bad(title, format!("A replica asks for {}. Choose another size or cluster, or ask a platform admin for larger nodes.", size.summary()));
    }
    let free: i64 = rooms.iter().map(|room| fit(&room.free)).fold(0, i64::saturating_add);
    if free < replicas {
        return warn("The nodes are full", format!("There is room for {free} of {replicas} replicas just now. The others wait until nodes are added or become free."));
    }
    let many = if replicas == 1 { "a replica".to_owned() } else { format!("{replicas} replicas") };
    good("There is room for it", format!("Nodes with room for {many} of {} were seen.", size.summary()))
}

fn title_of(field: &str) -> &'static str {
    match field.split('.').next() {
        Some("name") => "The name needs a change",
        Some("replicas") => "The number of replicas needs a change",
        Some("reason") => "The reason needs a change",
        _ => "A variable needs a change",
    }
}

fn short_digest(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).chain(['…']).collect()
}

fn good(title: impl Into<String>, detail: impl Into<String>) -> Finding {
    Finding { tone: FindingTone::Good, title: title.into(), detail: Some(detail.into()) }
}

fn warn(title: impl Into<String>, detail: impl Into<String>) -> Finding {
    Finding { tone: FindingTone::Warn, title: title.into(), detail: Some(detail.into()) }
}

fn bad(title: impl Into<String>, detail: impl Into<String>) -> Finding {
    Finding { tone: FindingTone::Bad, title: title.into(), detail: Some(detail.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(cpu_millis: i64, memory_mib: i64, gpus: i64) -> store::Room {
        let capacity = Capacity { cpu_millis, memory_mib, gpus, pods: 10 };
        store::Room { allocatable: capacity, free: capacity }
    }

    #[test]
    fn capacity_is_counted_node_by_node() {
        // Two nodes with half a replica each are no room for one.
        let halves = [room(1000, 8192, 0), room(1000, 8192, 0)];
        assert_eq!(capacity(&halves, Size::Medium, 1).tone, FindingTone::Bad);
        assert_eq!(capacity(&[room(4000, 16_384, 0)], Size::Medium, 2).tone, FindingTone::Good);
        let full = capacity(&[room(4000, 16_384, 0)], Size::Medium, 3);
        assert_eq!((full.tone, full.detail.unwrap().contains("2 of 3")), (FindingTone::Warn, true));
        let gpu = capacity(&[room(64_000, 262_144, 0)], Size::Gpu, 1);
        assert_eq!(gpu.title, "There are no GPU nodes here");
        assert_eq!(capacity(&[], Size::Small, 1).tone, FindingTone::Warn);
    }

    #[test]
    fn a_node_that_is_overfull_is_no_room() {
        let mut over = room(2000, 4096, 0);
        over.free.cpu_millis = -500;
        assert_eq!(capacity(&[over], Size::Small, 1).tone, FindingTone::Warn);
    }
}
