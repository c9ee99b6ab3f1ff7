//! EKS clusters: finding and attaching them, how Slipway comes into them, what they are like.

mod connection;
mod find;
mod help;
mod manifest;
mod next;
mod observation;
mod probe;
pub mod reconcile;
mod restored;
mod rights;
mod setup;
mod store;
#[cfg(test)]
mod tests;

pub use connection::{check_server, connection, set_connection};
pub use find::{attach, eks_name, found};
pub use restored::{accept_database, found_newer, newer, why_read_only};

use domain::{
    Code, Rejected,
    access::PlatformAction,
    cluster::{AccessHelp, Cluster, ClusterQuery, ClusterState, Node},
    ids::ClusterId,
    names::IdOrName,
    operation::{ObjectKind, Operation, OperationQuery, Started},
    page::{Direction, Page, PageQuery},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    Actor, Ctx, Named, Result,
    audit::{self, Event},
    aws::eks::has_access_entries,
    operations,
    paging::{List, Paging},
    reconcile::{Scope, mark},
};

/// The list of clusters.
pub const LIST: List = List {
    name: "clusters",
    sorts: &[
        ("name", Direction::Ascending),
        ("created_at", Direction::Descending),
        ("state", Direction::Ascending),
        ("region", Direction::Ascending),
        ("kubernetes_version", Direction::Ascending),
    ],
    searched: "its name, its name in EKS, its region, ARN or account",
};

/// The list of a cluster's nodes.
pub const NODES: List = List {
    name: "nodes",
    sorts: &[("name", Direction::Ascending), ("zone", Direction::Ascending), ("instance_type", Direction::Ascending), ("created_at", Direction::Descending)],
    searched: "its name, zone, type or node group",
};

/// The attached clusters.
///
/// # Errors
/// `not_found` for whoever has no role on the platform; `invalid_input` for a question that cannot be.
pub async fn list(ctx: &Ctx, query: &ClusterQuery) -> Result<Page<Cluster>> {
    ctx.actor().check_platform(PlatformAction::See, "page")?;
    let paging = Paging::read(ctx.control(), &LIST, &query.page, &query.state)?;
    let mut conn = ctx.read().await?;
    let rows = store::list(&mut conn, &paging, query.state).await?;
    paging.page(rows, |listed| (listed.key.clone(), listed.row.id.0), |listed| listed.row)
}

/// One cluster.
///
/// # Errors
/// `not_found` if the actor may not see it.
pub async fn get(ctx: &Ctx, id: ClusterId) -> Result<Cluster> {
    ctx.actor().check_platform(PlatformAction::See, "cluster")?;
    store::find(&mut *ctx.read().await?, id).await
}

/// The cluster that is meant, whoever asks. An id is taken at its word: whether a cluster has it shows where it is used.
async fn id_of(conn: &mut PgConnection, named: &IdOrName) -> Result<Option<ClusterId>> {
    match named {
        IdOrName::Id(id) => Ok(Some(ClusterId(*id))),
        IdOrName::Name(name) => store::id_of(conn, name).await,
    }
}

/// The cluster that a list is narrowed to, if it is. Members see the clusters that their teams' workspaces are on.
///
/// # Errors
/// `invalid_input` at `cluster` if there is none, or the actor may not see it: the answer is the same.
pub async fn narrowed(conn: &mut PgConnection, actor: &Actor, given: Option<&IdOrName>) -> Result<Option<ClusterId>> {
    let Some(given) = given else { return Ok(None) };
    let unseen = || Rejected::field("cluster", format!("There is no cluster {given}, or you cannot see it."));
    let id = id_of(conn, given).await?.ok_or_else(unseen)?;
    if store::is_seen(conn, id, actor.visible()).await? { Ok(Some(id)) } else { Err(unseen().into()) }
}

/// The cluster that is meant, whoever asks. It cannot be detached until the transaction ends.
///
/// # Errors
/// A fault when the database fails.
pub async fn hold(conn: &mut PgConnection, named: &IdOrName) -> Result<Option<Named<ClusterId>>> {
    match id_of(conn, named).await? {
        Some(id) => store::hold(conn, id).await,
        None => Ok(None),
    }
}

/// A cluster's nodes, as its watch saw them.
///
/// # Errors
/// `not_found` if the actor may not see the cluster; `invalid_input` for a question that cannot be.
pub async fn nodes(ctx: &Ctx, id: ClusterId, query: &PageQuery) -> Result<Page<Node>> {
    get(ctx, id).await?;
    let paging = Paging::read(ctx.control(), &NODES, query, &id)?;
    let mut conn = ctx.read().await?;
    let rows = store::nodes(&mut conn, id, &paging).await?;
    paging.page(rows, |listed| (listed.key.clone(), Uuid::nil()), |listed| listed.row)
}

/// A replica of ours, and where it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    pub node: String,
    pub name: String,
    pub ready: bool,
    /// What is the matter, as Kubernetes words it.
    pub reason: Option<String>,
    /// How often its container was started again.
    pub restarts: i32,
}

/// The replicas that run on a cluster's nodes, as its watch saw them; the first 2,000.
///
/// # Errors
/// `not_found` if the actor may not see the cluster.
pub async fn replicas(ctx: &Ctx, id: ClusterId) -> Result<Vec<Placed>> {
    get(ctx, id).await?;
    store::replicas(&mut *ctx.read().await?, id).await
}

