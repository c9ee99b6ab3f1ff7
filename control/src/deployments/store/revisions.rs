//! The SQL of revisions and of the releases they run.

use std::collections::HashMap;

use domain::{
    Timestamp,
    audit::ActorKind,
    deployment::Variable,
    ids::{DeploymentId, ModelId, ReleaseId, TeamId},
    size::Size,
};
use sqlx::PgConnection;

use super::super::spec::Spec;
use crate::{Actor, Result, inventory::cluster::Shown};

/// A release as deployments need it.
#[derive(Clone)]
pub struct Release {
    pub id: ReleaseId,
    pub model: ModelId,
    pub model_name: String,
    pub number: i32,
    pub team: TeamId,
    pub repository_uri: String,
    pub digest: String,
    pub port: i32,
    pub health_path: String,
    pub size: Size,
}

impl Release {
    /// `iris 2`
    pub fn title(&self) -> String {
        format!("{} {}", self.model_name, self.number)
    }

    /// What a node pulls.
    pub fn image(&self) -> String {
        format!("{}@{}", self.repository_uri, self.digest)
    }
}

pub async fn release(conn: &mut PgConnection, id: ReleaseId) -> Result<Option<Release>> {
    Ok(sqlx::query_as!(
        Release,
        r#"select r.id as "id: ReleaseId", m.id as "model: ModelId", m.name as model_name, r.number, m.team_id as "team: TeamId", r.repository_uri, r.digest, r.port, r.health_path,
                  r.size as "size: Size"
           from releases r join models m on m.id = r.model_id where r.id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// Keeps a release from being deleted under a new revision of it.
pub async fn lock_release(conn: &mut PgConnection, id: ReleaseId) -> Result<()> {
    sqlx::query!("select id from releases where id = $1 for key share", id.0).fetch_optional(conn).await?;
    Ok(())
}

/// What a revision is made from, besides its spec.
#[derive(Clone, Copy, Default)]
pub struct Because<'a> {
    pub reason: Option<&'a str>,
    pub rolled_back_to: Option<i32>,
    /// The fields of others that it may take over.
    pub takes_over: &'a [Shown],
    /// Whether it ends a hold.
    pub resumes: bool,
}

pub async fn insert_revision(conn: &mut PgConnection, id: DeploymentId, number: i32, spec: &Spec, because: Because<'_>, actor: &Actor) -> Result<()> {
    sqlx::query!(
        "insert into revisions (deployment_id, number, release_id, size, replicas, environment, rolled_back_to, take_over, takes_over, resumes, reason, actor_kind, actor_id, created_by_name)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        id.0,
        number,
        spec.release.0,
        spec.size as Size,
        spec.replicas,
        serde_json::to_value(&spec.environment)?,
        because.rolled_back_to,
        !because.takes_over.is_empty(),
        serde_json::to_value(because.takes_over)?,
        because.resumes,
        because.reason,
        actor.kind() as ActorKind,
        actor.id(),
        actor.name()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A revision's spec with its release's title.
pub struct Wanted {
    pub spec: Spec,
    pub release: Release,
}

pub async fn wanted(conn: &mut PgConnection, id: DeploymentId, number: i32) -> Result<Option<Wanted>> {
    let row = sqlx::query!(
        r#"select v.size as "size: Size", v.replicas, v.environment, r.id as "release: ReleaseId", m.id as "model: ModelId", m.name as model_name, r.number, m.team_id as "team: TeamId",
                  r.repository_uri, r.digest, r.port, r.health_path, r.size as "release_size: Size"
           from revisions v join releases r on r.id = v.release_id join models m on m.id = r.model_id
           where v.deployment_id = $1 and v.number = $2"#,
        id.0,
        number
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Wanted {
        spec: Spec { release: row.release, size: row.size, replicas: row.replicas, environment: serde_json::from_value(row.environment)? },
        release: Release {
            id: row.release,
            model: row.model,
            model_name: row.model_name,
            number: row.number,
            team: row.team,
            repository_uri: row.repository_uri,
            digest: row.digest,
            port: row.port,
            health_path: row.health_path,
            size: row.release_size,
        },
    }))
}

/// The revision whose pods these are: the earliest with the same release, size and environment. A revision that only
/// scales, or goes back, finds the pods it wants running already.
pub async fn template_revision(conn: &mut PgConnection, id: DeploymentId, number: i32) -> Result<i32> {
    Ok(sqlx::query_scalar!(
        r#"select min(e.number) as "number!" from revisions e join revisions v on v.deployment_id = e.deployment_id and (e.release_id, e.size, e.environment) = (v.release_id, v.size, v.environment)
           where v.deployment_id = $1 and v.number = $2"#,
        id.0,
        number
    )
    .fetch_one(conn)
    .await?)
}

/// For each of these revisions the newest one that makes the same replicas. Replicas keep the number of the earliest, so that going
/// back restarts none; people are told the newest that was applied. One walk over the revisions, however many are alike.
pub async fn newest_alike(conn: &mut PgConnection, id: DeploymentId, numbers: &[i32]) -> Result<HashMap<i32, i32>> {
    let rows = sqlx::query!(
        r#"select number as "number!", newest as "newest!"
           from (select v.number, coalesce(max(v.number) filter (where v.number < d.revision or d.state <> 'failed' or i.generation >= d.generation) over (partition by v.release_id, v.size, v.environment), v.number) as newest
                 from revisions v join deployments d on d.id = v.deployment_id
                 cross join lateral (select coalesce(min(generation), 0) as generation from inventory where object_id = d.id) i
                 where v.deployment_id = $1) v
           where number = any($2)"#,
        id.0,
        numbers
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.number, row.newest)).collect())
}

/// As many revisions as are shown.
pub const MOST: u16 = 300;

/// A revision with its release in words.
pub struct Recorded {
    pub number: i32,
    pub release: ReleaseId,
    pub model_name: String,
    pub release_number: i32,
    pub size: Size,
    pub replicas: i32,
    pub environment: Vec<Variable>,
    pub rolled_back_to: Option<i32>,
    pub take_over: bool,
    pub resumes: bool,
    pub reason: Option<String>,
    pub created_by: String,
    pub created_at: Timestamp,
}

/// The newest revisions first, at most [`MOST`] and the one before those.
pub async fn revisions(conn: &mut PgConnection, id: DeploymentId) -> Result<Vec<Recorded>> {
    let rows = sqlx::query!(
        r#"select v.number, v.release_id as "release: ReleaseId", m.name as model_name, r.number as release_number, v.size as "size: Size", v.replicas, v.environment, v.rolled_back_to, v.take_over, v.resumes, v.reason,
                  v.created_by_name, v.created_at
           from revisions v join releases r on r.id = v.release_id join models m on m.id = r.model_id
           where v.deployment_id = $1 order by v.number desc limit $2"#,
        id.0,
        i64::from(MOST) + 1
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Recorded {
                number: row.number,
                release: row.release,
                model_name: row.model_name,
                release_number: row.release_number,
                size: row.size,
                replicas: row.replicas,
                environment: serde_json::from_value(row.environment)?,
                rolled_back_to: row.rolled_back_to,
                take_over: row.take_over,
                resumes: row.resumes,
                reason: row.reason,
                created_by: row.created_by_name,
                created_at: Timestamp(row.created_at),
            })
        })
        .collect()
}
