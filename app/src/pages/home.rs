//! `/`: what needs a look, or the next step for whoever has nothing yet.

use control::{Ctx, Result, deployments, operations, teams};
use domain::{
    access::{PlatformRole, TeamRole},
    deployment::{DeploymentQuery, DeploymentState, DeploymentSummary},
    operation::{Operation, OperationQuery, OperationState},
    page::{MAX_PAGE_SIZE, Page as Rows, PageQuery},
    team::Team,
};
use leptos::prelude::*;

use crate::{
    components::{empty::EmptyState, status::Status, table::Table, when::Ago},
    page::{Nav, Page},
    pages::{
        deployments::status_word,
        operations::{OperationStatus, title},
    },
};

const RECENT: usize = 6;

/// What somebody sees first.
///
/// # Errors
/// Those of the lists it shows.
pub async fn show(ctx: &Ctx) -> Result<Page> {
    let many = PageQuery { page_size: Some(MAX_PAGE_SIZE), ..PageQuery::default() };
    let running = deployments::list(ctx, &DeploymentQuery { page: many.clone(), ..DeploymentQuery::default() }).await?;
    let teams = teams::list(ctx, &many).await?;
    let recent = operations::list(ctx, &OperationQuery { page: PageQuery { page_size: Some(8), ..PageQuery::default() }, ..OperationQuery::default() }).await?;
    let name = ctx.actor().name().to_owned();
    let platform = ctx.actor().platform_role();
    Ok(Page::new("Home", Nav::Home, move || {
        let may_deploy = teams.items.iter().any(|team| team.your_role.is_some_and(|role| role >= TeamRole::Deployer));
        let deploy = (may_deploy && !running.items.is_empty()).then(|| view! { <a class="button primary" href="/deployments/new">"Deploy model"</a> });
        let first = first_step(&teams, &running, platform, may_deploy);
        let (attention, figures) = (attention(&running.items), (!running.items.is_empty()).then(|| view! { <Figures rows=running.clone()/> }));
        let newest = (!running.items.is_empty()).then(|| view! { <Newest rows=running.items.into_iter().take(RECENT).collect()/> });
        let done = (!recent.items.is_empty()).then(|| view! { <Recent rows=recent.items/> });
        view! {
            <div class="head"><div><h1>{format!("Hello, {name}")}</h1></div>{deploy}</div>
            {first}
            {figures}
            {attention}
            <div class="halves">{newest}{done}</div>
        }
    }))
}

/// One sentence, one button.
fn first_step(teams: &Rows<Team>, running: &Rows<DeploymentSummary>, platform: Option<PlatformRole>, may_deploy: bool) -> Option<AnyView> {
    if !running.items.is_empty() {
        return None;
    }
    let step = match (platform, teams.items.is_empty()) {
        (Some(PlatformRole::Admin), true) => view! {
            <EmptyState title="Set the platform up" text="Slipway needs an AWS account to find clusters and images in, a cluster to run models on, and a team with a workspace there. Begin with the account.">
                <a class="button primary" href="/accounts">"Add an AWS account"</a>
                <a class="button" href="/clusters">"Clusters"</a>
                <a class="button" href="/teams">"Teams"</a>
                <a class="button" href="/users">"Invite people"</a>
            </EmptyState>
        }
        .into_any(),
        (_, true) => view! {
            <EmptyState title="You are in no team yet" text="Teams own models and what runs. Ask an owner of your team, or a platform admin, to add you by your e-mail address."/>
        }
        .into_any(),
        (_, false) if may_deploy => view! {
            <EmptyState title="Put your first model to work" text="Pick a release of a model, a workspace and a size; you get a live endpoint, or a plain sentence that says why not.">
                <a class="button primary" href="/deployments/new">"Deploy model"</a>
                <a class="button" href="/models">"Register a release"</a>
            </EmptyState>
        }
        .into_any(),
        (Some(PlatformRole::Admin), false) => view! {
            <EmptyState title="Nothing runs yet" text="A team deploys once it has a workspace on a cluster and a release of a model.">
                <a class="button primary" href="/workspaces">"Make a workspace"</a>
                <a class="button" href="/clusters">"Clusters"</a>
                <a class="button" href="/accounts">"Accounts"</a>
            </EmptyState>
        }
        .into_any(),
        (_, false) => view! { <EmptyState title="Nothing runs yet" text="When your team deploys a model, it is seen here."/> }.into_any(),
    };
    Some(step)
}

