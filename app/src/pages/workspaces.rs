//! `/workspaces`

use control::{Ctx, Result, clusters, workspaces};
use domain::{
    access::PlatformAction,
    cluster::ClusterQuery,
    page::{Direction, MAX_PAGE_SIZE, PageQuery},
    state::Tone,
    workspace::{Workspace, WorkspaceQuery, WorkspaceState, cpus},
};
use leptos::prelude::*;

use super::team_choice::{TeamChoice, Teams};
use crate::{
    buttons::{self, Button as _},
    components::{
        cluster_trouble::trouble,
        empty::EmptyState,
        field::{Choice, Field, Once},
        list::{Asked, Filter, NoMatch, Pager, Search, SortBy},
        notice::FormRejection,
        status::Status,
        table::Table,
    },
    form::Typed,
    page::{Nav, Page, here},
};

/// The workspaces somebody may see, and for an admin the form that makes one.
///
/// # Errors
/// Those of [`workspaces::list`].
pub async fn list(ctx: &Ctx, query: WorkspaceQuery, typed: Typed) -> Result<Page> {
    let page = workspaces::list(ctx, &query).await?;
    let places = workspaces::places(&mut *ctx.read().await?, ctx.actor()).await?;
    let asked = Asked::new("/workspaces", &query);
    let offer = match ctx.actor().check_platform(PlatformAction::Manage, "page") {
        Ok(()) => Some(offer(ctx).await?),
        Err(_) => None,
    };
    let answer = typed.answer();
    Ok(Page::new("Workspaces", Nav::Workspaces, move || {
        let may_make = offer.is_some();
        let new = may_make.then(|| view! { <a class="button primary" href="#new">"New workspace"</a> });
        let table = if page.items.is_empty() && !asked.is_narrowed() {
            let text = "A workspace is a team's namespace on a cluster, with its own quota. Models are deployed into it.";
            let whose = if may_make { "Make the first one below." } else { "A platform admin makes it for your team." };
            view! { <EmptyState title="No workspace yet" text=format!("{text} {whose}")/> }.into_any()
        } else {
            let rows = page.items.into_iter().map(|workspace| view! { <Row workspace/> }).collect_view();
            let none = rows.is_empty().then(|| view! { <NoMatch asked=asked.clone() columns="5"/> });
            let name = view! { <SortBy asked=asked.clone() field="name" label="Name" default=Direction::Ascending/> };
            let team = Filter::named(&asked, "team", "Team", "Any team", places.teams);
            let cluster = Filter::named(&asked, "cluster", "Cluster", "Any cluster", places.clusters);
            let looks = [("true", "Needs a look"), ("false", "Does not need a look")].map(|(value, words)| (value.to_owned(), words.to_owned()));
            let look = Filter { name: "needs_a_look", label: "Status", any: "Any status", options: looks.into() };
            let filters = [Some(look), team, cluster].into_iter().flatten().collect();
            view! {
                <section class="card">
                    <Search asked=asked.clone() placeholder="Search by name, team or cluster" filters/>
                    <Table label="Workspaces">
                        <thead><tr>{name}<th scope="col">"Status"</th><th scope="col" class="n">"Deployments"</th><th scope="col" class="n extra">"CPU free"</th><th scope="col" class="n extra">"Memory free"</th></tr></thead>
                        <tbody>{rows}{none}</tbody>
                    </Table>
                    <Pager asked next=page.next_page_token/>
                </section>
            }
            .into_any()
        };
        view! {
            <div class="head"><div><h1>"Workspaces"</h1><p class="muted">"Your teams' namespaces on clusters, each with its own quota."</p></div>{new}</div>
            <FormRejection typed=typed.clone()/>
            {table}
            {offer.map(|offer| view! { <New typed offer/> })}
        }
    })
    .answer(answer))
}

#[component]
fn Row(workspace: Workspace) -> impl IntoView {
    let (tone, word) = status(&workspace);
    let trouble = trouble(&workspace).map(|trouble| view! { <br/><span class="small muted">{trouble.title}</span> });
    let [cpu, memory, ..] = workspace.quota.free(&workspace.used);
    view! {
        <tr>
            <td><a href=format!("/workspaces/{}", workspace.id)>{workspace.name}</a><br/><span class="small muted">{format!("{} on {}", workspace.team_name, workspace.cluster_name)}</span></td>
            <td><Status tone word/>{trouble}</td>
            <td class="n">{workspace.deployments}</td>
            <td class="n extra">{cpu}</td>
            <td class="n extra">{memory}</td>
        </tr>
    }
}

