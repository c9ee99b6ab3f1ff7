//! `/`: what needs a look, or the next step for whoever has nothing yet.

use control::{Ctx, Result, access, deployments, operations, teams, workspaces};
use domain::{
    access::{PlatformRole, TeamAction},
    deployment::{DeploymentCounts, DeploymentQuery, DeploymentState, DeploymentSummary, States},
    operation::{Operation, OperationQuery, OperationState},
    page::PageQuery,
    state::Tone,
    workspace::{Workspace, WorkspaceQuery},
};
use leptos::prelude::*;

use crate::{
    components::{empty::EmptyState, status::Status, table::Table, when::Ago},
    page::{Nav, Page},
    pages::{
        deployments::status_word,
        operations::{OperationStatus, title},
        workspaces::status,
    },
};

const RECENT: u16 = 6;

/// What somebody sees first.
///
/// # Errors
/// Those of the lists it shows.
pub async fn show(ctx: &Ctx) -> Result<Page> {
    let few = PageQuery { page_size: Some(RECENT), ..PageQuery::default() };
    let counts = deployments::counts(ctx).await?;
    let runs = counts != DeploymentCounts::default();
    let those = async |state: Option<States>| deployments::list(ctx, &DeploymentQuery { page: few.clone(), state, ..DeploymentQuery::default() }).await;
    let newest = if runs { those(None).await?.items } else { Vec::new() };
    let ill = Ill {
        deployments: those(Some(States::that(DeploymentState::needs_a_look))).await?,
        workspaces: workspaces::list(ctx, &WorkspaceQuery { page: few.clone(), needs_a_look: Some(true), ..WorkspaceQuery::default() }).await?,
    };
    let has_teams = runs || !teams::list(ctx, &few).await?.items.is_empty();
    let may_deploy = access::may_somewhere(&mut *ctx.read().await?, ctx.actor(), TeamAction::Deploy).await?;
    let recent = operations::list(ctx, &OperationQuery { page: few.clone(), ..OperationQuery::default() }).await?;
    let name = ctx.actor().name().to_owned();
    let platform = ctx.actor().platform_role();
    Ok(Page::new("Home", Nav::Home, move || {
        let deploy = (may_deploy && runs).then(|| view! { <a class="button primary" href="/deployments/new">"Deploy model"</a> });
        let first = (!runs).then(|| first_step(has_teams, platform, may_deploy));
        let figures = runs.then(|| view! { <Figures counts/> });
        let newest = (!newest.is_empty()).then(|| view! { <Newest rows=newest/> });
        let done = (!recent.items.is_empty()).then(|| view! { <Recent rows=recent.items/> });
        view! {
            <div class="head"><div><h1>{format!("Hello, {name}")}</h1></div>{deploy}</div>
            {first}
            {figures}
            {attention(ill)}
            <div class="halves">{newest}{done}</div>
        }
    }))
}

/// One sentence, one button.
fn first_step(has_teams: bool, platform: Option<PlatformRole>, may_deploy: bool) -> AnyView {
    match (platform, has_teams) {
        (Some(PlatformRole::Admin), false) => view! {
            <EmptyState title="Set the platform up" text="Slipway needs an AWS account to find clusters and images in, a cluster to run models on, and a team with a workspace there. Begin with the account.">
                <a class="button primary" href="/accounts">"Add an AWS account"</a>
                <a class="button" href="/clusters">"Clusters"</a>
                <a class="button" href="/teams">"Teams"</a>
                <a class="button" href="/users">"Invite people"</a>
            </EmptyState>
        }
        .into_any(),
        (_, false) => view! {
            <EmptyState title="You are in no team yet" text="Teams own models and what runs. Ask an owner of your team, or a platform admin, to add you by your e-mail address."/>
        }
        .into_any(),
        (_, true) if may_deploy => view! {
            <EmptyState title="Put your first model to work" text="Pick a release of a model, a workspace and a size; you get a live endpoint, or a plain sentence that says why not.">
                <a class="button primary" href="/deployments/new">"Deploy model"</a>
                <a class="button" href="/models">"Register a release"</a>
            </EmptyState>
        }
        .into_any(),
        (Some(PlatformRole::Admin), true) => view! {
            <EmptyState title="Nothing runs yet" text="A team deploys once it has a workspace on a cluster and a release of a model.">
                <a class="button primary" href="/workspaces">"Make a workspace"</a>
                <a class="button" href="/clusters">"Clusters"</a>
                <a class="button" href="/accounts">"Accounts"</a>
            </EmptyState>
        }
        .into_any(),
        (_, true) => view! { <EmptyState title="Nothing runs yet" text="When your team deploys a model, it is seen here."/> }.into_any(),
    }
}

