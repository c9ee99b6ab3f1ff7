//! `/audit`

use control::{Ctx, Error, Result, audit};
use domain::{
    audit::{AuditEvent, AuditQuery, Change, Outcome},
    operation::ObjectKind,
    page::{Direction, Page as Events},
};
use leptos::prelude::*;
use serde_json::Value;

use crate::{
    components::{
        empty::EmptyState,
        facts::{Fact, Facts},
        list::{Asked, Day, Filter, NoMatch, Pager, Search, SortBy},
        notice::FormRejection,
        status::Status,
        table::Table,
        thing::{Thing, capitalized},
        when::{Ago, exact},
    },
    form::Typed,
    page::{Nav, Page},
};

/// The events somebody may see.
///
/// # Errors
/// Those of [`audit::list`].
pub async fn list(ctx: &Ctx, query: AuditQuery) -> Result<Page> {
    let (page, typed) = match audit::list(ctx, &query).await {
        Ok(page) => (page, Typed::default()),
        // What was asked for comes back beside what is wrong with it.
        Err(Error::Rejected(rejected)) if rejected.errors.iter().any(|error| matches!(error.field.as_str(), "since" | "until")) => {
            (Events { items: Vec::new(), next_page_token: None }, Typed::default().rejected(*rejected))
        }
        Err(error) => return Err(error),
    };
    let answer = typed.answer();
    let asked = Asked::new("/audit", &query);
    let (about, by) = (query.object_id, query.actor_id);
    Ok(Page::new("Audit", Nav::Audit, move || {
        let head = view! {
            <div class="head"><div><h1>"Audit"</h1><p class="muted">"Who did what, through which door, and what changed. Events never change; each is sealed into a chain."</p></div></div>
        };
        if page.items.is_empty() && !asked.is_narrowed() {
            return view! { {head}<EmptyState title="Nothing to see yet" text="Every change that is made, and every one that is refused, is written down. You see here what concerns you and your teams."/> }
                .into_any();
        }
        let about = about.map(|_| {
            let name = page.items.iter().find_map(|event| event.object_name.clone()).unwrap_or_else(|| "one thing".into());
            view! { <section class="notice"><p>"Only what happened to "<strong>{name}</strong>". "<a href=asked.link(&[("object_id", None)])>"Show everything"</a></p></section> }
        });
        let by = by.map(|_| {
            let name = page.items.first().map_or_else(|| "one person or token".into(), |event| event.actor_name.clone());
            view! { <section class="notice"><p>"Only what "<strong>{name}</strong>" did. "<a href=asked.link(&[("actor_id", None)])>"Show everybody"</a></p></section> }
        });
        let rows = page.items.into_iter().map(|event| view! { <Row event/> }).collect_view();
        let none = rows.is_empty().then(|| view! { <NoMatch asked=asked.clone() columns="4"/> });
        let filters = vec![
            Filter {
                name: "outcome",
                label: "Outcome",
                any: "Any outcome",
                options: Outcome::ALL.map(|outcome| (outcome.as_str().to_owned(), outcome.title().to_owned())).to_vec(),
            },
            Filter { name: "object_kind", label: "Kind", any: "Any kind", options: ObjectKind::ALL.map(|kind| (kind.as_str().to_owned(), capitalized(kind.as_str()))).to_vec() },
        ];
        let when = view! { <SortBy asked=asked.clone() field="at" label="When" default=Direction::Descending first=Direction::Descending/> };
        view! {
            {head}
            <FormRejection typed fields=Some(&[])/>
            {about}
            {by}
            <section class="card">
                <Search asked=asked.clone() placeholder="Search by action, person, thing or team" filters days=vec![Day { name: "since", label: "From" }, Day { name: "until", label: "To" }]/>
                <Table label="Audit events">
                    <thead><tr>
                        {when}
                        <th scope="col">"Who"</th><th scope="col">"What"</th><th scope="col" class="extra">"Outcome"</th>
                    </tr></thead>
                    <tbody>{rows}{none}</tbody>
                </Table>
                <Pager asked next=page.next_page_token/>
            </section>
        }
        .into_any()
    })
    .answer(answer))
}