/// How a workspace stands.
#[must_use]
pub fn status(workspace: &Workspace) -> (Tone, &'static str) {
    match workspace.state {
        WorkspaceState::Preparing => (Tone::Busy, "Preparing"),
        WorkspaceState::Ready if workspace.needs_a_look() => (Tone::Warn, "Degraded"),
        WorkspaceState::Ready => (Tone::Good, "Ready"),
        WorkspaceState::Failed => (Tone::Bad, "Failed"),
        WorkspaceState::Deleting => (Tone::Busy, "Deleting"),
    }
}

/// What an admin can choose from.
struct Offer {
    teams: Teams,
    clusters: Vec<String>,
}

async fn offer(ctx: &Ctx) -> Result<Offer> {
    let many = PageQuery { page_size: Some(MAX_PAGE_SIZE), ..PageQuery::default() };
    let teams = Teams::load(ctx).await?;
    let clusters = clusters::list(ctx, &ClusterQuery { page: many, ..ClusterQuery::default() }).await?.items.into_iter().map(|cluster| cluster.name).collect();
    Ok(Offer { teams, clusters })
}

#[component]
fn New(typed: Typed, offer: Offer) -> impl IntoView {
    if offer.teams.is_none() || offer.clusters.is_empty() {
        let (title, text, to, word) = if offer.clusters.is_empty() {
            ("Attach a cluster first", "A workspace is a namespace on a cluster.", "/clusters", "Clusters")
        } else {
            ("Create a team first", "A workspace belongs to a team.", "/teams", "Teams")
        };
        return view! { <EmptyState title text><a class="button" href=to>{word}</a></EmptyState> }.into_any();
    }
    let options = |names: Vec<String>| names.into_iter().map(|name| (name.clone(), name)).collect::<Vec<_>>();
    let adopt = typed.text("adopt") == "existing";
    view! {
        <section class="card" id="new">
            <header><h2>"New workspace"</h2></header>
            <form class="in" method="post" action=here()>
                <Once/>
                <div class="fields">
                    <TeamChoice typed=typed.clone() teams=offer.teams none="Choose a team" hint="Who deploys into it."/>
                    <Choice name="cluster" label="Cluster" typed=typed.clone() options=options(offer.clusters)/>
                    <Field name="name" label="Name" typed=typed.clone() autocomplete="off" hint="The name of its namespace."/>
                </div>
                <QuotaFields typed=typed.clone() quota=None/>
                <label class="check"><input type="checkbox" name="adopt" value="existing" checked=adopt/><span>"Take over the namespace if it exists"<br/><span class="small muted">"What is in it stays; Slipway adds its quota, policies and bindings."</span></span></label>
                <div class="row"><button class="primary" name="do" value=buttons::Workspaces::Create.word()>"Make workspace"</button></div>
            </form>
        </section>
    }
    .into_any()
}

/// The fields of a quota, in the units people think in.
#[component]
pub fn QuotaFields(typed: Typed, quota: Option<domain::workspace::Quota>) -> impl IntoView {
    let quota = quota.unwrap_or(domain::workspace::Quota { cpu_millis: 8000, memory_mib: 16 * 1024, gpus: 0, pods: 20 });
    view! {
        <fieldset>
            <legend>"Quota"</legend>
            <div class="fields">
                <Field name="cpu" label="CPU" typed=typed.clone() value=cpus(quota.cpu_millis) autocomplete="off"/>
                <Field name="memory" label="Memory in GiB" typed=typed.clone() value=(quota.memory_mib as f64 / 1024.0).to_string() autocomplete="off"/>
                <Field name="gpus" label="GPUs" kind="number" typed=typed.clone() value=quota.gpus.to_string() autocomplete="off"/>
                <Field name="pods" label="Replicas" kind="number" typed value=quota.pods.to_string() autocomplete="off"/>
            </div>
            <span class="hint">"The most that all its deployments may ask for together. Leave room for one replica more: updates start the new one first."</span>
        </fieldset>
    }
}
