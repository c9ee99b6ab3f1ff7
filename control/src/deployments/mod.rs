//! Deployments: models that run, their revisions, and what is seen of them.

#[cfg(test)]
mod again_tests;
pub mod diagnosis;
mod examine;
#[cfg(test)]
mod locks_tests;
mod logs;
pub mod manifests;
mod metadata;
pub mod next;
mod observe;
mod place;
mod predict;
mod preview;
mod reach;
pub mod reconcile;
mod record;
mod revising;
mod sizes;
mod spec;
mod store;
mod subject;
#[cfg(test)]
mod tests;
mod write;

pub use spec::MAX_REPLICAS;

use domain::{
    Code, Rejected, Timestamp,
    access::TeamAction,
    deployment::{Deployment, DeploymentChange, DeploymentCounts, DeploymentQuery, DeploymentSummary, NewDeployment, Revision, Rollback},
    error::Checks,
    ids::{DeploymentId, ReleaseId, WorkspaceId},
    names::{DeploymentName, IdOrName},
    operation::{ChangedField, ObjectKind, Started},
    page::{Direction, Page},
    workspace::Quota,
};
use sqlx::PgConnection;

use crate::{
    Ctx, Result, Tx,
    access::membership,
    audit::{self, Event},
    clusters,
    error::OnConstraint as _,
    inventory::cluster::Shown,
    live, operations,
    paging::{List, Paging},
    reconcile::{Scope, mark},
    teams,
};
pub use logs::logs;
pub use place::{Place, PlaceNode, place};
pub use predict::predict;
pub use preview::{preview, preview_change};
pub use revising::{lock_all, raise};
use revising::{revise, wanted};
pub use sizes::{SizeRoom, sizes};
use spec::{Side, Spec};
use store::{Because, Found, list};

/// The steps of a rollout; [`reconcile`](self) moves them by number.
pub(crate) const ROLL_OUT: [&str; 5] = ["Check rights and workspace", "Apply as the team's deployer", "Start replicas", "Let earlier replicas go", "Ask the model about itself"];
/// The steps of a deletion.
pub(crate) const DELETE: [&str; 3] = ["Check rights", "Delete its objects", "Wait until they are gone"];

/// Deploys a release into a workspace.
///
/// # Errors
/// `not_found` for a release or workspace the actor may not see; `forbidden`; `invalid_input` naming every wrong field;
/// `already_exists`; `conflict` while the workspace is on its way out; `quota_exceeded`.
pub async fn create(ctx: &Ctx, new: &NewDeployment) -> Result<Started> {
    ctx.attempt("deployment.create", ObjectKind::Deployment, None);
    ctx.naming(new.name.as_deref().unwrap_or_default());
    let mut tx = ctx.begin().await?;
    authorize_new(&mut tx, ctx, new.release, new.workspace).await?;
    store::lock_release(&mut tx, new.release).await?;
    store::lock_workspace(&mut tx, new.workspace).await?;
    let (release, workspace) = authorize_new(&mut tx, ctx, new.release, new.workspace).await?;
    let mut checks = Checks::new();
    let name = checks.take("name", DeploymentName::parse(new.name.as_deref().map(str::trim).filter(|name| !name.is_empty()).unwrap_or(&release.model_name)));
    let replicas = new.replicas.unwrap_or(1);
    spec::check_replicas(&mut checks, replicas);
    let environment = spec::check_environment(&mut checks, &new.environment);
    let reason = spec::check_reason(&mut checks, new.reason.as_deref());
    checks.finish()?;
    let name = name.expect("a clean check has a name");
    let wanted = Spec { release: release.id, size: new.size.unwrap_or(release.size), replicas, environment };
    check_quota(&mut tx, &workspace, None, &wanted).await?;

    let id = DeploymentId::generate();
    store::insert(&mut tx, id, workspace.id, name.as_str()).await.on_constraint("deployments_name_unique", || {
        Rejected::new(Code::AlreadyExists, format!("There is a deployment {name} in {} already. Choose another name.", workspace.name)).at("name")
    })?;
    store::insert_revision(&mut tx, id, 1, &wanted, Because { reason: reason.as_deref(), ..Because::default() }, ctx.actor()).await?;
    let found = store::find(&mut tx, id).await?.ok_or_else(|| anyhow::anyhow!("a deployment that was just inserted is missing"))?;
    let event = event("deployment.create", &found, reason.as_deref())
        .change("release", None::<()>, release.title())
        .change("size", None::<()>, wanted.size)
        .change("replicas", None::<()>, wanted.replicas)
        .change("environment", None::<()>, &wanted.environment);
    begin_operation(tx, ctx, &found, "deploy", found.generation, &ROLL_OUT, event).await
}

