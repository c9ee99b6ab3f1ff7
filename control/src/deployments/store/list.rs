//! The SQL of the list. Each order is a statement of its own, so that each walks its index and stops after a page; what it
//! shows is kept beside the deployment, so that nothing is joined. Only where the wanted revision of a row is not the one that
//! came up last, a second statement asks for the replicas of that one, for all such rows at once.

use std::collections::HashMap;

use domain::{
    Rejected, Timestamp,
    deployment::{DeploymentCounts, DeploymentState, DeploymentSummary, States, StillServing},
    ids::{ClusterId, DeploymentId, ModelId, ReleaseId, TeamId, WorkspaceId},
    size::Size,
};
use sqlx::PgConnection;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use crate::{Result, access::Visible, paging::Paging};

struct Row {
    id: DeploymentId,
    name: String,
    team: TeamId,
    team_name: String,
    workspace: WorkspaceId,
    workspace_name: String,
    cluster: ClusterId,
    cluster_name: String,
    model: ModelId,
    model_name: String,
    release: ReleaseId,
    release_number: i32,
    state: DeploymentState,
    state_message: Option<String>,
    replicas: i32,
    ready_replicas: i32,
    size: Size,
    revision: i32,
    live_revision: Option<i32>,
    changed_at: OffsetDateTime,
}

impl Row {
    /// Whether an earlier revision may serve.
    fn superseded(&self) -> bool {
        self.live_revision.is_some_and(|live| live != self.revision)
    }

    fn summary(self, still_serving: Option<StillServing>) -> DeploymentSummary {
        DeploymentSummary {
            id: self.id,
            name: self.name,
            team: self.team,
            team_name: self.team_name,
            workspace: self.workspace,
            workspace_name: self.workspace_name,
            cluster: self.cluster,
            cluster_name: self.cluster_name,
            model: self.model,
            model_name: self.model_name,
            release: self.release,
            release_number: self.release_number,
            state: self.state,
            state_message: self.state_message,
            replicas: self.replicas,
            ready_replicas: self.ready_replicas,
            size: self.size,
            revision: self.revision,
            still_serving,
            changed_at: Timestamp(self.changed_at),
        }
    }
}

/// What the list is narrowed to.
#[derive(Default)]
pub struct Only {
    pub states: Option<States>,
    pub team: Option<TeamId>,
    pub cluster: Option<ClusterId>,
    pub model: Option<ModelId>,
}

/// The select of every order; what follows `where` and `order by` differs.
macro_rules! rows {
    ($conn:expr, $visible:expr, $only:expr, $paging:expr, $key:expr, $id:expr, $after:literal, $order:literal) => {
        sqlx::query_as!(
            Row,
            r#"select d.id as "id: DeploymentId", d.name, d.team_id as "team!: TeamId", d.team_name as "team_name!", d.workspace_id as "workspace: WorkspaceId",
                      d.workspace_name as "workspace_name!", d.cluster_name as "cluster_name!", d.model_id as "model!: ModelId", d.model_name as "model_name!", d.release_number as "release_number!",
                      d.cluster_id as "cluster!: ClusterId", d.release_id as "release!: ReleaseId",
                      d.state as "state: DeploymentState", d.state_message, d.replicas as "replicas!", d.ready_replicas, d.size as "size!: Size", d.revision,
                      d.live_revision, d.changed_at
               from deployments d
               where d.team_id is not null
                 and ($1 or d.team_id in (select team_id from members where user_id = $2))
                 and ($3::uuid is null or d.team_id = $3)
                 and ($4::text is null or d.name ilike $4 or d.model_name ilike $4 or d.workspace_name ilike $4)
                 and ($5::deployment_state[] is null or d.state = any($5))
                 and ($6::uuid is null or d.team_id = $6)
                 and ($7::uuid is null or d.cluster_id = $7)
                 and ($8::uuid is null or d.model_id = $8)
                 and "#
                + $after
                + " order by "
                + $order
                + " limit $11",
            $visible.all,
            $visible.user,
            $visible.team,
            $paging.search,
            $only.states.as_ref().map(States::as_slice) as Option<&[DeploymentState]>,
            $only.team.map(|id| id.0),
            $only.cluster.map(|id| id.0),
            $only.model.map(|id| id.0),
            $key,
            $id,
            $paging.limit
        )
        .fetch_all(&mut *$conn)
        .await?
    };
}