#[component]
fn Row(event: AuditEvent) -> impl IntoView {
    let AuditEvent {
        at,
        actor_id,
        actor_name,
        source,
        action,
        outcome,
        object_kind,
        object_id,
        object_name,
        team,
        team_name,
        reason,
        changes,
        address,
        request_id,
        sequence,
        hash,
        ..
    } = event;
    let (kind, verb) = action.split_once('.').unwrap_or(("", &action));
    let said = capitalized(&verb.replace('_', " "));
    let thing = match (object_name, object_id) {
        (Some(name), Some(id)) => Some(view! { <Thing kind=object_kind id=id.to_string() name/> }.into_any()),
        (Some(name), None) => Some(view! { <span>{name}</span> }.into_any()),
        _ => None,
    };
    let of = match &team_name {
        Some(team) => format!("{} of {team}", kind.replace('_', " ")),
        None => kind.replace('_', " "),
    };
    let summary = match changes.len() {
        0 => "Details".to_owned(),
        1 => "1 field, details".to_owned(),
        more => format!("{more} fields, details"),
    };
    let differences = changes.into_iter().map(|change| view! { <Difference change/> }).collect_view();
    view! {
        <tr class="top">
            <td><Ago at/><span class="instead"><Status tone=outcome.tone() word=outcome.title()/></span></td>
            <td>{actor_name.clone()}<br/><span class="small muted">{source.title()}</span></td>
            <td class="breaks">
                {said}" "{thing}<br/><span class="small muted">{of}</span>
                {reason.map(|reason| view! { <p class="small">"“"{reason}"”"</p> })}
                <details>
                    <summary class="small muted">{summary}</summary>
                    <Facts>
                        {differences}
                        <Fact term="Exactly">{exact(at)}</Fact>
                        <Fact term="Action"><a href=format!("/audit?action={action}")><code>{action.clone()}</code></a></Fact>
                        {actor_id.map(|id| view! { <Fact term="By"><a href=format!("/audit?actor_id={id}")>{format!("Everything {actor_name} did")}</a></Fact> })}
                        {team.map(|team| view! { <Fact term="Team"><Thing kind=ObjectKind::Team id=team.to_string() name=team_name.clone().unwrap_or_default()/></Fact> })}
                        {address.map(|address| view! { <Fact term="From"><code>{address}</code></Fact> })}
                        {request_id.map(|request| view! { <Fact term="Request"><code>{request}</code></Fact> })}
                        <Fact term="Seal">{match (sequence, hash) {
                            (Some(sequence), Some(hash)) => view! { "number "{sequence}", "<code>{hash}</code> }.into_any(),
                            _ => view! { "sealed in a moment" }.into_any(),
                        }}</Fact>
                    </Facts>
                </details>
            </td>
            <td class="extra"><Status tone=outcome.tone() word=outcome.title()/></td>
        </tr>
    }
}

#[component]
fn Difference(change: Change) -> impl IntoView {
    let (before, after) = (change.before.as_ref().map(words), change.after.as_ref().map(words));
    view! {
        <Fact term=capitalized(&change.field.replace('_', " "))>
            {before.map(|text| view! { <del>{text}</del> })}
            " "
            {after.map(|text| view! { <ins>{text}</ins> })}
        </Fact>
    }
}

/// As people read it: no quotes around texts, lists with commas, variables as `NAME=value`.
fn words(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::String(text) if text.is_empty() => "nothing".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "nothing".into(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => match (fields.get("name").and_then(Value::as_str), fields.get("value").and_then(Value::as_str)) {
            (Some(name), Some(value)) if fields.len() == 2 => format!("{name}={value}"),
            _ => fields.iter().map(|(name, value)| format!("{name} {}", words(value))).collect::<Vec<_>>().join(", "),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::words;

    #[test]
    fn values_read_like_sentences() {
        assert_eq!(words(&json!([{"name": "LEVEL", "value": "debug"}, {"name": "A", "value": "1"}])), "LEVEL=debug, A=1");
        assert_eq!(words(&json!([])), "nothing");
        assert_eq!(words(&json!({"cpu_millis": 500, "pods": 3})), "cpu_millis 500, pods 3");
        assert_eq!(words(&json!("small")), "small");
    }
}