/// Changes a deployment, as a new revision.
///
/// # Errors
/// `not_found`, `forbidden`, `invalid_input`, `precondition_failed`, `quota_exceeded`; `conflict` while it is being deleted, when it runs exactly this already,
/// or there is nothing to take over. To take over is a person's own to do: `forbidden` for a token.
pub async fn change(ctx: &Ctx, id: DeploymentId, change: &DeploymentChange) -> Result<Started> {
    ctx.attempt("deployment.change", ObjectKind::Deployment, Some(id.0));
    let mut tx = ctx.begin().await?;
    let found = lock(&mut tx, ctx, id, TeamAction::Deploy).await?;
    ctx.check_version(found.version)?;
    refuse_deleting(&found)?;
    let takes_over = if change.take_over { shown_to(&mut tx, ctx, &found).await? } else { Vec::new() };
    let mut asked = revising::asked(&mut tx, &found, change).await?;
    if asked.release.id != asked.before.release.id {
        store::lock_release(&mut tx, asked.release.id).await?;
        asked = revising::asked(&mut tx, &found, change).await?;
    }
    // The same once more is a retry, where it did not come up, or takes back what others set.
    if asked.after == asked.before.spec && !change.take_over && (found.settled || operations::running(&mut tx, id.0).await?.is_some()) {
        return Err(Rejected::conflict(format!("{} runs exactly this already: there is nothing to change.", found.name)).into());
    }
    let because = Because { reason: asked.reason.as_deref(), takes_over: &takes_over, ..Because::default() };
    let release_after = asked.release.title();
    revise(tx, ctx, found, ("deployment.change", "change"), (&asked.before.release.title(), asked.before.spec), (&release_after, asked.after), because).await
}

/// What of others' fields a person was shown, and may take over: those that its last rollout failed over, and those that its page tells of.
async fn shown_to(conn: &mut PgConnection, ctx: &Ctx, found: &Found) -> Result<Vec<Shown>> {
    ctx.actor().check_person()?;
    let failed = operations::last_failure(conn, found.id.0).await?;
    let mut shown: Vec<Shown> = failed.and_then(|failure| failure.remedy).map_or_else(Vec::new, |remedy| remedy.fields.iter().map(Shown::from).collect());
    if let Some(detail) = store::detail(conn, found.id).await? {
        let others: Vec<ChangedField> = serde_json::from_value(detail.others)?;
        shown.extend(others.iter().map(Shown::from).filter(|other| !shown.contains(other)).collect::<Vec<_>>());
        shown.extend(detail.scaled_to.map(|_| Shown { kind: "Deployment".into(), name: found.name.clone(), field: ".spec.replicas".into(), manager: None }));
    }
    if shown.is_empty() {
        return Err(Rejected::conflict(format!("{} has no fields that others set, as far as was seen: there is nothing to take over.", found.name)).at("take_over").into());
    }
    Ok(shown)
}

