//! Workspaces: a team's namespaces on clusters, with quota, defaults and the team's rights.

#[cfg(test)]
pub(crate) mod fixture;
pub mod manifests;
pub mod next;
pub mod reconcile;
mod record;
mod store;
mod strangers;
mod subject;
#[cfg(test)]
mod tests;
mod write;

use domain::{
    Code, Rejected,
    access::{PlatformAction, TeamAction},
    error::Checks,
    ids::{ClusterId, TeamId, WorkspaceId},
    names::{IdOrName, WorkspaceName},
    operation::{ObjectKind, Started},
    page::{Direction, Page},
    workspace::{Adopt, NewWorkspace, Quota, Workspace, WorkspaceChange, WorkspaceQuery, cpus, memory},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Actor, Ctx, Named, Result, Tx,
    audit::{self, Event, OLDER_ACCEPTED},
    clusters,
    error::OnConstraint as _,
    inventory::cluster::{Shown, told},
    live, operations,
    paging::{List, Paging},
    reconcile::{Scope, mark},
    teams,
};

/// The steps of making or changing one.
const PREPARE: [&str; 3] = ["Look at the namespace", "Set quota, defaults and network policies", "Bind the team's roles"];
/// The steps of taking one away.
const REMOVE: [&str; 2] = ["Remove what Slipway made", "Wait until it is gone"];

/// What follows from accepting a database that is older than its cluster: the operation's verb and the events' action.
const APPLY_AGAIN: (&str, &str) = ("apply again", "workspace.apply_again");
/// What follows from a deletion that failed or was called off, likewise.
pub const KEEP: (&str, &str) = ("keep", "workspace.keep");

/// What writes everything again, likewise.
const REPAIR: (&str, &str) = ("repair", "workspace.repair");

/// Makes a workspace for a team on a cluster.
///
/// # Errors
/// `not_found` for whoever is not an admin; `invalid_input`; `already_exists`.
pub async fn create(ctx: &Ctx, new: &NewWorkspace) -> Result<Started> {
    ctx.attempt("workspace.create", ObjectKind::Workspace, None);
    ctx.naming(&new.name);
    ctx.actor().check_platform(PlatformAction::Manage, "page")?;
    let mut checks = Checks::new();
    let name = checks.take("name", WorkspaceName::parse(&new.name));
    let team = checks.take("team", IdOrName::parse(&new.team));
    let cluster = checks.take("cluster", IdOrName::parse(&new.cluster));
    check_quota(&mut checks, &new.quota);
    checks.finish()?;
    let ((name, team), cluster) = name.zip(team).zip(cluster).expect("a clean check has every field");

    let mut tx = ctx.begin().await?;
    let team = teams::hold(&mut tx, &team).await?.ok_or_else(|| teams::none_such(&team))?;
    let cluster = clusters::hold(&mut tx, &cluster).await?.ok_or_else(|| Rejected::field("cluster", format!("There is no cluster {cluster}.")))?;
    let id = WorkspaceId::generate();
    store::insert(&mut tx, id, name.as_str(), team.id, cluster.id, new.adopt, &new.quota).await.on_constraint("workspaces_name_unique", || {
        Rejected::new(Code::AlreadyExists, format!("{} has a workspace {name} already. Choose another name.", cluster.name)).at("name")
    })?;
    let which = Which { id, name: name.into_string(), team, cluster };
    let event = which.event("workspace.create").change("cluster", None::<()>, &which.cluster.name).change("quota", None::<()>, new.quota).change("adopt", None::<()>, new.adopt);
    begin_operation(tx, ctx, &which, which.operation("create", 1, &PREPARE), event).await
}

/// The list of workspaces.
pub const LIST: List =
    List { name: "workspaces", sorts: &[("name", Direction::Ascending), ("created_at", Direction::Descending)], searched: "its name, its team's or its cluster's" };

/// The workspaces the actor may see.
///
/// # Errors
/// `unauthenticated`; `invalid_input` for a question that cannot be.
pub async fn list(ctx: &Ctx, query: &WorkspaceQuery) -> Result<Page<Workspace>> {
    ctx.actor().check_signed_in()?;
    let mut checks = Checks::new();
    let team = checks.take_given("team", query.team.as_deref(), IdOrName::parse);
    let cluster = checks.take_given("cluster", query.cluster.as_deref(), IdOrName::parse);
    checks.finish()?;
    let paging = Paging::read(ctx.control(), &LIST, &query.page, &(&team, &cluster, query.needs_a_look))?;
    let mut conn = ctx.read().await?;
    let (team, cluster) = (teams::narrowed(&mut conn, ctx.actor(), team.as_ref()).await?, clusters::narrowed(&mut conn, ctx.actor(), cluster.as_ref()).await?);
    let only = store::Only { team, cluster, needs_a_look: query.needs_a_look };
    let rows = store::list(&mut conn, ctx.actor().visible(), only, &paging).await?;
    paging.page(rows, |row| (row.key.clone(), row.workspace.id.0), |row| row.workspace)
}

