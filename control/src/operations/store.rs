//! The SQL of operations.

use domain::{
    Timestamp,
    audit::ActorKind,
    ids::{OperationId, TeamId},
    operation::{Failure, ObjectKind, Operation, OperationQuery, OperationState, OperationStep, StepState},
};
use serde::Deserialize;
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{New, Running};
use crate::{Actor, Result, paging::Paging};

pub(super) async fn insert(conn: &mut PgConnection, actor: &Actor, new: &New<'_>) -> Result<OperationId> {
    let id = OperationId::generate();
    let (team, team_name) = new.team.unzip();
    sqlx::query!(
        "insert into operations (id, verb, object_kind, object_id, object_name, cluster_name, team_id, team_name, generation, actor_kind, actor_id, actor_name)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        id.0,
        new.verb,
        new.object_kind as ObjectKind,
        new.object_id,
        new.object_name,
        new.cluster_name,
        team.map(|team| team.0),
        team_name,
        new.generation,
        actor.kind() as ActorKind,
        actor.id(),
        actor.name()
    )
    .execute(&mut *conn)
    .await?;
    let titles: Vec<String> = new.steps.iter().map(|title| (*title).to_owned()).collect();
    sqlx::query!(
        "insert into operation_steps (operation_id, number, title) select $1, number::integer, title from unnest($2::text[]) with ordinality as s (title, number)",
        id.0,
        &titles
    )
    .execute(conn)
    .await?;
    Ok(id)
}

pub(super) async fn running(conn: &mut PgConnection, object: Uuid) -> Result<Option<Running>> {
    Ok(sqlx::query_as!(
        Running,
        r#"select id as "id: OperationId", verb, generation, actor_kind as "actor_kind: ActorKind", actor_id, actor_name
           from operations where object_id = $1 and state = 'running'"#,
        object
    )
    .fetch_optional(conn)
    .await?)
}

pub(super) async fn carry(conn: &mut PgConnection, object: Uuid, generation: i64) -> Result<bool> {
    let carried = sqlx::query!("update operations set generation = $2 where object_id = $1 and state = 'running'", object, generation).execute(conn).await?;
    Ok(carried.rows_affected() == 1)
}

