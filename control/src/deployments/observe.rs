//! What is seen of a deployment: in the rows of the watches while they are fresh, in the cluster itself otherwise.

use domain::operation::ChangedField;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{Api, api::ListParams};

use super::{
    next::{Observed, Seen, SeenPod},
    subject::Subject,
};
use crate::{
    Control, Result,
    inventory::{
        self,
        cluster::{Put, generation},
    },
    k8s::{self, apply, labels},
    reconcile::Halt,
};

/// Bookmarks come about once a minute; rows older than this are not taken for the truth, in seconds.
const FRESH: f64 = 120.0;

/// What the rows say, if they are fresh enough to speak of the generation that was applied last.
pub(super) async fn rows(control: &Control, subject: &Subject) -> Result<Option<Observed>> {
    let mut conn = control.pool.acquire().await?;
    let fresh = sqlx::query_scalar!(
        r#"select count(*) = 2 as "fresh!" from observed_sync
           where cluster_id = $1 and kind in ('deployments', 'pods') and synced_at > now() - make_interval(secs => $2)"#,
        subject.cluster.0,
        FRESH
    )
    .fetch_one(&mut *conn)
    .await?;
    if !fresh {
        return Ok(None);
    }
    let row = sqlx::query_as!(
        Row,
        "select installation, slipway_generation, observed_by_controller, asked_replicas, replicas, updated_replicas, ready_replicas, available_replicas, stalled, paused, others
         from observed_deployments where cluster_id = $1 and deployment_id = $2 and name = $3",
        subject.cluster.0,
        subject.id.0,
        subject.blueprint.name
    )
    .fetch_optional(&mut *conn)
    .await?;
    // Events of what was just applied may still be on their way.
    let lags = row.as_ref().is_none_or(|row| row.slipway_generation < subject.desired.applied);
    if lags && subject.applied_for.is_none_or(|seconds| seconds < FRESH) {
        return Ok(None);
    }
    let pods = sqlx::query_as!(SeenPod, "select revision, ready, terminating from observed_pods where cluster_id = $1 and deployment_id = $2", subject.cluster.0, subject.id.0)
        .fetch_all(&mut *conn)
        .await?;
    // Nor need the watches have told of the end that the cluster itself was seen to come to.
    let wanted = subject.desired.replicas;
    let answering = pods.iter().filter(|pod| pod.ready && !pod.terminating).count();
    let counted = row.as_ref().is_some_and(|row| row.observed_by_controller && row.updated_replicas.min(row.available_replicas) >= wanted && row.replicas == wanted);
    let short = answering < usize::try_from(wanted).unwrap_or_default() || !counted;
    let behind = subject.desired.came_up && subject.operation.is_none() && short;
    if behind && subject.applied_for.is_some_and(|seconds| seconds < FRESH) {
        return Ok(None);
    }
    let seen = |row: Row| -> Result<Seen> {
        Ok(Seen {
            generation: row.slipway_generation,
            ours: row.installation == control.installation.to_string(),
            observed_by_controller: row.observed_by_controller,
            asked: row.asked_replicas,
            replicas: row.replicas,
            updated: row.updated_replicas,
            ready: row.ready_replicas,
            available: row.available_replicas,
            stalled: row.stalled,
            paused: row.paused,
            others: serde_json::from_value(row.others)?,
        })
    };
    Ok(Some(Observed { deployment: row.map(seen).transpose()?, pods, others: subject.others.clone() }))
}

struct Row {
    installation: String,
    slipway_generation: i64,
    observed_by_controller: bool,
    asked_replicas: Option<i32>,
    replicas: i32,
    updated_replicas: i32,
    ready_replicas: i32,
    available_replicas: i32,
    stalled: Option<String>,
    paused: bool,
    others: serde_json::Value,
}

/// What the cluster says, in two calls.
pub(super) async fn cluster(control: &Control, subject: &Subject) -> Result<Observed, Halt> {
    let client = control.k8s.own(control, subject.cluster).await?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &subject.blueprint.namespace);
    let pods: Api<Pod> = Api::namespaced(client, &subject.blueprint.namespace);
    let (deployment, pods) = tokio::try_join!(apply::find(&deployments, &subject.blueprint.name), list_pods(&pods, subject))?;
    let deployment = match deployment {
        Some(deployment) => {
            let others = inventory::changed(&mut *control.pool.acquire().await?, subject.id.0, &Put::there(&deployment)).await?;
            Some(seen(control, subject, &deployment, others))
        }
        None => None,
    };
    Ok(Observed { deployment, pods: pods.iter().map(seen_pod).collect(), others: subject.others.clone() })
}