/// A page of deployments: by change, newest first, or by name; one statement either way.
pub async fn list(conn: &mut PgConnection, visible: Visible, only: &Only, paging: &Paging) -> Result<Vec<DeploymentSummary>> {
    let id = paging.after_id;
    let rows = if paging.sort == "name" {
        let name = paging.after_key.as_deref();
        if paging.descending {
            rows!(conn, visible, only, paging, name, id, "($9::text is null or (d.name, d.id) < ($9, $10::uuid))", "d.name desc, d.id desc")
        } else {
            rows!(conn, visible, only, paging, name, id, "(d.name, d.id) > (coalesce($9::text, ''), coalesce($10::uuid, '00000000-0000-0000-0000-000000000000'))", "d.name, d.id")
        }
    } else {
        let moment = paging.after_key.as_deref().map(moment).transpose()?;
        if paging.descending {
            // Sentinels instead of "is null or", so that the index starts where the page does.
            let (moment, id) = (moment.unwrap_or(END), id.unwrap_or(Uuid::max()));
            rows!(conn, visible, only, paging, moment, id, "(d.changed_at, d.id) < ($9::timestamptz, $10::uuid)", "d.changed_at desc, d.id desc")
        } else {
            let (moment, id) = (moment.unwrap_or(OffsetDateTime::UNIX_EPOCH), id.unwrap_or(Uuid::nil()));
            rows!(conn, visible, only, paging, moment, id, "(d.changed_at, d.id) > ($9::timestamptz, $10::uuid)", "d.changed_at, d.id")
        }
    };
    summaries(conn, rows).await
}

/// How many stand how.
pub async fn counts(conn: &mut PgConnection, visible: Visible) -> Result<DeploymentCounts> {
    let counts = sqlx::query_as!(
        DeploymentCounts,
        r#"select count(*) filter (where state = 'pending') as "pending!", count(*) filter (where state = 'rolling_out') as "rolling_out!",
                  count(*) filter (where state = 'live') as "live!", count(*) filter (where state = 'degraded') as "degraded!", count(*) filter (where state = 'failed') as "failed!",
                  count(*) filter (where state = 'held') as "held!", count(*) filter (where state = 'deleting') as "deleting!"
           from deployments
           where team_id is not null and ($1 or team_id in (select team_id from members where user_id = $2)) and ($3::uuid is null or team_id = $3)"#,
        visible.all,
        visible.user,
        visible.team
    )
    .fetch_one(conn)
    .await?;
    Ok(counts)
}

/// One row, if it is visible.
pub async fn one(conn: &mut PgConnection, visible: Visible, id: DeploymentId) -> Result<Option<DeploymentSummary>> {
    let (only, paging) = (Only::default(), One::default());
    let rows = rows!(conn, visible, only, paging, id.0, None::<Uuid>, "d.id = $9::uuid and $10::uuid is null", "d.id");
    Ok(summaries(conn, rows).await?.pop())
}

async fn summaries(conn: &mut PgConnection, rows: Vec<Row>) -> Result<Vec<DeploymentSummary>> {
    let superseded: Vec<Uuid> = rows.iter().filter(|row| row.superseded()).map(|row| row.id.0).collect();
    let mut serving = if superseded.is_empty() { HashMap::new() } else { still_serving(conn, &superseded).await? };
    Ok(rows
        .into_iter()
        .map(|row| {
            let still_serving = serving.remove(&row.id);
            row.summary(still_serving)
        })
        .collect())
}

/// What of the revision that came up last still answers, where nothing of the wanted one does. Replicas keep the number of the
/// earliest revision that makes the same ones: what failed before it was applied may want the very replicas that are there.
async fn still_serving(conn: &mut PgConnection, superseded: &[Uuid]) -> Result<HashMap<DeploymentId, StillServing>> {
    let rows = sqlx::query!(
        r#"select d.id as "id: DeploymentId", l.number as revision, count(*) filter (where (e.release_id, e.size, e.environment) = (l.release_id, l.size, l.environment)) as "ready!"
           from deployments d
           join revisions l on l.deployment_id = d.id and l.number = d.live_revision
           join revisions w on w.deployment_id = d.id and w.number = d.revision
           join observed_pods p on p.deployment_id = d.id and p.ready and not p.terminating
           join revisions e on e.deployment_id = d.id and e.number = p.revision
           cross join lateral (select (l.release_id, l.size, l.environment) = (w.release_id, w.size, w.environment) as alike) a
           where d.id = any($1)
             and (not a.alike or d.state = 'failed' and d.generation > (select coalesce(min(generation), 0) from inventory where object_id = d.id))
           group by d.id, l.number, a.alike
           having (a.alike or not bool_or((e.release_id, e.size, e.environment) = (w.release_id, w.size, w.environment)))
              and bool_or((e.release_id, e.size, e.environment) = (l.release_id, l.size, l.environment))"#,
        superseded
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, StillServing { revision: row.revision, ready: row.ready })).collect())
}

/// The paging of a question for one row.
struct One {
    search: Option<String>,
    limit: i64,
}

impl Default for One {
    fn default() -> Self {
        Self { search: None, limit: 1 }
    }
}

/// After every moment a deployment can have been changed at.
const END: OffsetDateTime = time::macros::datetime!(9999-12-31 23:59:59 UTC);

/// The sort key of a row, as its page token holds it.
pub fn key(sort: &str, row: &DeploymentSummary) -> String {
    match sort {
        "name" => row.name.clone(),
        _ => row.changed_at.to_string(),
    }
}

fn moment(text: &str) -> Result<OffsetDateTime, Rejected> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| Rejected::field("page_token", "This page token is not from this list. Start again without it."))
}