/// Ends what runs for a thing, since something later takes its place; gives what ended.
pub(super) async fn supersede(conn: &mut PgConnection, object: Uuid) -> Result<Option<OperationId>> {
    let ended = sqlx::query_scalar!(
        r#"update operations set state = 'superseded', finished_at = now() where object_id = $1 and state = 'running' returning id as "id: OperationId""#,
        object
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(id) = ended {
        leave_off(conn, id, "A later change took its place.").await?;
    }
    Ok(ended)
}

pub(super) async fn cancel(conn: &mut PgConnection, id: OperationId) -> Result<bool> {
    let ended = sqlx::query!("update operations set state = 'cancelled', finished_at = now() where id = $1 and state = 'running'", id.0).execute(&mut *conn).await?;
    if ended.rows_affected() == 0 {
        return Ok(false);
    }
    leave_off(conn, id, "It was cancelled here.").await?;
    Ok(true)
}

/// No step of an operation that is over goes on; the one that ran says why.
async fn leave_off(conn: &mut PgConnection, id: OperationId, why: &str) -> Result<()> {
    sqlx::query!(
        "update operation_steps set state = 'skipped', detail = case when state = 'running' then $2 end, finished_at = now()
         where operation_id = $1 and state in ('waiting', 'running')",
        id.0,
        why
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn step(conn: &mut PgConnection, operation: OperationId, number: i32, state: StepState, detail: Option<&str>) -> Result<Option<Uuid>> {
    // The state only moves while its operation runs: a step that comes late changes nothing.
    Ok(sqlx::query_scalar!(
        "update operation_steps s
         set state = $3, detail = $4,
             started_at = case when $3 = 'waiting' then null else coalesce(s.started_at, now()) end,
             finished_at = case when $3 in ('done', 'failed', 'skipped') then coalesce(s.finished_at, now()) end
         from operations o
         where o.id = $1 and o.state = 'running' and s.operation_id = $1 and s.number = $2 and (s.state, s.detail) is distinct from ($3, $4)
         returning o.object_id",
        operation.0,
        number,
        state as StepState,
        detail
    )
    .fetch_optional(conn)
    .await?)
}

/// Ends a running operation; gives the thing it was about.
pub(super) async fn finish(conn: &mut PgConnection, operation: OperationId, outcome: Result<(), &Failure>) -> Result<Option<Uuid>> {
    let (state, failure) = match outcome {
        Ok(()) => (OperationState::Succeeded, None),
        Err(failure) => (OperationState::Failed, Some(serde_json::to_value(failure)?)),
    };
    let object = sqlx::query_scalar!(
        "update operations set state = $2, failure = $3, finished_at = now() where id = $1 and state = 'running' returning object_id",
        operation.0,
        state as OperationState,
        failure
    )
    .fetch_optional(&mut *conn)
    .await?;
    if object.is_some() {
        sqlx::query!(
            // What failed is the step that ran, or the first that never began.
            "update operation_steps s
             set state = case when $2 = 'succeeded' then 'done'::step_state when s.number = f.number then 'failed' else 'skipped' end,
                 detail = case when $2 = 'failed' and s.number = f.number then $3 end, started_at = coalesce(s.started_at, now()), finished_at = now()
             from (select number from operation_steps where operation_id = $1 and state in ('waiting', 'running') order by (state = 'running') desc, number limit 1) f
             where s.operation_id = $1 and s.state in ('waiting', 'running')",
            operation.0,
            state as OperationState,
            outcome.err().map(Failure::brief)
        )
        .execute(conn)
        .await?;
    }
    Ok(object)
}

/// Locks the deployment, before its operation: everything that changes both does so in this order.
pub(super) async fn lock_deployment(conn: &mut PgConnection, id: Uuid) -> Result<()> {
    sqlx::query!("select id from deployments where id = $1 for no key update", id).fetch_optional(conn).await?;
    Ok(())
}

/// The deployment stays as it is until its next revision, for `actor`.
pub(super) async fn hold_deployment(conn: &mut PgConnection, actor: &Actor, id: Uuid) -> Result<()> {
    sqlx::query!(
        "update deployments set held = true, held_by_kind = $2, held_by_id = $3, state = 'held', state_message = null, version = version + 1 where id = $1",
        id,
        actor.kind() as ActorKind,
        actor.id()
    )
    .execute(conn)
    .await?;
    Ok(())
}

struct Row {
    id: OperationId,
    verb: String,
    object_kind: ObjectKind,
    object_id: Uuid,
    object_name: String,
    cluster_name: Option<String>,
    team_id: Option<TeamId>,
    team_name: Option<String>,
    generation: i64,
    state: OperationState,
    failure: Option<Value>,
    actor_name: String,
    created_at: OffsetDateTime,
    finished_at: Option<OffsetDateTime>,
    steps: Value,
}

#[derive(Deserialize)]
struct StepRow {
    number: i32,
    title: String,
    state: StepState,
    detail: Option<String>,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

impl TryFrom<Row> for Operation {
    type Error = crate::Error;

    fn try_from(row: Row) -> Result<Self> {
        let steps: Vec<StepRow> = serde_json::from_value(row.steps)?;
        Ok(Self {
            id: row.id,
            verb: row.verb,
            object_kind: row.object_kind,
            object_id: row.object_id,
            object_name: row.object_name,
            cluster_name: row.cluster_name,
            team: row.team_id,
            team_name: row.team_name,
            generation: row.generation,
            state: row.state,
            steps: steps
                .into_iter()
                .map(|step| OperationStep {
                    number: step.number,
                    title: step.title,
                    state: step.state,
                    detail: step.detail,
                    started_at: step.started_at,
                    finished_at: step.finished_at,
                })
                .collect(),
            failure: row.failure.map(serde_json::from_value).transpose()?,
            started_by: row.actor_name,
            created_at: Timestamp(row.created_at),
            finished_at: row.finished_at.map(Timestamp),
        })
    }
}

pub(super) async fn list(conn: &mut PgConnection, teams: Option<&[Uuid]>, query: &OperationQuery, paging: &Paging) -> Result<Vec<Operation>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id as "id: OperationId", verb, object_kind as "object_kind: ObjectKind", object_id, object_name, cluster_name, team_id as "team_id: TeamId", team_name, generation,
                  state as "state: OperationState", failure, actor_name, created_at, finished_at,
                  coalesce((select jsonb_agg(jsonb_build_object('number', number, 'title', title, 'state', s.state, 'detail', detail, 'started_at', started_at, 'finished_at', s.finished_at) order by number)
                            from operation_steps s where s.operation_id = o.id), '[]') as "steps!"
           from operations o
           where may_read(o.team_id, $1)
             and ($2::operation_state is null or state = $2)
             and ($3::object_kind is null or object_kind = $3)
             and ($4::uuid is null or object_id = $4)
             and ($5::text is null or verb ilike $5 or object_name ilike $5 or cluster_name ilike $5 or actor_name ilike $5 or team_name ilike $5)
             and ($6::uuid is null or case when $7 then id < $6 else id > $6 end)
           order by case when $7 then id end desc, case when not $7 then id end asc
           limit $8"#,
        teams,
        query.state as Option<OperationState>,
        query.object_kind as Option<ObjectKind>,
        query.object_id,
        paging.search,
        paging.after_id,
        paging.descending,
        paging.limit
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Operation::try_from).collect()
}

/// Why the newest operation on a thing failed, if it did.
pub(super) async fn last_failure(conn: &mut PgConnection, object: Uuid) -> Result<Option<Failure>> {
    let newest = sqlx::query_scalar!("select failure from operations where object_id = $1 order by id desc limit 1", object).fetch_optional(conn).await?;
    Ok(newest.flatten().map(serde_json::from_value).transpose()?)
}

pub(super) async fn find(conn: &mut PgConnection, teams: Option<&[Uuid]>, id: OperationId) -> Result<Option<Operation>> {
    sqlx::query_as!(
        Row,
        r#"select id as "id: OperationId", verb, object_kind as "object_kind: ObjectKind", object_id, object_name, cluster_name, team_id as "team_id: TeamId", team_name, generation,
                  state as "state: OperationState", failure, actor_name, created_at, finished_at,
                  coalesce((select jsonb_agg(jsonb_build_object('number', number, 'title', title, 'state', s.state, 'detail', detail, 'started_at', started_at, 'finished_at', s.finished_at) order by number)
                            from operation_steps s where s.operation_id = o.id), '[]') as "steps!"
           from operations o
           where o.id = $2 and may_read(o.team_id, $1)"#,
        teams,
        id.0
    )
    .fetch_optional(conn)
    .await?
    .map(Operation::try_from)
    .transpose()
}

/// The newest operation of each thing stays: its page shows how it got where it is.
pub(super) async fn sweep(conn: &mut PgConnection, keep: std::time::Duration) -> Result<u64> {
    let swept = sqlx::query!(
        "delete from operations o where finished_at < now() - make_interval(secs => $1)
         and exists (select from operations newer where newer.object_id = o.object_id and newer.id > o.id)",
        keep.as_secs_f64()
    )
    .execute(conn)
    .await?;
    Ok(swept.rows_affected())
}

/// Ends a step that is surely over, which keeps the detail it has.
///
/// # Errors
/// A fault when the database fails.
pub async fn step_over(conn: &mut PgConnection, operation: OperationId, number: i32) -> Result<()> {
    sqlx::query!(
        "update operation_steps set state = 'done', started_at = coalesce(started_at, now()), finished_at = now() where operation_id = $1 and number = $2 and state in ('waiting', 'running')",
        operation.0,
        number
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a step has not begun.
///
/// # Errors
/// A fault when the database fails.
pub async fn step_waits(conn: &mut PgConnection, operation: OperationId, number: i32) -> Result<bool> {
    Ok(sqlx::query_scalar!(r#"select exists (select from operation_steps where operation_id = $1 and number = $2 and state = 'waiting') as "waits!""#, operation.0, number)
        .fetch_one(conn)
        .await?)
}

/// For how many seconds a step runs; zero before it began.
///
/// # Errors
/// A fault when the database fails.
pub async fn step_seconds(conn: &mut PgConnection, operation: OperationId, number: i32) -> Result<f64> {
    let seconds = sqlx::query_scalar!(
        r#"select coalesce(extract(epoch from now() - started_at), 0)::float8 as "seconds!" from operation_steps where operation_id = $1 and number = $2"#,
        operation.0,
        number
    );
    Ok(seconds.fetch_optional(conn).await?.unwrap_or(0.0))
}
