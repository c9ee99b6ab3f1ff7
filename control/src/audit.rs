//! The record. Events are inserted with the change itself; one sealer chains their hashes in order afterwards.

pub mod list;
pub mod seal;

pub use list::{LIST, MAX_ACTION, list};

#[cfg(test)]
mod tests;

use domain::{
    Rejected,
    audit::{ActorKind, Change, Outcome, Source},
    ids::{EventId, TeamId},
    operation::ObjectKind,
};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Ctx, Result};

/// Why something is applied again after an admin has decided.
pub const OLDER_ACCEPTED: &str = "a database older than the cluster was accepted";

/// What happened.
#[derive(Clone, Debug)]
pub struct Event {
    action: &'static str,
    outcome: Outcome,
    object_kind: ObjectKind,
    object_id: Option<Uuid>,
    object_name: Option<String>,
    team: Option<(TeamId, String)>,
    reason: Option<String>,
    changes: Vec<Change>,
}

impl Event {
    /// `action` is `resource.verb`; the outcome is `done` unless said otherwise.
    #[must_use]
    pub fn new(action: &'static str, object_kind: ObjectKind, object_id: Uuid, object_name: &str) -> Self {
        Self { action, outcome: Outcome::Done, object_kind, object_id: Some(object_id), object_name: Some(object_name.into()), team: None, reason: None, changes: Vec::new() }
    }

    /// The team whose members see the event.
    #[must_use]
    pub fn of_team(mut self, team: TeamId, name: &str) -> Self {
        self.team = Some((team, name.into()));
        self
    }

    /// A later event carries what comes of it.
    #[must_use]
    pub fn accepted(mut self) -> Self {
        self.outcome = Outcome::Accepted;
        self
    }

    /// It did not work out.
    #[must_use]
    pub fn failed(mut self) -> Self {
        self.outcome = Outcome::Failed;
        self
    }

    /// Why, in the actor's words.
    #[must_use]
    pub fn because(mut self, reason: Option<&str>) -> Self {
        self.reason = reason.map(str::to_owned);
        self
    }

    /// One field's change; fields that stayed the same are left out. Never pass a secret.
    #[must_use]
    pub fn change(mut self, field: &str, before: impl Serialize, after: impl Serialize) -> Self {
        let value = |value: Result<Value, serde_json::Error>| value.ok().filter(|value| !value.is_null());
        let (before, after) = (value(serde_json::to_value(before)), value(serde_json::to_value(after)));
        if before != after {
            self.changes.push(Change { field: field.into(), before, after });
        }
        self
    }
}

/// Records an event in the operation's own transaction.
///
/// # Errors
/// A fault when the database fails.
pub async fn record(conn: &mut PgConnection, ctx: &Ctx, event: Event) -> Result<EventId> {
    let actor = ctx.actor();
    insert(conn, (actor.kind(), actor.id(), actor.name()), ctx.source(), ctx.request().address.as_deref(), ctx.request().id.as_deref(), event).await
}

/// Records what came of something that `actor` started earlier.
///
/// # Errors
/// A fault when the database fails.
pub async fn record_later(conn: &mut PgConnection, actor: (ActorKind, Option<Uuid>, &str), event: Event) -> Result<EventId> {
    insert(conn, actor, Source::Worker, None, None, event).await
}

/// Records a refusal, in a transaction of its own: the operation's was undone.
///
/// # Errors
/// A fault when the database fails.
pub async fn record_refusal(ctx: &Ctx, rejected: &Rejected) -> Result<()> {
    let Some(attempt) = ctx.attempted() else { return Ok(()) };
    let mut conn = ctx.write().await?;
    let called = match attempt.object_id {
        Some(id) => called(&mut conn, attempt.object_kind, id).await?,
        None => None,
    };
    let event = Event {
        action: attempt.action,
        outcome: Outcome::Refused,
        object_kind: attempt.object_kind,
        object_id: attempt.object_id,
        object_name: called.or(attempt.object_name),
        team: None,
        reason: Some(rejected.message.clone()),
        changes: Vec::new(),
    };
    record(&mut conn, ctx, event).await?;
    Ok(())
}

/// What a thing is called, as events of what was done with it call it.
async fn called(conn: &mut PgConnection, kind: ObjectKind, id: Uuid) -> Result<Option<String>> {
    let name = sqlx::query_scalar!(
        "select case $1::object_kind
             when 'user' then (select email from users where id = $2)
             when 'team' then (select name from teams where id = $2)
             when 'token' then (select name from tokens where id = $2)
             when 'invitation' then (select email from one_time_links where id = $2)
             when 'account' then (select name from accounts where id = $2)
             when 'cluster' then (select name from clusters where id = $2)
             when 'workspace' then (select name from workspaces where id = $2)
             when 'model' then (select name from models where id = $2)
             when 'release' then (select o.name || ' ' || r.number from releases r join models o on o.id = r.model_id where r.id = $2)
             when 'deployment' then (select name from deployments where id = $2)
             when 'operation' then (select verb || ' ' || object_name from operations where id = $2)
         end",
        kind as ObjectKind,
        id
    );
    Ok(name.fetch_one(conn).await?)
}

async fn insert(
    conn: &mut PgConnection,
    (kind, actor_id, actor_name): (ActorKind, Option<Uuid>, &str),
    source: Source,
    address: Option<&str>,
    request_id: Option<&str>,
    event: Event,
) -> Result<EventId> {
    let id = EventId::generate();
    let (team, team_name) = event.team.unzip();
    sqlx::query!(
        "insert into audit_events (id, actor_kind, actor_id, actor_name, source, address, request_id, action, outcome, object_kind, object_id, object_name, team_id, team_name, reason, changes)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        id.0,
        kind as ActorKind,
        actor_id,
        actor_name,
        source as Source,
        address,
        request_id,
        event.action,
        event.outcome as Outcome,
        event.object_kind as ObjectKind,
        event.object_id,
        event.object_name,
        team.map(|team| team.0),
        team_name,
        event.reason,
        serde_json::to_value(&event.changes)?
    )
    .execute(conn)
    .await?;
    Ok(id)
}
