//! `/workspaces/{id}`

use control::{Ctx, Result, deployments, operations, workspaces};
use domain::{
    access::PlatformAction,
    deployment::{DeploymentQuery, DeploymentSummary},
    ids::WorkspaceId,
    operation::{Operation, OperationQuery, OperationState},
    page::{MAX_PAGE_SIZE, PageQuery},
    workspace::Workspace,
};
use leptos::prelude::*;

use super::workspaces::QuotaFields;
use crate::{
    components::{
        confirm::Confirm,
        empty::EmptyState,
        facts::{Fact, Facts},
        field::{Once, Seen},
        meter::Meter,
        notice::{FailureNotice, FormRejection},
        status::Status,
        steps::OperationSteps,
        table::Table,
        when::Ago,
    },
    form::Typed,
    islands::live::Live,
    page::{Nav, Page, draw_part},
};

struct Loaded {
    workspace: Workspace,
    operation: Option<Operation>,
    deployments: Vec<DeploymentSummary>,
    may_manage: bool,
}

async fn load(ctx: &Ctx, id: WorkspaceId) -> Result<Loaded> {
    let workspace = workspaces::get(ctx, id).await?;
    let newest = OperationQuery { object_id: Some(id.to_string()), page: PageQuery { page_size: Some(1), ..PageQuery::default() }, ..OperationQuery::default() };
    let query = DeploymentQuery {
        page: PageQuery { page_size: Some(MAX_PAGE_SIZE), ..PageQuery::default() },
        team: Some(workspace.team_name.clone()),
        cluster: Some(workspace.cluster_name.clone()),
        ..DeploymentQuery::default()
    };
    let mut deployments = deployments::list(ctx, &query).await?.items;
    deployments.retain(|deployment| deployment.workspace == id);
    Ok(Loaded {
        operation: operations::list(ctx, &newest).await?.items.into_iter().next(),
        deployments,
        may_manage: ctx.actor().check_platform(PlatformAction::Manage, "workspace").is_ok(),
        workspace,
    })
}

/// One workspace, live: quota, what runs in it, and for an admin its settings.
///
/// # Errors
/// Those of [`workspaces::get`].
pub async fn show(ctx: &Ctx, id: WorkspaceId, typed: Typed) -> Result<Page> {
    let loaded = load(ctx, id).await?;
    let status = typed.status();
    let drawn = Page::new(loaded.workspace.name.clone(), Nav::Workspaces, move || {
        let (workspace, may_manage) = (loaded.workspace.clone(), loaded.may_manage);
        let note = match workspace.adopted {
            true => "The namespace was there before Slipway: it stays, without Slipway's quota, network policies and roles.",
            false => "The namespace goes with everything in it. It has to be empty of deployments, and of anything Slipway did not make.",
        };
        view! {
            <FormRejection typed=typed.clone()/>
            <Live source=format!("/live/workspaces/{id}")><Body loaded/></Live>
            {may_manage.then(|| view! {
                <section class="card" id="quota"><header><h2>"Quota"</h2></header><form class="in" method="post">
                    <Once/><Seen version=workspace.version/>
                    <QuotaFields typed=typed.clone() quota=workspace.quota/>
                    <div class="row"><button name="do" value="update">"Change quota"</button></div>
                </form></section>
                <Confirm name=workspace.name title="Delete this workspace" button="Delete workspace" version=workspace.version typed note=note/>
            })}
        }
    });
    Ok(drawn.status(status).with_islands())
}

/// What an open page of it shows, drawn anew.
///
/// # Errors
/// Those of [`workspaces::get`].
pub async fn part(ctx: &Ctx, id: WorkspaceId) -> Result<String> {
    let loaded = load(ctx, id).await?;
    Ok(draw_part(move || view! { <Body loaded/> }))
}