/// The newest setup of Slipway's access, if there was one.
///
/// # Errors
/// `not_found` if the actor may not see the cluster.
pub async fn newest_operation(ctx: &Ctx, id: ClusterId) -> Result<Option<Operation>> {
    get(ctx, id).await?;
    let query = OperationQuery {
        object_kind: Some(ObjectKind::Cluster),
        object_id: Some(id.0),
        page: PageQuery { page_size: Some(1), ..PageQuery::default() },
        ..OperationQuery::default()
    };
    Ok(operations::list(ctx, &query).await?.items.into_iter().next())
}

/// What an admin can do to let Slipway in.
///
/// # Errors
/// `not_found` if the actor may not see the cluster; `conflict` while Slipway's own principal is not known.
pub async fn access_help(ctx: &Ctx, id: ClusterId) -> Result<AccessHelp> {
    let cluster = get(ctx, id).await?;
    let access = store::access(&mut *ctx.read().await?, id).await?;
    let (Some(principal), Some(mode)) = (&access.principal, &cluster.authentication_mode) else {
        return Err(Rejected::conflict("Slipway has not yet found out who it is in this cluster's account. Look again in a moment; if it stays so, check the account.").into());
    };
    help::help(&help::Subject { region: &cluster.region, eks_name: &cluster.eks_name, authentication_mode: mode, principal, may_set_up: access.may_set_up != Some(false) })
}

/// Looks at the cluster now instead of at the next occasion.
///
/// # Errors
/// `not_found`, `forbidden`.
pub async fn check(ctx: &Ctx, id: ClusterId) -> Result<Cluster> {
    ctx.attempt("cluster.check", ObjectKind::Cluster, Some(id.0));
    ctx.actor().check_platform(PlatformAction::Manage, "cluster")?;
    let mut tx = ctx.begin().await?;
    let cluster = store::lock(&mut tx, id).await?;
    let access = store::access(&mut tx, id).await?;
    mark(&mut tx, id.0, ObjectKind::Cluster, Scope::Cluster(id.0), access.generation).await?;
    tx.commit(cluster).await
}

/// Sets up Slipway's own access, where its AWS principal may: the access entry, its roles, and the cluster-admin policy for just that moment.
///
/// # Errors
/// `not_found`, `forbidden`, `precondition_failed`; `conflict` where the cluster has no access entries, is gone or read-only, or a setup runs already.
pub async fn set_up_access(ctx: &Ctx, id: ClusterId) -> Result<Started> {
    ctx.attempt("cluster.set_up_access", ObjectKind::Cluster, Some(id.0));
    ctx.actor().check_platform(PlatformAction::Manage, "cluster")?;
    let mut tx = ctx.begin().await?;
    let cluster = store::lock(&mut tx, id).await?;
    ctx.check_version(cluster.version)?;
    if operations::running(&mut tx, id.0).await?.is_some() {
        return Err(Rejected::conflict("Access is being set up already.").into());
    }
    if cluster.state == ClusterState::Gone {
        return Err(Rejected::conflict("EKS has no such cluster any more: there is nothing to set up.").into());
    }
    if cluster.read_only_since.is_some() {
        return Err(Rejected::conflict(why_read_only(&cluster.name)).into());
    }
    match cluster.authentication_mode.as_deref() {
        Some(mode) if has_access_entries(mode) => {}
        Some(_) => return Err(Rejected::conflict("This cluster's authentication mode has no access entries. Add the aws-auth lines and apply the manifest by hand.").into()),
        None => return Err(Rejected::conflict("Slipway has not yet looked at this cluster. Try again in a moment.").into()),
    }
    let generation = store::raise_generation(&mut tx, id).await?;
    let new = operations::New {
        verb: "set up access",
        object_kind: ObjectKind::Cluster,
        object_id: id.0,
        object_name: &cluster.name,
        cluster_name: None,
        team: None,
        generation,
        steps: &setup::STEPS,
    };
    let operation = operations::start(&mut tx, ctx, new).await?;
    mark(&mut tx, id.0, ObjectKind::Cluster, Scope::Cluster(id.0), generation).await?;
    audit::record(&mut tx, ctx, Event::new("cluster.set_up_access", ObjectKind::Cluster, id.0, &cluster.name).accepted()).await?;
    tx.commit(Started { operation, object: id.0 }).await
}

/// Forgets a cluster. Nothing in it is touched.
///
/// # Errors
/// `not_found`, `forbidden`, `precondition_failed`; `in_use` with the workspaces that still stand; `conflict` while the borrowed cluster-admin policy is not given back.
pub async fn detach(ctx: &Ctx, id: ClusterId) -> Result<()> {
    ctx.attempt("cluster.detach", ObjectKind::Cluster, Some(id.0));
    ctx.actor().check_platform(PlatformAction::Manage, "cluster")?;
    let mut tx = ctx.begin().await?;
    let cluster = store::lock(&mut tx, id).await?;
    ctx.check_version(cluster.version)?;
    let blockers = store::blockers(&mut tx, id).await?;
    if !blockers.is_empty() {
        let mut rejected = Rejected::new(Code::InUse, format!("Workspaces still stand on {}. Delete them first.", cluster.name));
        rejected.blockers = blockers;
        return Err(rejected.into());
    }
    if store::access(&mut tx, id).await?.borrowed || operations::running(&mut tx, id.0).await?.is_some() {
        return Err(Rejected::conflict("Access is being set up. Wait until Slipway has given the cluster-admin policy back.").into());
    }
    store::delete(&mut tx, id).await?;
    audit::record(&mut tx, ctx, Event::new("cluster.detach", ObjectKind::Cluster, id.0, &cluster.name)).await?;
    tx.commit(()).await?;
    ctx.control().k8s.forget(id);
    Ok(())
}
