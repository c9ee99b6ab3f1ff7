//! `/operations` and `/operations/{id}`.

use control::{Ctx, Result, access, clock, operations};
use domain::{
    access::{Decision, PlatformAction, TeamAction},
    ids::OperationId,
    operation::{ObjectKind, Operation, OperationQuery, OperationState, StepState},
    page::Direction,
};
use leptos::prelude::*;

use crate::{
    buttons::{self, Button as _},
    components::{
        empty::EmptyState,
        facts::{Fact, Facts},
        field::Once,
        list::{Asked, Filter, NoMatch, Pager, Search, SortBy},
        look_again::LookAgain,
        notice::{FailureNotice, FormRejection},
        status::Status,
        steps::OperationSteps,
        table::Table,
        thing::{Thing, capitalized},
        when::{Ago, took},
    },
    form::Typed,
    islands::live::Live,
    page::{Nav, Page, draw_live, here},
};

/// The operations somebody may see.
///
/// # Errors
/// Those of [`operations::list`].
pub async fn list(ctx: &Ctx, query: OperationQuery) -> Result<Page> {
    let page = operations::list(ctx, &query).await?;
    let asked = Asked::new("/operations", &query);
    Ok(Page::new("Operations", Nav::Operations, move || {
        let head = view! { <div class="head"><div><h1>"Operations"</h1><p class="muted">"Changes that take a while: what is being done, step by step."</p></div></div> };
        if page.items.is_empty() && !asked.is_narrowed() {
            return view! { {head}<EmptyState title="Nothing to see yet" text="When somebody in your teams deploys, changes or deletes something, each step of it is seen here, with the time it took."/> }.into_any();
        }
        let rows = page.items.into_iter().map(|operation| view! { <Row operation/> }).collect_view();
        let none = rows.is_empty().then(|| view! { <NoMatch asked=asked.clone() columns="5"/> });
        let words = |pairs: Vec<(&'static str, String)>| pairs.into_iter().map(|(value, words)| (value.to_owned(), words)).collect::<Vec<_>>();
        let filters = vec![
            Filter { name: "state", label: "Status", any: "Any status", options: words(OperationState::ALL.map(|state| (state.as_str(), state.title().to_owned())).to_vec()) },
            Filter {
                name: "object_kind",
                label: "Kind",
                any: "Any kind",
                options: words([ObjectKind::Deployment, ObjectKind::Workspace, ObjectKind::Cluster].map(|kind| (kind.as_str(), capitalized(kind.as_str()))).to_vec()),
            },
        ];
        let started = view! { <SortBy asked=asked.clone() field="created_at" label="Started" default=Direction::Descending first=Direction::Descending/> };
        view! {
            {head}
            <section class="card">
                <Search asked=asked.clone() placeholder="Search by name, cluster, verb, person or team" filters/>
                <Table label="Operations">
                    <thead><tr>
                        <th scope="col">"Operation"</th><th scope="col">"Status"</th><th scope="col" class="extra">"Started by"</th>
                        {started}
                        <th scope="col" class="n extra">"Took"</th>
                    </tr></thead>
                    <tbody>{rows}{none}</tbody>
                </Table>
                <Pager asked next=page.next_page_token/>
            </section>
        }
        .into_any()
    }))
}

#[component]
fn Row(operation: Operation) -> impl IntoView {
    let title = title(&operation);
    let about = about(&operation);
    view! {
        <tr>
            <td><a href=format!("/operations/{}", operation.id)>{title}</a><br/><span class="small muted">{about}</span></td>
            <td><OperationStatus operation=operation.clone()/></td>
            <td class="extra">{operation.started_by.clone()}</td>
            <td><Ago at=operation.created_at/></td>
            <td class="n extra">{time(&operation)}</td>
        </tr>
    }
}

/// How an operation stands, with how far it is.
#[component]
pub fn OperationStatus(operation: Operation) -> impl IntoView {
    let word = if operation.state == OperationState::Running {
        let done = operation.steps.iter().filter(|step| step.state == StepState::Done).count();
        format!("Step {} of {}", (done + 1).min(operation.steps.len()), operation.steps.len())
    } else {
        operation.state.title().to_owned()
    };
    view! { <Status tone=operation.state.tone() word/> }
}

/// `Deploy iris-main`
#[must_use]
pub fn title(operation: &Operation) -> String {
    format!("{} {}", capitalized(&operation.verb), name(operation))
}

/// `forecasting on lab`: a team's workspaces on several clusters often have the same name.
fn name(operation: &Operation) -> String {
    match &operation.cluster_name {
        Some(cluster) if operation.object_kind == ObjectKind::Workspace => format!("{} on {cluster}", operation.object_name),
        _ => operation.object_name.clone(),
    }
}

fn about(operation: &Operation) -> String {
    match &operation.team_name {
        Some(team) => format!("{} of {team}", operation.object_kind.as_str()),
        None => operation.object_kind.as_str().to_owned(),
    }
}

fn time(operation: &Operation) -> String {
    took(operation.finished_at.unwrap_or_else(clock::now).since(operation.created_at))
}

/// One operation, live.
///
/// # Errors
/// Those of [`operations::get`].
pub async fn show(ctx: &Ctx, id: OperationId, typed: Typed) -> Result<Page> {
    let (operation, may_cancel) = load(ctx, id).await?;
    let answer = typed.answer();
    let running = !operation.state.is_over();
    let title = title(&operation);
    let page = Page::new(title, Nav::Operations, move || {
        let body = view! { <Body operation may_cancel/> };
        view! {
            <FormRejection typed/>
            {if running { view! { <LookAgain/><Live source=format!("/live/operations/{id}")>{body}</Live> }.into_any() } else { body.into_any() }}
        }
    })
    .answer(answer);
    Ok(if running { page.with_islands() } else { page })
}

/// What an open page of it shows, drawn anew.
///
/// # Errors
/// Those of [`operations::get`].
pub async fn part(ctx: &Ctx, id: OperationId) -> Result<String> {
    let (operation, may_cancel) = load(ctx, id).await?;
    Ok(draw_live(format!("/operations/{id}"), move || view! { <Body operation may_cancel/> }))
}

async fn load(ctx: &Ctx, id: OperationId) -> Result<(Operation, bool)> {
    let operation = operations::get(ctx, id).await?;
    let may = match operation.team {
        Some(team) => {
            let membership = access::membership(&mut *ctx.read().await?, ctx.actor(), team).await?;
            ctx.actor().rights(team, membership).on_team(TeamAction::Deploy) == Decision::Allowed
        }
        None => ctx.actor().check_platform(PlatformAction::Manage, "operation").is_ok(),
    };
    let can = can_be_held(&operation);
    Ok((operation, may && can))
}

/// Whether it can be cancelled: only what is being rolled out can be held.
pub(super) fn can_be_held(operation: &Operation) -> bool {
    !operation.state.is_over() && operation.object_kind == ObjectKind::Deployment && operation.verb != "delete"
}

/// Whether it is a deletion that can be called off where the thing is.
fn can_be_called_off(operation: &Operation) -> bool {
    !operation.state.is_over() && operation.object_kind == ObjectKind::Workspace && operation.verb == "delete"
}

#[component]
fn Body(operation: Operation, may_cancel: bool) -> impl IntoView {
    let (heading, state) = (title(&operation), operation.state);
    let verdict = match state {
        OperationState::Running => "so far",
        _ => "in all",
    };
    let held = (state == OperationState::Cancelled).then(|| {
        view! { <section class="notice"><p>"It was cancelled: Kubernetes goes no further with it. What answers goes on answering, and nothing is rolled out or healed until the next change or rollback."</p></section> }
    });
    let superseded = (state == OperationState::Superseded).then(|| {
        view! { <section class="notice"><p>"A later change of the same thing took its place."</p></section> }
    });
    let (kind, id, name) = (operation.object_kind, operation.object_id.to_string(), name(&operation));
    let failure = operation.failure.clone().map(|failure| {
        let way = view! { <Thing kind id=id.clone() name=format!("Go to {name}")/> };
        view! { <FailureNotice failure>{way}</FailureNotice> }
    });
    view! {
        <div class="stack" id="operation">
            <div class="head">
                <div>
                    <div class="crumbs"><a href="/operations">"Operations"</a></div>
                    <h1>{heading}" "<OperationStatus operation=operation.clone()/></h1>
                    <p class="muted">"Started by "{operation.started_by.clone()}", "<Ago at=operation.created_at/></p>
                </div>
                {can_be_called_off(&operation).then(|| view! { <p class="small">"A platform admin can call this off on "<a href=format!("/workspaces/{}", operation.object_id)>"the workspace's page"</a>"."</p> })}
                {may_cancel.then(|| view! { <form method="post" action=here() class="row"><Once/><button name="do" value=buttons::Operation::Cancel.word()>"Cancel and hold"</button></form> })}
            </div>
            {failure}
            {held}
            {superseded}
            <div class="cols">
                <section class="card">
                    <header><h2>"Steps"</h2><span class="small muted number">{time(&operation)}" "{verdict}</span></header>
                    <div class="in"><OperationSteps operation=operation.clone()/></div>
                </section>
                <section class="card">
                    <header><h2>"About"</h2></header>
                    <div class="in"><Facts>
                        <Fact term=capitalized(kind.as_str())><Thing kind id name/></Fact>
                        {operation.team.zip(operation.team_name.clone()).map(|(team, name)| view! { <Fact term="Team"><Thing kind=ObjectKind::Team id=team.to_string() name/></Fact> })}
                        {(kind == ObjectKind::Deployment).then_some(operation.cluster_name).flatten().map(|cluster| view! { <Fact term="Cluster">{cluster}</Fact> })}
                        <Fact term="Generation">{operation.generation}</Fact>
                        {operation.finished_at.map(|at| view! { <Fact term="Ended"><Ago at/></Fact> })}
                        <Fact term="Record"><a href=format!("/audit?object_id={}", operation.object_id)>"What else happened to it"</a></Fact>
                    </Facts></div>
                </section>
            </div>
        </div>
    }
}
