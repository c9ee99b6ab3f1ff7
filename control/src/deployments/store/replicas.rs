//! The SQL of replicas, as the cluster's watch saw them, and of how they are talked to.

use domain::{
    Timestamp,
    deployment::{LastExit, Pod},
    ids::DeploymentId,
    serving::Protocol,
};
use sqlx::PgConnection;

use crate::Result;

/// The replicas that the cluster's watch saw.
pub async fn pods(conn: &mut PgConnection, id: DeploymentId) -> Result<Vec<Pod>> {
    let rows = sqlx::query!(
        r#"select p.name, p.revision, p.node, n.zone as "zone?", p.phase, p.ready, p.restarts, p.reason, p.message, p.last_exit, p.created_at
           from observed_pods p left join observed_nodes n on n.cluster_id = p.cluster_id and n.name = p.node
           where p.deployment_id = $1 order by p.revision desc, p.name limit 500"#,
        id.0
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let last_exit: Option<LastExit> = row.last_exit.map(serde_json::from_value).transpose()?;
            Ok(Pod {
                name: row.name,
                revision: row.revision,
                node: row.node,
                zone: row.zone,
                phase: row.phase,
                ready: row.ready,
                restarts: row.restarts,
                reason: row.reason,
                message: row.message,
                last_exit,
                created_at: Timestamp(row.created_at),
            })
        })
        .collect()
}

/// What a prediction needs.
pub struct Served {
    pub protocol: Protocol,
    pub port: i32,
    /// The model's name in its own server.
    pub name: String,
    pub pod: Option<ServingPod>,
}

/// A replica that answers.
pub struct ServingPod {
    pub name: String,
    pub revision: i32,
}

/// A ready replica, of the newest revision that has one, with how it is talked to. One that says it is of a revision which never was is none,
/// nor is the one called `but`.
pub async fn served(conn: &mut PgConnection, id: DeploymentId, but: Option<&str>) -> Result<Served> {
    let row = sqlx::query!(
        r#"select p.name as "pod?", p.revision as "revision?", r.protocol as "protocol: Protocol", r.port, coalesce(d.metadata ->> 'name', m.name) as "name!"
           from deployments d
           left join lateral (
               select o.name, o.revision from observed_pods o join revisions r on r.deployment_id = o.deployment_id and r.number = o.revision
               where o.deployment_id = d.id and o.ready and not o.terminating and o.name is distinct from $2 order by o.revision desc, random() limit 1
           ) p on true
           join revisions v on v.deployment_id = d.id and v.number = coalesce(p.revision, d.revision)
           join releases r on r.id = v.release_id
           join models m on m.id = r.model_id
           where d.id = $1"#,
        id.0,
        but
    )
    .fetch_one(conn)
    .await?;
    Ok(Served { protocol: row.protocol, port: row.port, name: row.name, pod: row.pod.zip(row.revision).map(|(name, revision)| ServingPod { name, revision }) })
}

/// The names of the replicas, newest revision first.
pub async fn replica_names(conn: &mut PgConnection, id: DeploymentId) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!("select name from observed_pods where deployment_id = $1 order by revision desc, created_at", id.0).fetch_all(conn).await?)
}