/// Where there are workspaces that somebody may see, for lists to be narrowed to: the names of teams and of clusters, as many as a form can offer.
///
/// # Errors
/// A fault when the database fails.
pub async fn places(conn: &mut PgConnection, actor: &Actor) -> Result<Places> {
    store::places(conn, actor.visible()).await
}

/// The teams and clusters that have workspaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    pub teams: Vec<String>,
    pub clusters: Vec<String>,
}

/// One workspace.
///
/// # Errors
/// `not_found` if the actor may not see it.
pub async fn get(ctx: &Ctx, id: WorkspaceId) -> Result<Workspace> {
    ctx.actor().check_signed_in()?;
    let mut conn = ctx.read().await?;
    store::find(&mut conn, ctx.actor().visible(), id).await?.ok_or_else(|| Rejected::not_found("workspace").into())
}

/// Changes a workspace's quota, or lets it take over a namespace that was there before it. A quota below what runs already is accepted by Kubernetes and only stops new pods; it is refused here, since it surprises.
///
/// # Errors
/// `not_found`, `forbidden`, `invalid_input`, `conflict` while it is on its way out, `precondition_failed`.
pub async fn update(ctx: &Ctx, id: WorkspaceId, change: &WorkspaceChange) -> Result<Started> {
    ctx.attempt("workspace.update", ObjectKind::Workspace, Some(id.0));
    let mut tx = ctx.begin().await?;
    let locked = lock(&mut tx, ctx, id).await?;
    ctx.check_version(locked.workspace.version)?;
    refuse_deleting(&locked)?;
    let Locked { workspace, may_adopt, .. } = locked;
    let adopt = change.adopt.unwrap_or(may_adopt);
    let quota = change.quota.unwrap_or(workspace.quota);
    let mut checks = Checks::new();
    check_quota(&mut checks, &quota);
    let short = shortage(&quota, &workspace.used);
    for (field, message) in short {
        checks.wrong(field, format!("{message}. Use at least that, or make deployments smaller first."));
    }
    checks.ensure(!workspace.adopted || change.adopt != Some(Adopt::Never), "adopt", "The namespace was taken over already. Deleting the workspace lets go of it.");
    checks.finish()?;
    let generation = store::update(&mut tx, id, &quota, adopt).await?;
    let which = Which::of(&workspace);
    let event = which.event("workspace.update").change("quota", workspace.quota, quota).change("adopt", may_adopt, adopt);
    let verb = if change.adopt == Some(Adopt::Existing) { "take over" } else { "change quota" };
    begin_operation(tx, ctx, &which, which.operation(verb, generation, &PREPARE), event).await
}

/// Takes a workspace away. An adopted namespace stays, without what Slipway put into it. A deletion that fails is given up: the workspace is wanted again.
///
/// # Errors
/// `not_found`, `forbidden`, `precondition_failed`; `in_use` with the list of deployments that are still in it.
pub async fn delete(ctx: &Ctx, id: WorkspaceId) -> Result<Started> {
    ctx.attempt("workspace.delete", ObjectKind::Workspace, Some(id.0));
    let mut tx = ctx.begin().await?;
    let Locked { workspace, .. } = lock(&mut tx, ctx, id).await?;
    ctx.check_version(workspace.version)?;
    let blockers = store::blockers(&mut tx, id).await?;
    if !blockers.is_empty() {
        let mut rejected = Rejected::new(Code::InUse, format!("There are deployments in {}. Delete them first.", workspace.name));
        rejected.blockers = blockers;
        return Err(rejected.into());
    }
    let generation = store::delete_begins(&mut tx, id).await?;
    let which = Which::of(&workspace);
    begin_operation(tx, ctx, &which, which.operation("delete", generation, &REMOVE), which.event("workspace.delete")).await
}

