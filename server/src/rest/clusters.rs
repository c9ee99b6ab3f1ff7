//! `/api/v1/clusters`

use axum::Json;
use control::{OrReplay as _, clusters};
use domain::{
    cluster::{AccessHelp, Cluster, ClusterConnection, ClusterQuery, FoundClusters, NewCluster, NewerThing, Node},
    ids::ClusterId,
    operation::Started,
    page::{Page, PageQuery},
};
use http::StatusCode;

use super::{
    error::Problem,
    extract::{Body, Id, Query},
    precondition::Seen,
    respond::{Answer, Begun, Created, Tagged},
};
use crate::session::Caller;

/// Lists the attached clusters.
#[utoipa::path(get, path = "/clusters", operation_id = "list_clusters", tag = "clusters", params(ClusterQuery), responses((status = 200, body = Page<Cluster>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn list(Caller(ctx): Caller, Query(query): Query<ClusterQuery>) -> Answer<Json<Page<Cluster>>> {
    Ok(Json(clusters::list(&ctx, &query).await?))
}

/// Looks, now, which clusters EKS has in the accounts and regions Slipway works in.
#[utoipa::path(get, path = "/clusters/found", operation_id = "find_clusters", tag = "clusters", responses((status = 200, body = FoundClusters), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn found(Caller(ctx): Caller) -> Answer<Json<FoundClusters>> {
    Ok(Json(clusters::found(&ctx).await?))
}

/// Attaches a cluster that EKS has. Nothing in it is touched.
#[utoipa::path(post, path = "/clusters", operation_id = "attach_cluster", tag = "clusters", request_body = NewCluster, responses((status = 201, body = Cluster), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn attach(Caller(ctx): Caller, Body(new): Body<NewCluster>) -> Answer<Created<Cluster>> {
    let cluster = clusters::attach(&ctx, &new).await.or_replay()?;
    Ok(Created { location: format!("/api/v1/clusters/{}", cluster.id), version: Some(cluster.version), body: cluster })
}

/// Shows a cluster: how Slipway and it stand, its version and capacity.
#[utoipa::path(get, path = "/clusters/{id}", operation_id = "get_cluster", tag = "clusters", params(("id" = ClusterId, Path)), responses((status = 200, body = Cluster), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn get(Caller(ctx): Caller, Id(id): Id<ClusterId>) -> Answer<Tagged<Cluster>> {
    let cluster = clusters::get(&ctx, id).await?;
    Ok(Tagged(cluster.version, cluster))
}

/// Forgets a cluster on which no workspace stands any more. Nothing in it is touched.
#[utoipa::path(delete, path = "/clusters/{id}", operation_id = "detach_cluster", tag = "clusters", params(("id" = ClusterId, Path)), responses((status = 204), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn detach(Caller(ctx): Caller, Id(id): Id<ClusterId>) -> Answer<StatusCode> {
    clusters::detach(&ctx, id).await.or_replay()?;
    Ok(StatusCode::NO_CONTENT)
}

/// Has Slipway look at the cluster now instead of at the next occasion. What it finds is seen in the cluster a moment later.
#[utoipa::path(post, path = "/clusters/{id}/check", operation_id = "check_cluster", tag = "clusters", params(("id" = ClusterId, Path)), responses((status = 202, body = Cluster), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn check(Caller(ctx): Caller, Id(id): Id<ClusterId>) -> Answer<(StatusCode, Json<Cluster>)> {
    Ok((StatusCode::ACCEPTED, Json(clusters::check(&ctx, id).await.or_replay()?)))
}

/// Lists what a read-only cluster holds in a newer generation than the database, which was probably restored from a backup.
#[utoipa::path(get, path = "/clusters/{id}/newer", operation_id = "list_newer_things", tag = "clusters", params(("id" = ClusterId, Path)), responses((status = 200, body = Vec<NewerThing>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn newer(Caller(ctx): Caller, Id(id): Id<ClusterId>) -> Answer<Json<Vec<NewerThing>>> {
    Ok(Json(clusters::newer(&ctx, id).await?))
}

/// Decides that the database is right: what it says is applied again over the newer things of the cluster, which is read-only no more.
#[utoipa::path(post, path = "/clusters/{id}/accept-database", operation_id = "accept_database", tag = "clusters", params(("id" = ClusterId, Path)), responses((status = 200, body = Cluster), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn accept_database(Caller(ctx): Caller, Id(id): Id<ClusterId>) -> Answer<Tagged<Cluster>> {
    let cluster = clusters::accept_database(&ctx, id).await.or_replay()?;
    Ok(Tagged(cluster.version, cluster))
}

/// Shows where the API server is reached, as far as that is not what EKS says.
#[utoipa::path(get, path = "/clusters/{id}/connection", operation_id = "get_cluster_connection", tag = "clusters", params(("id" = ClusterId, Path)), responses((status = 200, body = ClusterConnection), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn connection(Caller(ctx): Caller, Id(id): Id<ClusterId>) -> Answer<Tagged<ClusterConnection>> {
    // The version first: what is newer than its ETag is refused later, what is older than it would be overwritten.
    let version = clusters::get(&ctx, id).await?.version;
    Ok(Tagged(version, clusters::connection(&ctx, id).await?))
}

/// Overrides where the API server is reached; an empty object goes back to what EKS says. The address has to prove itself before it is kept.
#[utoipa::path(put, path = "/clusters/{id}/connection", operation_id = "set_cluster_connection", tag = "clusters", params(("id" = ClusterId, Path), ("If-Match" = String, Header)), request_body = ClusterConnection, responses((status = 200, body = Cluster), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn set_connection(Seen(ctx): Seen, Id(id): Id<ClusterId>, Body(new): Body<ClusterConnection>) -> Answer<Tagged<Cluster>> {
    let cluster = clusters::set_connection(&ctx, id, &new).await.or_replay()?;
    Ok(Tagged(cluster.version, cluster))
}

/// Shows what an admin can do to let Slipway in: commands, `aws-auth` lines, the manifest.
#[utoipa::path(get, path = "/clusters/{id}/access", operation_id = "get_cluster_access", tag = "clusters", params(("id" = ClusterId, Path)), responses((status = 200, body = AccessHelp), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn access(Caller(ctx): Caller, Id(id): Id<ClusterId>) -> Answer<Json<AccessHelp>> {
    Ok(Json(clusters::access_help(&ctx, id).await?))
}

/// Sets up Slipway's own access, where its AWS role may: it borrows the cluster-admin policy, applies its roles, and gives the policy back.
#[utoipa::path(post, path = "/clusters/{id}/access", operation_id = "set_up_cluster_access", tag = "clusters", params(("id" = ClusterId, Path)), responses((status = 202, body = Started), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn set_up_access(Caller(ctx): Caller, Id(id): Id<ClusterId>) -> Answer<Begun> {
    Ok(Begun(clusters::set_up_access(&ctx, id).await.or_replay()?))
}

/// Lists a cluster's nodes.
#[utoipa::path(get, path = "/clusters/{id}/nodes", operation_id = "list_nodes", tag = "clusters", params(("id" = ClusterId, Path), PageQuery), responses((status = 200, body = Page<Node>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn nodes(Caller(ctx): Caller, Id(id): Id<ClusterId>, Query(query): Query<PageQuery>) -> Answer<Json<Page<Node>>> {
    Ok(Json(clusters::nodes(&ctx, id, &query).await?))
}