#[component]
fn Body(loaded: Loaded) -> impl IntoView {
    let Loaded { workspace, operation, deployments, .. } = loaded;
    let deploy = format!("/deployments/new?workspace={}", workspace.id);
    let under_way = operation.filter(|operation| operation.state != OperationState::Succeeded);
    let failure = under_way.as_ref().and_then(|operation| operation.failure.clone());
    let steps = under_way.map(|operation| {
        let title = format!("{} · {}", operation.verb, operation.started_by);
        view! { <section class="card"><header><h2>{title}</h2></header><div class="in"><OperationSteps operation/></div></section> }
    });
    view! {
        <div class="head">
            <div>
                <div class="crumbs"><a href="/workspaces">"Workspaces"</a>" / "{workspace.team_name.clone()}</div>
                <h1>{workspace.name.clone()}</h1>
                <p class="row"><Status tone=workspace.state.tone() word=workspace.state.title()/><span class="muted">{workspace.state_message.clone()}</span></p>
            </div>
            <a class="button primary" href=deploy>"Deploy model"</a>
        </div>
        {failure.map(|failure| view! { <FailureNotice failure/> })}
        <div class="cols">
            <div class="stack"><Running deployments/></div>
            <div class="stack">{steps}<About workspace/></div>
        </div>
    }
}

#[component]
fn Running(deployments: Vec<DeploymentSummary>) -> impl IntoView {
    if deployments.is_empty() {
        return view! { <EmptyState title="Nothing runs here yet" text="Deploy a release of one of the team's models into this workspace."/> }.into_any();
    }
    let rows = deployments
        .into_iter()
        .map(|deployment| {
            view! {
                <tr>
                    <td><a href=format!("/deployments/{}", deployment.id)>{deployment.name}</a></td>
                    <td><Status tone=deployment.state.tone() word=deployment.state.title()/></td>
                    <td>{format!("{} {}", deployment.model_name, deployment.release_number)}</td>
                    <td class="n">{format!("{} of {}", deployment.ready_replicas, deployment.replicas)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="card"><header><h2>"Deployments"</h2></header>
            <Table label="Deployments in this workspace">
                <thead><tr><th scope="col">"Name"</th><th scope="col">"Status"</th><th scope="col">"Release"</th><th scope="col" class="n">"Replicas"</th></tr></thead>
                <tbody>{rows}</tbody>
            </Table>
        </section>
    }
    .into_any()
}

#[component]
fn About(workspace: Workspace) -> impl IntoView {
    let (used, quota) = (workspace.used, workspace.quota);
    let cpu = format!("{} of {} CPU", workspaces::cpus(used.cpu_millis), workspaces::cpus(quota.cpu_millis));
    let memory = format!("{:.1} of {:.1} GiB", used.memory_mib as f64 / 1024.0, quota.memory_mib as f64 / 1024.0);
    let gpus = (quota.gpus > 0).then(|| view! { <Meter label="GPUs" used=used.gpus limit=quota.gpus words=format!("{} of {}", used.gpus, quota.gpus)/> });
    view! {
        <section class="card"><header><h2>"Used by deployments"</h2></header><div class="in">
            <Meter label="CPU" used=used.cpu_millis limit=quota.cpu_millis words=cpu/>
            <Meter label="Memory" used=used.memory_mib limit=quota.memory_mib words=memory/>
            {gpus}
            <Meter label="Pods" used=used.pods limit=quota.pods words=format!("{} of {}", used.pods, quota.pods)/>
            <Facts>
                <Fact term="Team"><a href=format!("/teams/{}", workspace.team)>{workspace.team_name}</a></Fact>
                <Fact term="Cluster">{format!("{} · {}", workspace.cluster_name, workspace.region)}</Fact>
                <Fact term="Namespace"><span class="mono">{workspace.name}</span>{workspace.adopted.then_some(", there before Slipway")}</Fact>
                <Fact term="Pod security">"restricted"</Fact>
                <Fact term="Network">"closed, except model ports inside the team and DNS"</Fact>
                <Fact term="Made"><Ago at=workspace.created_at/></Fact>
            </Facts>
        </div></section>
    }
}