#[component]
fn Figures(rows: Rows<DeploymentSummary>) -> impl IntoView {
    let more = if rows.next_page_token.is_some() { "+" } else { "" };
    let count = |wanted: fn(DeploymentState) -> bool| format!("{}{more}", rows.items.iter().filter(|deployment| wanted(deployment.state)).count());
    let figure = |words: &'static str, number: String, to: &'static str| view! { <div><dt>{words}</dt><dd><a href=to>{number}</a></dd></div> };
    view! {
        <section class="card"><div class="in"><dl class="figures">
            {figure("live", count(|state| state == DeploymentState::Live), "/deployments?state=live")}
            {figure("on the move", count(|state| matches!(state, DeploymentState::Pending | DeploymentState::RollingOut | DeploymentState::Deleting)), "/deployments?state=rolling_out")}
            {figure("degraded", count(|state| state == DeploymentState::Degraded), "/deployments?state=degraded")}
            {figure("on hold", count(|state| state == DeploymentState::Held), "/deployments?state=held")}
            {figure("failed", count(|state| state == DeploymentState::Failed), "/deployments?state=failed")}
        </dl></div></section>
    }
}

/// What does not run as it should.
fn attention(rows: &[DeploymentSummary]) -> Option<impl IntoView + use<>> {
    let ill: Vec<&DeploymentSummary> =
        rows.iter().filter(|deployment| matches!(deployment.state, DeploymentState::Failed | DeploymentState::Degraded | DeploymentState::Held)).take(RECENT).collect();
    (!ill.is_empty()).then(|| {
        let items = ill
            .into_iter()
            .map(|deployment| {
                // The message stands beside it.
                let word = status_word(&DeploymentSummary { state_message: None, ..deployment.clone() });
                let tone = deployment.tone();
                view! {
                    <tr>
                        <td><a href=format!("/deployments/{}", deployment.id)>{deployment.name.clone()}</a><br/><span class="small muted">{format!("{} on {}", deployment.workspace_name, deployment.cluster_name)}</span></td>
                        <td><Status tone word/><span class="instead small muted">{deployment.state_message.clone()}</span></td>
                        <td class="extra">{deployment.state_message.clone()}</td>
                    </tr>
                }
            })
            .collect_view();
        view! {
            <section class="card"><header><h2>"Needs a look"</h2></header>
                <Table label="Deployments that need a look"><tbody>{items}</tbody></Table>
            </section>
        }
    })
}

#[component]
fn Newest(rows: Vec<DeploymentSummary>) -> impl IntoView {
    let rows = rows
        .into_iter()
        .map(|deployment| {
            let word = status_word(&deployment);
            view! {
                <tr>
                    <td><a href=format!("/deployments/{}", deployment.id)>{deployment.name.clone()}</a><br/><span class="small muted">{format!("{} {}", deployment.model_name, deployment.release_number)}</span></td>
                    <td><Status tone=deployment.tone() word/></td>
                    <td><Ago at=deployment.changed_at/></td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="card"><header><h2>"Changed last"</h2><a class="small" href="/deployments">"All deployments"</a></header>
            <Table label="Deployments changed last"><tbody>{rows}</tbody></Table>
        </section>
    }
}

#[component]
fn Recent(rows: Vec<Operation>) -> impl IntoView {
    let busy = rows.iter().any(|operation| operation.state == OperationState::Running);
    let rows = rows
        .into_iter()
        .take(RECENT)
        .map(|operation| {
            let title = title(&operation);
            view! {
                <tr>
                    <td><a href=format!("/operations/{}", operation.id)>{title}</a><br/><span class="small muted">{operation.started_by.clone()}</span></td>
                    <td><OperationStatus operation=operation.clone()/></td>
                    <td><Ago at=operation.created_at/></td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="card"><header><h2>{if busy { "Being done" } else { "Done last" }}</h2><a class="small" href="/operations">"All operations"</a></header>
            <Table label="Newest operations"><tbody>{rows}</tbody></Table>
        </section>
    }
}
