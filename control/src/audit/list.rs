//! Reading the record.

use domain::{
    Timestamp,
    audit::{ActorKind, AuditEvent, AuditQuery, Outcome, Source},
    error::Checks,
    ids::{EventId, TeamId},
    names::IdOrName,
    operation::ObjectKind,
    page::{Direction, Page},
    timestamp::DayOrMoment,
};
use time::OffsetDateTime;

use crate::{
    Ctx, Result, access,
    paging::{List, Paging},
};

/// The longest name of an action that is asked for.
pub const MAX_ACTION: usize = 64;

/// The list of events.
pub const LIST: List = List { name: "audit", sorts: &[("at", Direction::Descending)], searched: "its action, who did it, what it is about or its team" };

/// The name of an action, as events have it.
fn action(text: &str) -> Result<String, String> {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    match text.trim().split_once('.') {
        Some((kind, verb)) if text.len() <= MAX_ACTION && is_word(kind) && is_word(verb) => Ok(text.trim().to_owned()),
        _ => Err("Enter an action as events name it, like deployment.change.".into()),
    }
}

/// The events the actor may see: their teams', or all for admins and auditors.
///
/// # Errors
/// `unauthenticated`; `invalid_input` for a question that cannot be.
pub async fn list(ctx: &Ctx, query: &AuditQuery) -> Result<Page<AuditEvent>> {
    ctx.actor().check_signed_in()?;
    let mut checks = Checks::new();
    let since = checks.take_given("since", query.since.as_deref(), DayOrMoment::parse);
    let until = checks.take_given("until", query.until.as_deref(), DayOrMoment::parse);
    if let (Some(since), Some(until)) = (since, until) {
        checks.ensure(since.begins() < until.is_over(), "until", "Enter a day that is not before the first one.");
    }
    let action = checks.take_given("action", query.action.as_deref(), action);
    let team = checks.take_given("team", query.team.as_deref(), IdOrName::parse);
    checks.finish()?;
    let filters = (query.outcome, query.object_kind, query.object_id, (query.actor_id, &action, &team), since, until);
    let paging = Paging::read(ctx.control(), &LIST, &query.page, &filters)?;
    let mut conn = ctx.read().await?;
    // Teams that are gone have their record, too.
    let (team_id, team_name) = match &team {
        None => (None, None),
        Some(IdOrName::Id(id)) => (Some(*id), None),
        Some(IdOrName::Name(name)) => (None, Some(name.as_str())),
    };
    let teams = access::readable(&mut conn, ctx.actor()).await?;
    let rows = sqlx::query!(
        r#"select id as "id: EventId", at as "at: OffsetDateTime", actor_kind as "actor_kind: ActorKind", actor_id, actor_name, source as "source: Source", address, request_id,
                  action, outcome as "outcome: Outcome", object_kind as "object_kind: ObjectKind", object_id, object_name, team_id as "team_id: TeamId", team_name, reason, changes, sequence, hash
           from audit_events
           where may_read(team_id, $1)
             and ($2::event_outcome is null or outcome = $2)
             and ($3::object_kind is null or object_kind = $3)
             and ($4::uuid is null or object_id = $4)
             and ($5::text is null or action ilike $5 or actor_name ilike $5 or object_name ilike $5 or team_name ilike $5)
             and ($11::uuid is null or actor_id = any(array(select $11 union all select id from tokens where user_id = $11))) and ($12::text is null or action = $12)
             and ($13::uuid is null or team_id = $13) and ($14::text is null or team_name = $14)
             and ($9::timestamptz is null or at >= $9) and ($10::timestamptz is null or at < $10)
             and ($6::uuid is null or case when $7 then id < $6 else id > $6 end)
           order by case when $7 then id end desc, case when not $7 then id end asc
           limit $8"#,
        teams.as_deref(),
        query.outcome as Option<Outcome>,
        query.object_kind as Option<ObjectKind>,
        query.object_id,
        paging.search,
        paging.after_id,
        paging.descending,
        paging.limit,
        since.map(|since| since.begins().0),
        until.map(|until| until.is_over().0),
        query.actor_id,
        action.as_deref(),
        team_id,
        team_name
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
            object_id: row.object_id,
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