/// Calls off a deletion that is not over, say because its cluster does not answer. What was deleted already is made again, empty.
///
/// # Errors
/// `not_found`, `forbidden`, `precondition_failed`; `conflict` when it is not being deleted.
pub async fn keep(ctx: &Ctx, id: WorkspaceId) -> Result<Started> {
    ctx.attempt(KEEP.1, ObjectKind::Workspace, Some(id.0));
    let mut tx = ctx.begin().await?;
    let Locked { workspace, deleting, .. } = lock(&mut tx, ctx, id).await?;
    ctx.check_version(workspace.version)?;
    if !deleting {
        return Err(Rejected::conflict(format!("{} is not being deleted: there is nothing to call off.", workspace.name)).into());
    }
    let generation = store::keep(&mut tx, id).await?;
    let which = Which::of(&workspace);
    begin_operation(tx, ctx, &which, which.operation(KEEP.0, generation, &PREPARE), which.event(KEEP.1)).await
}

/// Writes everything of a workspace again. What others set there is set back when a person asks for it, to whom it was shown; for anybody else it is left
/// to them, and the repair fails over it.
///
/// # Errors
/// `not_found`, `forbidden`, `precondition_failed`; `conflict` while it is on its way out.
pub async fn repair(ctx: &Ctx, id: WorkspaceId) -> Result<Started> {
    ctx.attempt(REPAIR.1, ObjectKind::Workspace, Some(id.0));
    let mut tx = ctx.begin().await?;
    let locked = lock(&mut tx, ctx, id).await?;
    ctx.check_version(locked.workspace.version)?;
    refuse_deleting(&locked)?;
    let takes_over = match ctx.actor().person() {
        Some(_) => shown(&mut tx, &locked.workspace).await?,
        None => Vec::new(),
    };
    let generation = store::repair(&mut tx, id, &takes_over).await?;
    let which = Which::of(&locked.workspace);
    let event = which.event(REPAIR.1).change("take_over", None::<()>, told(&takes_over));
    begin_operation(tx, ctx, &which, which.operation(REPAIR.0, generation, &PREPARE), event).await
}

/// What of others' fields its page shows: those that its last operation failed over, and those that were seen.
async fn shown(conn: &mut PgConnection, workspace: &Workspace) -> Result<Vec<Shown>> {
    let remedy = operations::last_failure(conn, workspace.id.0).await?.and_then(|failure| failure.remedy).unwrap_or_default();
    let mut shown: Vec<Shown> = Vec::new();
    for owned in remedy.fields.iter().chain(&workspace.others) {
        let owned = Shown::from(owned);
        if !shown.contains(&owned) {
            shown.push(owned);
        }
    }
    Ok(shown)
}

/// Locks workspaces, for [`raise`].
///
/// # Errors
/// A fault when the database fails.
pub async fn lock_all(conn: &mut PgConnection, ids: &[Uuid]) -> Result<()> {
    store::lock_all(conn, ids).await
}

/// Has what the database says stand against a newer generation that the cluster holds: it gets a generation above that one, and what was ready is applied again,
/// on the record as what the actor accepted.
///
/// # Errors
/// A fault when the database fails.
pub async fn raise(conn: &mut PgConnection, ctx: &Ctx, id: WorkspaceId, above: i64) -> Result<()> {
    let Some(raised) = store::raise(conn, id, above).await? else { return Ok(()) };
    let which = Which { id, name: raised.name, team: Named { id: raised.team, name: raised.team_name }, cluster: Named { id: raised.cluster, name: raised.cluster_name } };
    if !operations::carry(conn, id.0, raised.generation).await? && raised.ready {
        operations::start_own(conn, ctx, which.operation(APPLY_AGAIN.0, raised.generation, &PREPARE)).await?;
        let event = which.event(APPLY_AGAIN.1).because(Some(OLDER_ACCEPTED)).change("generation", above, raised.generation);
        audit::record(conn, ctx, event).await?;
    }
    mark(conn, id.0, ObjectKind::Workspace, Scope::Cluster(which.cluster.id.0), raised.generation).await?;
    live::changed(conn, id.0).await
}

/// What is used already and would not fit into `quota`: the field and a sentence without its end.
fn shortage(quota: &Quota, used: &Quota) -> Vec<(&'static str, String)> {
    let mut short = Vec::new();
    if used.cpu_millis > quota.cpu_millis {
        short.push(("quota.cpu_millis", format!("{} CPU are used already", cpus(used.cpu_millis))));
    }
    if used.memory_mib > quota.memory_mib {
        short.push(("quota.memory_mib", format!("{} are used already", memory(used.memory_mib))));
    }
    if used.gpus > quota.gpus {
        short.push(("quota.gpus", format!("{} GPUs are used already", used.gpus)));
    }
    if used.pods > quota.pods {
        short.push(("quota.pods", format!("{} replicas are there already", used.pods)));
    }
    short
}

