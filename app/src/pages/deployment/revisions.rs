//! What ran before, what differs, and the way back.

use std::time::Duration;

use control::clock;
use domain::deployment::{Deployment, DeploymentState, Revision, Variable};
use leptos::prelude::*;

use super::May;
use crate::{
    buttons::{self, Button as _},
    components::{
        facts::{Fact, Facts},
        field::{Once, Seen},
        status::Status,
        table::Table,
        when::Ago,
    },
    form::Typed,
    page::here,
};

/// Revisions, newest first, each with the way back to it.
#[component]
pub fn Revisions(deployment: Deployment, revisions: Vec<Revision>, typed: Typed, may: May) -> impl IntoView {
    let Some(now) = revisions.first().cloned() else { return ().into_any() };
    let rows = revisions
        .into_iter()
        .map(|revision| {
            let open = typed.text("revision") == revision.number.to_string() && typed.rejection().is_some();
            view! { <Row revision now=now.clone() deployment=deployment.clone() typed=typed.clone() may open/> }
        })
        .collect_view();
    view! {
        <section class="card" id="revisions">
            <header><h2>"Revisions"</h2></header>
            <Table label="Revisions">
                <thead><tr><th scope="col">"Revision"</th><th scope="col">"What changed"</th><th scope="col" class="extra">"By"</th><th scope="col">"When"</th></tr></thead>
                <tbody>{rows}</tbody>
            </Table>
        </section>
    }
    .into_any()
}

/// How the wanted revision stands; an open page gets it anew by its id.
#[component]
pub fn RevisionStatus(deployment: Deployment) -> impl IntoView {
    let state = deployment.summary.state;
    view! { <span id=format!("revision-{}-status", deployment.summary.revision)><Status tone=state.tone() word=state.title()/></span> }
}

/// When the revisions of the last day were made; an open page gets them anew by their ids, so that they say the same as the rest of it.
#[component]
pub fn RevisionTimes(revisions: Vec<Revision>) -> impl IntoView {
    let now = clock::now();
    revisions.into_iter().filter(|revision| now.since(revision.created_at) < A_DAY).map(|revision| view! { <When revision/> }).collect_view()
}

/// After that, the words for an age no longer change while somebody looks.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[component]
fn When(revision: Revision) -> impl IntoView {
    view! { <span id=format!("revision-{}-when", revision.number)><Ago at=revision.created_at/></span> }
}

#[component]
fn Row(revision: Revision, now: Revision, deployment: Deployment, typed: Typed, may: May, open: bool) -> impl IntoView {
    let newest = revision.number == now.number;
    let status = newest.then(|| view! { " "<RevisionStatus deployment=deployment.clone()/> });
    let changed = what_changed(&revision);
    let reason = revision.reason.clone().map(|reason| view! { <p class="small muted">"“"{reason}"”"</p> });
    let number = revision.number;
    let back = (!newest).then(|| {
        let differences = differences(&now, &revision);
        // Going back to what is wanted already is trying it once more.
        let goes_back = may.deploy && (differ(&now, &revision) || matches!(deployment.summary.state, DeploymentState::Failed | DeploymentState::Held));
        let form = goes_back.then(|| {
            view! {
                <form method="post" action=here() class="stack tight">
                    <Once/><Seen version=deployment.version/><input type="hidden" name="revision" value=number.to_string()/>
                    <Reason typed number/>
                    <div class="row"><button name="do" value=buttons::Deployment::RollBack.word()>{format!("Roll back to revision {number}")}</button></div>
                </form>
            }
        });
        let summary = if goes_back { "Compare and roll back" } else { "Compare" };
        view! {
            <details open=open>
                <summary class="small">{summary}</summary>
                <div class="stack tight" id=format!("back-{number}")><p class="small muted">{format!("From revision {}, which is wanted now:", now.number)}</p><Facts>{differences}</Facts>{form}</div>
            </details>
        }
    });
    view! {
        <tr class="top">
            <td><strong>{number}</strong>{status}</td>
            <td>{changed}{reason}{back}</td>
            <td class="extra">{revision.created_by.clone()}</td>
            <td><When revision/></td>
        </tr>
    }
}

/// What it was made for, in a few words.
fn what_changed(revision: &Revision) -> String {
    if let Some(to) = revision.rolled_back_to {
        return format!("back to revision {to}");
    }
    let mut words = revision.changes.clone();
    words.extend(revision.resumes.then(|| "resumed".to_owned()));
    words.extend(revision.take_over.then(|| "took fields over".to_owned()));
    match (words.is_empty(), revision.number) {
        (true, 1) => "first".to_owned(),
        (true, _) => "the same once more".to_owned(),
        (false, _) => words.join(" · "),
    }
}

/// Whether one wants anything else than the other.
pub fn differ(a: &Revision, b: &Revision) -> bool {
    (a.release, a.size, a.replicas, &a.environment) != (b.release, b.size, b.replicas, &b.environment)
}

#[component]
fn Reason(typed: Typed, number: i32) -> impl IntoView {
    // Ids are unlike each other although every revision has this field.
    let typed = if typed.text("revision") == number.to_string() { typed } else { Typed::default() };
    let why = typed.why("reason").or_else(|| typed.why("revision"));
    let id = format!("reason-{number}");
    let wrong = why.is_some();
    view! {
        <div class="field" class:wrong=wrong>
            <label for=id.clone()>"Why "<span class="optional">"(optional)"</span></label>
            <input id=id name="reason" value=typed.text("reason").to_owned() aria-invalid=wrong.then_some("true") autocomplete="off"/>
            {why.map(|why| view! { <span class="why">{why}</span> })}
        </div>
    }
}

/// What going from one to the other would change.
fn differences(from: &Revision, to: &Revision) -> Vec<AnyView> {
    let title = |revision: &Revision| format!("{} {}", revision.model_name, revision.release_number);
    let mut rows = Vec::new();
    let mut row = |term: String, before: Option<String>, after: Option<String>| {
        if before != after {
            rows.push(view! { <Fact term>{before.map(|text| view! { <del>{text}</del> })}" "{after.map(|text| view! { <ins>{text}</ins> })}</Fact> }.into_any());
        }
    };
    row("Release".into(), Some(title(from)), Some(title(to)));
    row("Size".into(), Some(from.size.summary()), Some(to.size.summary()));
    row("Replicas".into(), Some(from.replicas.to_string()), Some(to.replicas.to_string()));
    let value = |variables: &[Variable], name: &str| variables.iter().find(|variable| variable.name == name).map(|variable| variable.value.clone());
    let mut names: Vec<&str> = from.environment.iter().chain(&to.environment).map(|variable| variable.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        row(name.to_owned(), value(&from.environment, name), value(&to.environment, name));
    }
    if rows.is_empty() {
        rows.push(view! { <Fact term="Nothing">"the two are the same"</Fact> }.into_any());
    }
    rows
}