/// Rolls a deployment back to an earlier revision, as a new one.
///
/// # Errors
/// `not_found`, `forbidden`, `invalid_input` for a revision it never had, `precondition_failed`, `quota_exceeded`; `conflict` while it is being deleted, or when it runs exactly that already.
pub async fn roll_back(ctx: &Ctx, id: DeploymentId, rollback: &Rollback) -> Result<Started> {
    ctx.attempt("deployment.roll_back", ObjectKind::Deployment, Some(id.0));
    let mut tx = ctx.begin().await?;
    let found = lock(&mut tx, ctx, id, TeamAction::Deploy).await?;
    ctx.check_version(found.version)?;
    refuse_deleting(&found)?;
    let mut checks = Checks::new();
    let reason = spec::check_reason(&mut checks, rollback.reason.as_deref());
    checks.ensure(rollback.revision != found.revision, "revision", "This is the revision that is wanted now. Choose an earlier one.");
    checks.finish()?;
    let target = store::wanted(&mut tx, id, rollback.revision).await?.ok_or_else(|| Rejected::field("revision", format!("{} never had this revision.", found.name)))?;
    let before = wanted(&mut tx, &found, found.revision).await?;
    if target.spec == before.spec && (found.settled || operations::running(&mut tx, id.0).await?.is_some()) {
        return Err(Rejected::conflict(format!("{} runs what revision {} wants already: there is nothing to roll back.", found.name, rollback.revision)).into());
    }
    let because = Because { reason: reason.as_deref(), rolled_back_to: Some(rollback.revision), ..Because::default() };
    revise(tx, ctx, found, ("deployment.roll_back", "roll back"), (&before.release.title(), before.spec), (&target.release.title(), target.spec), because).await
}

/// Deletes a deployment with everything Slipway made for it.
///
/// # Errors
/// `not_found`, `forbidden`, `precondition_failed`; `conflict` when it is being deleted already.
pub async fn delete(ctx: &Ctx, id: DeploymentId) -> Result<Started> {
    ctx.attempt("deployment.delete", ObjectKind::Deployment, Some(id.0));
    let mut tx = ctx.begin().await?;
    let found = lock(&mut tx, ctx, id, TeamAction::Delete).await?;
    ctx.check_version(found.version)?;
    if found.deleting && operations::running(&mut tx, id.0).await?.is_some() {
        return Err(Rejected::conflict(format!("{} is being deleted already.", found.name)).into());
    }
    let generation = store::delete_begins(&mut tx, id).await?;
    let event = event("deployment.delete", &found, None);
    begin_operation(tx, ctx, &found, "delete", generation, &DELETE, event).await
}

/// The list of deployments.
pub const LIST: List = List { name: "deployments", sorts: &[("changed_at", Direction::Descending), ("name", Direction::Ascending)], searched: "its name, model or workspace" };

/// The deployments the actor may see, one statement whatever is asked.
///
/// # Errors
/// `unauthenticated`; `invalid_input` for a question that cannot be.
pub async fn list(ctx: &Ctx, query: &DeploymentQuery) -> Result<Page<DeploymentSummary>> {
    ctx.actor().check_signed_in()?;
    let mut checks = Checks::new();
    let team = checks.take_given("team", query.team.as_deref(), IdOrName::parse);
    let cluster = checks.take_given("cluster", query.cluster.as_deref(), IdOrName::parse);
    checks.finish()?;
    let paging = Paging::read(ctx.control(), &LIST, &query.page, &(&query.state, &team, &cluster, query.model))?;
    let mut conn = ctx.read().await?;
    let (team, cluster) = (teams::narrowed(&mut conn, ctx.actor(), team.as_ref()).await?, clusters::narrowed(&mut conn, ctx.actor(), cluster.as_ref()).await?);
    let only = list::Only { states: query.state.clone(), team, cluster, model: query.model };
    let rows = list::list(&mut conn, ctx.actor().visible(), &only, &paging).await?;
    paging.page(rows, |row| (list::key(paging.sort, row), row.id.0), |row| row)
}

/// How many of the deployments the actor may see stand how, in one statement.
///
/// # Errors
/// `unauthenticated`.
pub async fn counts(ctx: &Ctx) -> Result<DeploymentCounts> {
    ctx.actor().check_signed_in()?;
    list::counts(&mut *ctx.read().await?, ctx.actor().visible()).await
}