/// The deployment's pods.
pub(super) async fn list_pods(pods: &Api<Pod>, subject: &Subject) -> k8s::Result<Vec<Pod>> {
    Ok(pods.list(&ListParams::default().labels(&format!("{}={}", labels::DEPLOYMENT, subject.id))).await?.items)
}

fn seen(control: &Control, subject: &Subject, deployment: &Deployment, others: Vec<ChangedField>) -> Seen {
    let meta = &deployment.metadata;
    let status = deployment.status.clone().unwrap_or_default();
    let annotation = |key: &str| meta.annotations.as_ref().and_then(|all| all.get(key)).map(String::as_str);
    let label = |key: &str| meta.labels.as_ref().and_then(|all| all.get(key)).map(String::as_str);
    Seen {
        generation: generation(meta).unwrap_or(0),
        ours: annotation(labels::INSTALLATION) == Some(&control.installation.to_string()) && label(labels::DEPLOYMENT) == Some(&subject.id.to_string()),
        observed_by_controller: status.observed_generation.zip(meta.generation).is_some_and(|(observed, newest)| observed >= newest),
        asked: deployment.spec.as_ref().and_then(|spec| spec.replicas),
        replicas: status.replicas.unwrap_or(0),
        updated: status.updated_replicas.unwrap_or(0),
        ready: status.ready_replicas.unwrap_or(0),
        available: status.available_replicas.unwrap_or(0),
        stalled: None,
        paused: is_paused(deployment),
        others,
    }
}

/// Whether Kubernetes was told to go no further with its rollout.
pub(super) fn is_paused(deployment: &Deployment) -> bool {
    deployment.spec.as_ref().and_then(|spec| spec.paused).unwrap_or(false)
}

fn seen_pod(pod: &Pod) -> SeenPod {
    SeenPod { revision: revision(pod), ready: is_ready(pod), terminating: pod.metadata.deletion_timestamp.is_some() }
}

/// The revision whose template a pod runs; 0 when it does not say.
pub(super) fn revision(pod: &Pod) -> i32 {
    pod.metadata.labels.as_ref().and_then(|all| all.get(labels::REVISION)).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Whether a pod answers.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|conditions| conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"))
}

#[cfg(test)]
mod tests {
    use domain::{access::TeamRole, deployment::NewDeployment, ids::DeploymentId};
    use sqlx::PgPool;

    use super::*;
    use crate::{
        deployments::{self, subject},
        inventory, operations,
        testing::World,
        workspaces::fixture::Place,
    };

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn watches_that_lag_do_not_undo_what_the_cluster_said(pool: PgPool) {
        let world = World::new(pool.clone()).await;
        let (control, place) = (&world.control, Place::new(&world).await);
        let ada = place.member(&world, "ada", TeamRole::Deployer).await;
        let new =
            NewDeployment { release: place.releases[0], workspace: place.workspace, name: Some("iris".into()), size: None, replicas: None, environment: Vec::new(), reason: None };
        let started = deployments::create(&ada, &new).await.unwrap();
        let id = DeploymentId(started.object);
        let mut conn = pool.acquire().await.unwrap();
        let entries = super::super::write::entries(&subject::load(control, id).await.unwrap().unwrap());
        inventory::intend(&mut conn, id.0, &entries).await.unwrap();
        let written: Vec<Put> = entries.into_iter().map(Put::of).collect();
        inventory::applied(&mut conn, id.0, 1, &written.iter().collect::<Vec<_>>()).await.unwrap();
        let sql = format!(
            "insert into observed_sync (cluster_id, kind, synced_at, lease_epoch) select '{cluster}', kind, now(), 1 from unnest('{{deployments,pods}}'::text[]) kind;
             insert into observed_deployments (cluster_id, namespace, name, deployment_id, uid, resource_version, installation, slipway_generation, revision,
                 observed_by_controller, replicas, updated_replicas, ready_replicas, available_replicas, paused)
             values ('{cluster}', 'forecasting', 'iris', '{id}', 'u', '1', '{}', 1, 1, true, 1, 1, 0, 0, false)",
            control.installation,
            cluster = place.cluster
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
        let told = async || rows(control, &subject::load(control, id).await.unwrap().unwrap()).await.unwrap().is_some();
        assert!(told().await, "a rollout is followed in the rows");
        operations::finish(&mut conn, started.operation, Ok(())).await.unwrap();
        sqlx::query("update deployments set live_revision = revision, state = 'live'").execute(&pool).await.unwrap();
        assert!(!told().await, "it was seen to come up a moment ago");
        sqlx::query("update inventory set applied_at = now() - interval '10 minutes'").execute(&pool).await.unwrap();
        assert!(told().await, "by now its replicas are gone");
    }
}