/// Loads, authorizes and locks in one step, and has nobody wait who may not: workspaces are the platform's to change, and a team sees its own.
async fn lock(tx: &mut Tx, ctx: &Ctx, id: WorkspaceId) -> Result<Locked> {
    authorize(tx, ctx, id).await?;
    let (deleting, may_adopt) = store::lock_row(tx, id).await?;
    Ok(Locked { workspace: authorize(tx, ctx, id).await?, deleting, may_adopt })
}

async fn authorize(conn: &mut PgConnection, ctx: &Ctx, id: WorkspaceId) -> Result<Workspace> {
    let workspace = store::find(conn, ctx.actor().visible(), id).await?.ok_or_else(|| Rejected::not_found("workspace"))?;
    let membership = crate::access::membership(conn, ctx.actor(), workspace.team).await?;
    ctx.actor().check_team(workspace.team, membership, TeamAction::See, "workspace")?;
    ctx.actor().check_platform(PlatformAction::Manage, "workspace").map_err(|_| Rejected::forbidden("Only a platform admin may change a workspace."))?;
    Ok(workspace)
}

/// A workspace that is locked, whether it is on its way out, and whether it may take over a namespace.
struct Locked {
    workspace: Workspace,
    deleting: bool,
    may_adopt: Adopt,
}

fn refuse_deleting(locked: &Locked) -> Result<(), Rejected> {
    if locked.deleting {
        return Err(Rejected::conflict(format!("{} is being deleted.", locked.workspace.name)));
    }
    Ok(())
}

fn check_quota(checks: &mut Checks, quota: &Quota) {
    checks.ensure(domain::limits::QUOTA_CPU_MILLIS.contains(&quota.cpu_millis), "quota.cpu_millis", "Enter how many CPU all pods together may ask for, more than none.");
    checks.ensure(domain::limits::QUOTA_MEMORY_MIB.contains(&quota.memory_mib), "quota.memory_mib", "Enter how much memory all pods together may ask for, in MiB, more than none.");
    checks.ensure(domain::limits::QUOTA_GPUS.contains(&quota.gpus), "quota.gpus", "Enter how many GPUs all pods together may ask for, 0 or more.");
    checks.ensure(domain::limits::QUOTA_PODS.contains(&quota.pods), "quota.pods", "Enter how many pods there may be, at least 1.");
}

/// A workspace as its operations and events name it.
struct Which {
    id: WorkspaceId,
    name: String,
    team: Named<TeamId>,
    cluster: Named<ClusterId>,
}

impl Which {
    fn of(workspace: &Workspace) -> Self {
        Self {
            id: workspace.id,
            name: workspace.name.clone(),
            team: Named { id: workspace.team, name: workspace.team_name.clone() },
            cluster: Named { id: workspace.cluster, name: workspace.cluster_name.clone() },
        }
    }

    fn operation<'a>(&'a self, verb: &'a str, generation: i64, steps: &'a [&'a str]) -> operations::New<'a> {
        operations::New {
            verb,
            object_kind: ObjectKind::Workspace,
            object_id: self.id.0,
            object_name: &self.name,
            cluster_name: Some(&self.cluster.name),
            team: Some((self.team.id, &self.team.name)),
            generation,
            steps,
        }
    }

    /// Something was begun; a later event carries what comes of it.
    fn event(&self, action: &'static str) -> Event {
        Event::new(action, ObjectKind::Workspace, self.id.0, &self.name).of_team(self.team.id, &self.team.name).accepted()
    }
}

/// Starts the operation, marks the workspace for its reconciler, and makes it so.
async fn begin_operation(mut tx: Tx, ctx: &Ctx, which: &Which, new: operations::New<'_>, event: Event) -> Result<Started> {
    let generation = new.generation;
    let operation = operations::start(&mut tx, ctx, new).await?;
    mark(&mut tx, which.id.0, ObjectKind::Workspace, Scope::Cluster(which.cluster.id.0), generation).await?;
    audit::record(&mut tx, ctx, event).await?;
    live::changed(&mut tx, which.id.0).await?;
    tx.commit(Started { operation, object: which.id.0 }).await
}