#[component]
fn Figures(counts: DeploymentCounts) -> impl IntoView {
    let figure = |words: &'static str, states: States| {
        let number = counts.among(&states);
        view! { <div><dt>{words}</dt><dd><a href=format!("/deployments?state={}", String::from(states))>{number}</a></dd></div> }
    };
    view! {
        <section class="card"><div class="in"><dl class="figures">
            {figure("live", DeploymentState::Live.into())}
            {figure("on the move", States::that(DeploymentState::moves))}
            {figure("degraded", DeploymentState::Degraded.into())}
            {figure("on hold", DeploymentState::Held.into())}
            {figure("failed", DeploymentState::Failed.into())}
        </dl></div></section>
    }
}

/// What needs a look, the first few of each.
struct Ill {
    deployments: domain::page::Page<DeploymentSummary>,
    workspaces: domain::page::Page<Workspace>,
}

/// What does not stand as it should; nothing where all is well.
fn attention(ill: Ill) -> Option<impl IntoView + use<>> {
    let Ill { deployments, workspaces } = ill;
    (!deployments.items.is_empty() || !workspaces.items.is_empty()).then(|| {
        let more = deployments.next_page_token.is_some().then(|| {
            let states = String::from(States::that(DeploymentState::needs_a_look));
            view! { <a class="small" href=format!("/deployments?state={states}")>"All deployments that do"</a> }
        });
        let more_workspaces = workspaces.next_page_token.is_some().then(|| view! { <a class="small" href="/workspaces?needs_a_look=true">"All workspaces that do"</a> });
        let spaces = workspaces.items.into_iter().map(|workspace| {
            let (tone, word) = status(&workspace);
            let changed = workspace.others.first().map(|field| {
                let more = if workspace.others.len() > 1 { format!("; {} more", workspace.others.len() - 1) } else { String::new() };
                format!("Others changed what Slipway made: {}, {}{more}", field.whole(), field.what())
            });
            let message = workspace.state_message.or(changed);
            view! { <IllRow to=format!("/workspaces/{}", workspace.id) name=workspace.name place=format!("workspace on {}", workspace.cluster_name) tone word message/> }.into_any()
        });
        let runs = deployments.items.into_iter().map(|deployment| {
            // The message stands beside it.
            let word = status_word(&DeploymentSummary { state_message: None, ..deployment.clone() });
            let (to, tone) = (format!("/deployments/{}", deployment.id), deployment.tone());
            let place = format!("{} on {}", deployment.workspace_name, deployment.cluster_name);
            view! { <IllRow to name=deployment.name place tone word message=deployment.state_message/> }.into_any()
        });
        // What is wrong with a workspace may be why something there does not run.
        let rows = spaces.chain(runs).collect::<Vec<_>>();
        view! {
            <section class="card"><header><h2>"Needs a look"</h2>{more_workspaces}{more}</header>
                <Table label="What needs a look"><tbody>{rows}</tbody></Table>
            </section>
        }
    })
}

#[component]
fn IllRow(to: String, name: String, place: String, tone: Tone, #[prop(into)] word: String, message: Option<String>) -> impl IntoView {
    view! {
        <tr>
            <td><a href=to>{name}</a><br/><span class="small muted">{place}</span></td>
            <td><Status tone word/><span class="instead small muted">{message.clone()}</span></td>
            <td class="extra">{message}</td>
        </tr>
    }
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
