//! The SQL of the list. Each order is a statement of its own, so that each walks its index and stops after a page; what it
//! shows is kept beside the deployment, so that nothing is joined but, where the wanted revision is not the one that came up last,
//! the replicas of that one; two ids are looked up for the page's rows alone.

use domain::{
    Rejected, Timestamp,
    deployment::{DeploymentQuery, DeploymentState, DeploymentSummary, StillServing},
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
    serving_revision: Option<i32>,
    serving_ready: Option<i64>,
    changed_at: OffsetDateTime,
}

impl From<Row> for DeploymentSummary {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            team: row.team,
            team_name: row.team_name,
            workspace: row.workspace,
            workspace_name: row.workspace_name,
            cluster: row.cluster,
            cluster_name: row.cluster_name,
            model: row.model,
            model_name: row.model_name,
            release: row.release,
            release_number: row.release_number,
            state: row.state,
            state_message: row.state_message,
            replicas: row.replicas,
            ready_replicas: row.ready_replicas,
            size: row.size,
            revision: row.revision,
            still_serving: row.serving_revision.zip(row.serving_ready).map(|(revision, ready)| StillServing { revision, ready }),
            changed_at: Timestamp(row.changed_at),
        }
    }
}

/// The select of every order; what follows `where` and `order by` differs.
macro_rules! rows {
    ($conn:expr, $visible:expr, $query:expr, $paging:expr, $key:expr, $id:expr, $after:literal, $order:literal) => {
        sqlx::query_as!(
            Row,
            r#"select d.id as "id: DeploymentId", d.name, d.team_id as "team!: TeamId", d.team_name as "team_name!", d.workspace_id as "workspace: WorkspaceId",
                      d.workspace_name as "workspace_name!", d.cluster_name as "cluster_name!", d.model_id as "model!: ModelId", d.model_name as "model_name!", d.release_number as "release_number!",
                      (select w.cluster_id from workspaces w where w.id = d.workspace_id) as "cluster!: ClusterId",
                      (select v.release_id from revisions v where v.deployment_id = d.id and v.number = d.revision) as "release!: ReleaseId",
                      d.state as "state: DeploymentState", d.state_message, d.replicas as "replicas!", d.ready_replicas, d.size as "size!: Size", d.revision,
                      s.revision as "serving_revision?", s.ready as "serving_ready?", d.changed_at
               from deployments d
               -- Replicas keep the number of the earliest revision that makes the same ones.
               left join lateral (
                   select l.number as revision, count(*) filter (where (e.release_id, e.size, e.environment) = (l.release_id, l.size, l.environment)) as ready
                   from revisions l
                   join revisions w on w.deployment_id = l.deployment_id and w.number = d.revision
                   join observed_pods p on p.deployment_id = l.deployment_id and p.ready
                   join revisions e on e.deployment_id = p.deployment_id and e.number = p.revision
                   where d.live_revision <> d.revision and l.deployment_id = d.id and l.number = d.live_revision
                     and (l.release_id, l.size, l.environment) <> (w.release_id, w.size, w.environment)
                   group by l.number
                   having not bool_or((e.release_id, e.size, e.environment) = (w.release_id, w.size, w.environment))
                      and bool_or((e.release_id, e.size, e.environment) = (l.release_id, l.size, l.environment))
               ) s on true
               where d.team_id is not null
                 and ($1 or d.team_id in (select team_id from members where user_id = $2))
                 and ($3::uuid is null or d.team_id = $3)
                 and ($4::text is null or d.name ilike $4 or d.model_name ilike $4 or d.workspace_name ilike $4)
                 and ($5::deployment_state is null or d.state = $5)
                 and ($6::text is null or d.team_name = $6 or d.team_id::text = lower($6))
                 and ($7::text is null or d.cluster_name = $7 or d.cluster_name = (select c.name from clusters c where c.id::text = lower($7)))
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
            $query.state as Option<DeploymentState>,
            $query.team,
            $query.cluster,
            $query.model.map(|id| id.0),
            $key,
            $id,
            $paging.limit
        )
        .fetch_all($conn)
        .await?
    };
}

/// A page of deployments: by change, newest first, or by name; one statement either way.
pub async fn list(conn: &mut PgConnection, visible: Visible, query: &DeploymentQuery, paging: &Paging) -> Result<Vec<DeploymentSummary>> {
    let id = paging.after_id;
    let rows = if paging.sort == "name" {
        let name = paging.after_key.as_deref();
        if paging.descending {
            rows!(conn, visible, query, paging, name, id, "($9::text is null or (d.name, d.id) < ($9, $10::uuid))", "d.name desc, d.id desc")
        } else {
            rows!(conn, visible, query, paging, name, id, "(d.name, d.id) > (coalesce($9::text, ''), coalesce($10::uuid, '00000000-0000-0000-0000-000000000000'))", "d.name, d.id")
        }
    } else {
        let moment = paging.after_key.as_deref().map(moment).transpose()?;
        if paging.descending {
            // Sentinels instead of "is null or", so that the index starts where the page does.
            let (moment, id) = (moment.unwrap_or(END), id.unwrap_or(Uuid::max()));
            rows!(conn, visible, query, paging, moment, id, "(d.changed_at, d.id) < ($9::timestamptz, $10::uuid)", "d.changed_at desc, d.id desc")
        } else {
            let (moment, id) = (moment.unwrap_or(OffsetDateTime::UNIX_EPOCH), id.unwrap_or(Uuid::nil()));
            rows!(conn, visible, query, paging, moment, id, "(d.changed_at, d.id) > ($9::timestamptz, $10::uuid)", "d.changed_at, d.id")
        }
    };
    Ok(rows.into_iter().map(DeploymentSummary::from).collect())
}

/// One row, if it is visible.
pub async fn one(conn: &mut PgConnection, visible: Visible, id: DeploymentId) -> Result<Option<DeploymentSummary>> {
    let (query, paging) = (DeploymentQuery::default(), One::default());
    let rows = rows!(conn, visible, query, paging, id.0, None::<Uuid>, "d.id = $9::uuid and $10::uuid is null", "d.id");
    Ok(rows.into_iter().next().map(DeploymentSummary::from))
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
