//! Reading the record.

use domain::{
    Timestamp,
    audit::{ActorKind, AuditEvent, AuditQuery, Outcome, Source},
    ids::{EventId, TeamId},
    operation::ObjectKind,
    page::{Direction, Page},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Ctx, Result, paging::Paging};

/// The events the actor may see: their teams', or all for admins and auditors.
///
/// # Errors
/// `unauthenticated`; `invalid_input` for a question that cannot be.
pub async fn list(ctx: &Ctx, query: &AuditQuery) -> Result<Page<AuditEvent>> {
    ctx.actor().check_signed_in()?;
    let paging = Paging::read(ctx.control(), "audit", &query.page, &(query.outcome, query.object_kind, &query.object_id), &[("at", Direction::Descending)])?;
    let object = match query.object_id.as_deref().filter(|id| !id.is_empty()) {
        Some(id) => Some(Uuid::parse_str(id).map_err(|_| domain::Rejected::field("object_id", "Enter an id."))?),
        None => None,
    };
    let visible = ctx.actor().visible();
    let mut conn = ctx.read().await?;
    let rows = sqlx::query!(
        r#"select id as "id: EventId", at as "at: OffsetDateTime", actor_kind as "actor_kind: ActorKind", actor_id, actor_name, source as "source: Source", address, request_id,
                  action, outcome as "outcome: Outcome", object_kind as "object_kind: ObjectKind", object_id, object_name, team_id as "team_id: TeamId", team_name, reason, changes, sequence, hash
           from audit_events e
           where (($1 and $3::uuid is null) or e.team_id in (select team_id from members where user_id = $2) or ($1 and e.team_id = $3))
             and ($3::uuid is null or e.team_id = $3)
             and ($4::event_outcome is null or outcome = $4)
             and ($5::object_kind is null or object_kind = $5)
             and ($6::uuid is null or object_id = $6)
             and ($7::text is null or action ilike $7 or actor_name ilike $7 or object_name ilike $7 or team_name ilike $7)
             and ($8::uuid is null or case when $9 then id < $8 else id > $8 end)
           order by case when $9 then id end desc, case when not $9 then id end asc
           limit $10"#,
        visible.all,
        visible.user,
        visible.team,
        query.outcome as Option<Outcome>,
        query.object_kind as Option<ObjectKind>,
        object,
        paging.search,
        paging.after_id,
        paging.descending,
        paging.limit
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        events.push(AuditEvent {
            id: row.id,
            at: Timestamp(row.at),
            actor_kind: row.actor_kind,
            actor_id: row.actor_id.map(|id| id.to_string()),
            actor_name: row.actor_name,
            source: row.source,
            address: row.address,
            request_id: row.request_id,
            action: row.action,
            outcome: row.outcome,
            object_kind: row.object_kind,
            object_id: row.object_id.map(|id| id.to_string()),
            object_name: row.object_name,
            team: row.team_id,
            team_name: row.team_name,
            reason: row.reason,
            changes: serde_json::from_value(row.changes)?,
            sequence: row.sequence,
            hash: row.hash.map(|hash| hash.iter().map(|byte| format!("{byte:02x}")).collect()),
        });
    }
    paging.page(events, |event| (String::new(), event.id.0), |event| event)
}
