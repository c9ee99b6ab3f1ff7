//! `/deployments`

use control::{Ctx, Result, access, deployments, workspaces};
use domain::{
    access::TeamAction,
    deployment::{DeploymentQuery, DeploymentState, DeploymentSummary, States},
    page::Direction,
};
use leptos::prelude::*;

use crate::{
    components::{
        empty::EmptyState,
        list::{Asked, Filter, NoMatch, Pager, Search, SortBy},
        status::Status,
        table::Table,
        when::Ago,
    },
    page::{Nav, Page},
};

/// The deployments somebody may see.
///
/// # Errors
/// Those of [`deployments::list`].
pub async fn list(ctx: &Ctx, query: DeploymentQuery) -> Result<Page> {
    let page = deployments::list(ctx, &query).await?;
    let mut conn = ctx.read().await?;
    let may_deploy = access::may_somewhere(&mut conn, ctx.actor(), TeamAction::Deploy).await?;
    let places = workspaces::places(&mut conn, ctx.actor()).await?;
    drop(conn);
    let asked = Asked::new("/deployments", &query);
    Ok(Page::new("Deployments", Nav::Deployments, move || {
        if page.items.is_empty() && !asked.is_narrowed() {
            let text = match may_deploy {
                true => "Deployments are models that are running. Register a release of a model, then deploy it.",
                false => "Deployments are models that are running. What your teams deploy is seen here.",
            };
            return view! {
                <div class="head"><div><h1>"Deployments"</h1></div></div>
                <EmptyState title="No deployments yet" text>
                    {may_deploy.then(|| view! { <a class="button primary" href="/deployments/new">"Deploy your first model"</a> })}
                </EmptyState>
            }
            .into_any();
        }
        let rows = page.items.into_iter().map(row).collect_view();
        let none = rows.is_empty().then(|| view! { <NoMatch asked=asked.clone() columns="5"/> });
        let state = Filter { name: "state", label: "Status", any: "Any status", options: options(query.state) };
        let team = Filter::named(&asked, "team", "Team", "Any team", places.teams);
        let cluster = Filter::named(&asked, "cluster", "Cluster", "Any cluster", places.clusters);
        let filters = [Some(state), team, cluster].into_iter().flatten().collect();
        let name = view! { <SortBy asked=asked.clone() field="name" label="Name"/> };
        let changed = view! { <SortBy asked=asked.clone() field="changed_at" label="Changed" default=Direction::Descending first=Direction::Descending/> };
        view! {
            <div class="head">
                <div><h1>"Deployments"</h1><p class="muted">"What your teams have deployed, and how it stands."</p></div>
                {may_deploy.then(|| view! { <a class="button primary" href="/deployments/new">"Deploy model"</a> })}
            </div>
            <section class="card">
                <Search asked=asked.clone() placeholder="Search by name, model or workspace" filters/>
                <Table label="Deployments">
                    <thead><tr>{name}<th scope="col">"Status"</th><th scope="col" class="extra">"Release"</th><th scope="col" class="n extra">"Replicas"</th>{changed}</tr></thead>
                    <tbody>{rows}{none}</tbody>
                </Table>
                <Pager asked next=page.next_page_token/>
            </section>
        }
        .into_any()
    }))
}

/// Each state, some together, and what the list was asked for.
fn options(asked: Option<States>) -> Vec<(String, String)> {
    let together = [("On the move", States::that(DeploymentState::moves)), ("Needs a look", States::that(DeploymentState::needs_a_look))];
    let each = DeploymentState::ALL.map(|state| (state.title(), States::from(state)));
    let mut options: Vec<(String, String)> = together.into_iter().chain(each).map(|(words, states)| (states.into(), words.to_owned())).collect();
    if let Some(states) = asked {
        let words = states.as_slice().iter().map(|state| state.title()).collect::<Vec<_>>().join(", ");
        let value = String::from(states);
        if !options.iter().any(|(known, _)| *known == value) {
            options.push((value, words));
        }
    }
    options
}

/// A function rather than a component: this list is the page that is asked for most.
fn row(deployment: DeploymentSummary) -> impl IntoView {
    let place = format!("{} on {}", deployment.workspace_name, deployment.cluster_name);
    let release = format!("{} {}", deployment.model_name, deployment.release_number);
    let replicas = replicas(&deployment);
    let (tone, word) = (deployment.tone(), status_word(&deployment));
    view! {
        <tr>
            <td><a href=format!("/deployments/{}", deployment.id)>{deployment.name}</a><br/><span class="small muted">{place}</span></td>
            <td><Status tone word/></td>
            <td class="extra">{release}</td>
            <td class="n extra">{replicas}</td>
            <td><Ago at=deployment.changed_at/></td>
        </tr>
    }
}

/// `3` when all of them are ready, `1 of 3` otherwise.
fn replicas(deployment: &DeploymentSummary) -> String {
    if deployment.ready_replicas == deployment.replicas { deployment.replicas.to_string() } else { format!("{} of {}", deployment.ready_replicas, deployment.replicas) }
}

/// How it stands, in a few words.
#[must_use]
pub fn status_word(deployment: &DeploymentSummary) -> String {
    if let Some(still) = deployment.served_instead() {
        return format!("Serving revision {} · revision {} failed", still.revision, deployment.revision);
    }
    match (deployment.state, &deployment.state_message) {
        (DeploymentState::RollingOut, _) => format!("{}, {} of {}", deployment.state.title(), deployment.ready_replicas, deployment.replicas),
        (DeploymentState::Failed | DeploymentState::Degraded, Some(message)) if message.chars().count() <= 40 => format!("{}: {message}", deployment.state.title()),
        _ => deployment.state.title().to_owned(),
    }
}