/// One deployment, whole.
///
/// # Errors
/// `not_found` if the actor may not see it.
pub async fn get(ctx: &Ctx, id: DeploymentId) -> Result<Deployment> {
    ctx.actor().check_signed_in()?;
    let mut conn = ctx.read().await?;
    let missing = || Rejected::not_found("deployment");
    let summary = list::one(&mut conn, ctx.actor().visible(), id).await?.ok_or_else(missing)?;
    let detail = store::detail(&mut conn, id).await?.ok_or_else(missing)?;
    let mut pods = store::pods(&mut conn, id).await?;
    let shown: Vec<i32> = pods.iter().map(|pod| pod.revision).collect();
    let alike = store::newest_alike(&mut conn, id, &shown).await?;
    for pod in &mut pods {
        pod.revision = alike.get(&pod.revision).copied().unwrap_or(pod.revision);
    }
    Ok(Deployment {
        protocol: detail.protocol,
        image: format!("{}@{}", detail.repository_uri, detail.digest),
        environment: serde_json::from_value(detail.environment)?,
        url: format!("http://{}.{}", summary.name, summary.workspace_name),
        metadata: detail.metadata.map(serde_json::from_value).transpose()?,
        pods,
        network_policies_enforced: detail.network_policies_enforced,
        read_only: detail.read_only_cluster.as_deref().map(clusters::why_read_only),
        synced_at: detail.synced_at.map(Timestamp),
        scaled_to: detail.scaled_to,
        others: serde_json::from_value(detail.others)?,
        operation: detail.operation,
        created_at: Timestamp(detail.created_at),
        version: detail.version,
        summary,
    })
}

/// A name that is free in the workspace: the model's own, or with the next number behind it.
///
/// # Errors
/// `not_found` for a release or workspace the actor may not see; `forbidden`; `invalid_input` for a workspace of another team.
pub async fn free_name(ctx: &Ctx, release: ReleaseId, workspace: WorkspaceId) -> Result<String> {
    ctx.actor().check_signed_in()?;
    let mut conn = ctx.read().await?;
    let (release, workspace) = authorize_new(&mut conn, ctx, release, workspace).await?;
    // A model called default is one that no deployment can be called after.
    let base = DeploymentName::parse(&release.model_name).map_or_else(|_| "model".to_owned(), DeploymentName::into_string);
    // Room for a number, within the longest name there may be.
    let start: String = base.chars().take(36).collect::<String>().trim_end_matches('-').to_owned();
    let taken = store::names_like(&mut conn, workspace.id, &start).await?;
    let numbered = std::iter::once(base).chain((2..).map(|number| format!("{start}-{number}")));
    Ok(numbered.into_iter().find(|name| !taken.contains(name)).expect("numbers do not end"))
}

/// A deployment's revisions, newest first, each with what differs from the one before.
///
/// # Errors
/// `not_found` if the actor may not see it.
pub async fn revisions(ctx: &Ctx, id: DeploymentId) -> Result<Vec<Revision>> {
    let mut conn = ctx.read().await?;
    authorize(&mut conn, ctx, id, TeamAction::See).await?;
    let recorded = store::revisions(&mut conn, id).await?;
    let titles: Vec<String> = recorded.iter().map(|revision| format!("{} {}", revision.model_name, revision.release_number)).collect();
    let side = |n: usize| Side { release: &titles[n], size: recorded[n].size, replicas: recorded[n].replicas, environment: &recorded[n].environment };
    let changes: Vec<Vec<String>> =
        (0..recorded.len().min(usize::from(store::MOST))).map(|n| if n + 1 < recorded.len() { spec::differences(side(n + 1), side(n)) } else { Vec::new() }).collect();
    Ok(recorded
        .into_iter()
        .zip(changes)
        .map(|(revision, changes)| Revision {
            number: revision.number,
            release: revision.release,
            model_name: revision.model_name,
            release_number: revision.release_number,
            size: revision.size,
            replicas: revision.replicas,
            environment: revision.environment,
            rolled_back_to: revision.rolled_back_to,
            take_over: revision.take_over,
            resumes: revision.resumes,
            reason: revision.reason,
            created_by: revision.created_by,
            created_at: revision.created_at,
            changes,
        })
        .collect())
}

/// Release and workspace of a new deployment, as far as the actor may use them.
async fn authorize_new(conn: &mut PgConnection, ctx: &Ctx, release: ReleaseId, workspace: WorkspaceId) -> Result<(store::Release, store::Workspace)> {
    let release = store::release(conn, release).await?.ok_or_else(|| Rejected::not_found("release"))?;
    let role = membership(conn, ctx.actor(), release.team).await?;
    ctx.actor().check_team(release.team, role, TeamAction::See, "release")?;
    let workspace = usable_workspace(conn, ctx, workspace).await?;
    if workspace.team != release.team {
        return Err(Rejected::field("workspace", format!("{} belongs to another team than {}.", workspace.name, release.title())).into());
    }
    Ok((release, workspace))
}

async fn usable_workspace(conn: &mut PgConnection, ctx: &Ctx, id: WorkspaceId) -> Result<store::Workspace> {
    let workspace = store::workspace(conn, id).await?.ok_or_else(|| Rejected::not_found("workspace"))?;
    let role = membership(conn, ctx.actor(), workspace.team).await?;
    ctx.actor().check_team(workspace.team, role, TeamAction::Deploy, "workspace")?;
    if workspace.deleting {
        return Err(Rejected::conflict(format!("The workspace {} is being deleted.", workspace.name)).at("workspace").into());
    }
    Ok(workspace)
}

/// Loads and authorizes in one step.
async fn authorize(conn: &mut PgConnection, ctx: &Ctx, id: DeploymentId, action: TeamAction) -> Result<Found> {
    ctx.actor().check_signed_in()?;
    let found = store::find(conn, id).await?.ok_or_else(|| Rejected::not_found("deployment"))?;
    let role = membership(conn, ctx.actor(), found.team).await?;
    ctx.actor().check_team(found.team, role, action, "deployment")?;
    Ok(found)
}

/// Loads, authorizes and locks in one step. Whoever may not waits for nobody; what is given is read once it is locked.
async fn lock(tx: &mut Tx, ctx: &Ctx, id: DeploymentId, action: TeamAction) -> Result<Found> {
    authorize(tx, ctx, id, action).await?;
    store::lock(tx, id).await?;
    authorize(tx, ctx, id, action).await
}

fn refuse_deleting(found: &Found) -> Result<(), Rejected> {
    if found.deleting {
        return Err(Rejected::conflict(format!("{} is being deleted.", found.name)));
    }
    Ok(())
}

/// Refuses what does not fit into the workspace's quota together with what is there.
async fn check_quota(conn: &mut PgConnection, workspace: &store::Workspace, without: Option<DeploymentId>, wanted: &Spec) -> Result<()> {
    let lacks = workspace.quota.lacks(&store::used(conn, workspace.id, without).await?, &wanted.asks());
    if lacks.is_empty() {
        return Ok(());
    }
    let message = format!(
        "This does not fit into {}. {}{} Choose a smaller size or fewer replicas, or ask a platform admin for a larger quota.",
        workspace.name,
        lacks.join(" "),
        own_share(without)
    );
    Err(Rejected::new(Code::QuotaExceeded, message).at("size").into())
}

/// Added to what is said to be free, where a deployment is changed.
fn own_share(without: Option<DeploymentId>) -> &'static str {
    if without.is_some() { " What it has now counts as free." } else { "" }
}

fn add(a: Quota, b: Quota) -> Quota {
    Quota { cpu_millis: a.cpu_millis + b.cpu_millis, memory_mib: a.memory_mib + b.memory_mib, gpus: a.gpus + b.gpus, pods: a.pods + b.pods }
}

/// Starts the operation, marks the deployment for its reconciler, and makes it so.
async fn begin_operation(mut tx: Tx, ctx: &Ctx, found: &Found, verb: &str, generation: i64, steps: &[&str], event: Event) -> Result<Started> {
    let operation = operations::start(&mut tx, ctx, new_operation(found, verb, generation, steps)).await?;
    mark(&mut tx, found.id.0, ObjectKind::Deployment, Scope::Cluster(found.cluster.0), generation).await?;
    audit::record(&mut tx, ctx, event.accepted()).await?;
    live::changed(&mut tx, found.id.0).await?;
    tx.commit(Started { operation, object: found.id.0 }).await
}

fn new_operation<'a>(found: &'a Found, verb: &'a str, generation: i64, steps: &'a [&'a str]) -> operations::New<'a> {
    operations::New {
        verb,
        object_kind: ObjectKind::Deployment,
        object_id: found.id.0,
        object_name: &found.name,
        cluster_name: Some(&found.cluster_name),
        team: Some((found.team, &found.team_name)),
        generation,
        steps,
    }
}

fn event(action: &'static str, found: &Found, reason: Option<&str>) -> Event {
    Event::new(action, ObjectKind::Deployment, found.id.0, &found.name).of_team(found.team, &found.team_name).because(reason)
}
