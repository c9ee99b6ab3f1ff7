//! `/deployments/{id}`

pub mod logs;
mod place;
pub mod playground;
mod revisions;
mod snippets;
mod standing;
mod try_it;

use control::{Ctx, Error, Result, access, deployments, operations, releases, workspaces};
use domain::{
    Code,
    access::{Decision, Rights, TeamAction},
    deployment::{Deployment, DeploymentState, Revision, Variable},
    ids::DeploymentId,
    model::Release,
    operation::Operation,
    workspace::{Workspace, reached_by},
};
use leptos::prelude::*;
use url::Url;

use crate::{
    buttons::{self, Button as _},
    components::{
        confirm::Confirm,
        facts::{Fact, Facts},
        look_again::LookAgain,
        notice::FormRejection,
    },
    form::Typed,
    islands::live::Live,
    page::{Nav, Page, draw_live, draw_part},
};
use place::WhereItRuns;
use revisions::{RevisionStatus, RevisionTimes, Revisions};
use standing::{Head, Rollout};
pub use try_it::Asked;
use try_it::TryIt;

/// Where the form for requests appears as soon as a replica is ready.
const TRY_WAITS: &str = "try-waits";
/// Where that form stands from the beginning: what is typed into it is left alone.
const TRIAL: &str = "trial";
/// Everything below the head, which goes when the deployment is gone.
const REST: &str = "rest";

/// What somebody may do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct May {
    deploy: bool,
    predict: bool,
    delete: bool,
}

impl May {
    fn of(rights: Rights) -> Self {
        let may = |action| rights.on_team(action) == Decision::Allowed;
        Self { deploy: may(TeamAction::Deploy), predict: may(TeamAction::Predict), delete: may(TeamAction::Delete) }
    }
}

/// Everything the page shows.
#[derive(Clone)]
struct Loaded {
    deployment: Deployment,
    revisions: Vec<Revision>,
    operation: Option<Operation>,
    place: deployments::Place,
    workspace: Workspace,
    /// Whether the reader may see the cluster's page.
    platform: bool,
    /// What the revision runs that serves in place of the wanted one; none when the wanted one serves, or nobody.
    instead: Option<Instead>,
    /// The wanted release, where its port or path is why nothing came up.
    register: Option<Release>,
    may: May,
}

/// An earlier revision that serves, with what it runs.
#[derive(Clone)]
struct Instead {
    revision: Revision,
    release: Release,
}

async fn load(ctx: &Ctx, id: DeploymentId) -> Result<Loaded> {
    let deployment = deployments::get(ctx, id).await?;
    let revisions = deployments::revisions(ctx, id).await?;
    let place = deployments::place(ctx, id).await?;
    let workspace = workspaces::get(ctx, deployment.summary.workspace).await?;
    let operation = match deployment.operation {
        Some(operation) => Some(operations::get(ctx, operation).await?),
        None => None,
    };
    let serving = deployment.summary.served_instead().and_then(|still| revisions.iter().find(|revision| revision.number == still.revision));
    let instead = match serving {
        Some(revision) => Some(Instead { revision: revision.clone(), release: releases::get(ctx, revision.release).await? }),
        None => None,
    };
    let unfit = operation.as_ref().and_then(|operation| operation.failure.as_ref()).is_some_and(|failure| ["wrong_port", "wrong_health_path"].contains(&failure.code.as_str()));
    let register = if unfit { Some(releases::get(ctx, deployment.summary.release).await?) } else { None };
    let team = deployment.summary.team;
    let membership = access::membership(&mut *ctx.read().await?, ctx.actor(), team).await?;
    let mut may = May::of(ctx.actor().rights(team, membership));
    if deployment.summary.state == DeploymentState::Deleting {
        // A deletion that failed or was stopped is started again by whoever may.
        let stopped = operation.as_ref().is_none_or(|operation| operation.state.is_over());
        may = May { deploy: false, predict: false, delete: may.delete && stopped };
    }
    Ok(Loaded { deployment, revisions, operation, place, workspace, platform: ctx.actor().platform_role().is_some(), instead, register, may })
}

/// One deployment, live.
///
/// # Errors
/// Those of [`deployments::get`].
pub async fn show(ctx: &Ctx, id: DeploymentId, typed: Typed, asked: Option<Asked>) -> Result<Page> {
    let loaded = load(ctx, id).await?;
    let portal = ctx.control().settings.public_url.clone();
    let answer = typed.answer();
    Ok(Page::new(loaded.deployment.summary.name.clone(), Nav::Deployments, move || {
        let head = view! { <Head deployment=loaded.deployment.clone() revisions=loaded.revisions.clone() operation=loaded.operation.clone() workspace=loaded.workspace.clone() platform=loaded.platform register=loaded.register.clone() may=loaded.may/> };
        view! {
            {(typed.operation() != buttons::Deployment::Predict.word()).then(|| view! { <FormRejection typed=typed.clone()/> })}
            <LookAgain/>
            <Live source=format!("/live/deployments/{id}")>{head}</Live>
            <Rest loaded typed asked portal/>
        }
    })
    .answer(answer)
    .with_islands())
}

/// What an open page of it shows, drawn anew.
///
/// # Errors
/// Those of [`deployments::get`], except that a deployment that is gone is shown as such.
pub async fn part(ctx: &Ctx, id: DeploymentId) -> Result<String> {
    let loaded = match load(ctx, id).await {
        Ok(loaded) => loaded,
        // The page is open, so it was there; whoever lost the right to see it learns nothing else from this.
        Err(Error::Rejected(rejected)) if rejected.code == Code::NotFound => return Ok(draw_part(gone)),
        Err(error) => return Err(error),
    };
    let portal = ctx.control().settings.public_url.clone();
    Ok(draw_live(format!("/deployments/{id}"), move || {
        let Loaded { deployment, revisions, operation, place, workspace, platform, instead, register, may } = loaded;
        // Only a page that was drawn before a replica was ready has the place for this.
        let try_it = may.predict.then(|| view! { <div class="trial" id=TRY_WAITS><TryIt deployment=deployment.clone() typed=Typed::default() asked=None portal/></div> });
        let state = deployment.summary.state;
        view! {
            <Head deployment=deployment.clone() revisions=revisions.clone() operation=operation.clone() workspace platform register may/>
            <RevisionStatus deployment=deployment.clone()/>
            <RevisionTimes revisions/>
            <ReachIt deployment=deployment.clone() instead/>
            <WhereItRuns deployment place/>
            <Rollout operation state may/>
            {try_it}
            {(state == DeploymentState::Deleting).then(|| view! { <div class="trial" id=TRY_WAITS></div><div class="trial" id=TRIAL></div> })}
        }
    }))
}

fn gone() -> impl IntoView {
    view! {
        <div class="stack" id="standing">
            <div class="head"><div><h1>"It is gone"</h1><p class="muted">"This deployment was deleted, or you cannot see it any more."</p></div><a class="button" href="/deployments">"All deployments"</a></div>
        </div>
        <div class="cols weave" id=REST></div>
    }
}

#[component]
fn Rest(loaded: Loaded, typed: Typed, asked: Option<Asked>, portal: Url) -> impl IntoView {
    let Loaded { deployment, revisions, operation, place, instead, may, .. } = loaded;
    let summary = deployment.summary.clone();
    let logs = format!("/deployments/{}/logs", summary.id);
    let delete = may.delete.then(|| {
        let replicas = match summary.replicas {
            1 => "its replica".to_owned(),
            more => format!("its {more} replicas"),
        };
        let goes = vec![
            format!("Deployment, Service, ServiceAccount and PodDisruptionBudget {} in {} on {}", summary.name, summary.workspace_name, summary.cluster_name),
            format!("{replicas}, at once: whoever calls {} gets no answer any more", deployment.url),
            match revisions.len() {
                1 => "its 1 revision".to_owned(),
                more => format!("its {more} revisions"),
            },
        ];
        view! {
            <Confirm name=summary.name.clone() title="Delete this deployment" button="Delete deployment" operation=buttons::Deployment::Delete.word() version=deployment.version typed=typed.clone() goes
                note="The model, its releases and the record of what was done stay."/>
        }
    });
    let not_yours = (may.deploy && !may.delete).then(|| view! { <p class="small muted">{format!("Only an owner of {} can delete this deployment.", summary.team_name)}</p> });
    let waits = asked.is_none() && !deployment.pods.iter().any(|pod| pod.ready) && typed.operation().is_empty();
    let try_it =
        may.predict.then(|| view! { <div class="trial" id=if waits { TRY_WAITS } else { TRIAL }><TryIt deployment=deployment.clone() typed=typed.clone() asked portal/></div> });
    view! {
        <div class="cols weave" id=REST>
            <div class="stack">
                // What grows and shrinks while it rolls out comes below what is pressed meanwhile.
                {try_it}
                <WhereItRuns deployment=deployment.clone() place/>
                <Revisions deployment=deployment.clone() revisions typed may/>
                {delete}
                {not_yours}
            </div>
            <aside class="stack" aria-label="About it">
                <Rollout operation state=summary.state may/>
                <ReachIt deployment instead/>
                <section class="card"><header><h2>"Look closer"</h2></header><div class="in">
                    <a href=logs>"Logs of every replica"</a>
                    <a href=format!("/operations?object_id={}", summary.id)>"Its operations"</a>
                    <a href=format!("/audit?object_id={}", summary.id)>"Its record"</a>
                </div></section>
            </aside>
        </div>
    }
}

/// What answers, and where: of the revision that serves, which need not be the wanted one.
#[component]
fn ReachIt(deployment: Deployment, instead: Option<Instead>) -> impl IntoView {
    let serves = instead.as_ref().map(|instead| view! { <Fact term="Serves">{format!("revision {}: {}", instead.revision.number, super::release::name(&instead.release))}</Fact> });
    let (image, protocol, environment) = match instead {
        Some(Instead { revision, release }) => (format!("{}@{}", release.repository_uri, release.digest), release.protocol, revision.environment),
        None => (deployment.image, deployment.protocol, deployment.environment),
    };
    let (image, digest) = image.split_once('@').unwrap_or((&image, ""));
    let (image, digest) = (image.to_owned(), digest.to_owned());
    view! {
        <div class="stack" id="reach">
            <section class="card"><header><h2>"Reach it"</h2></header><div class="in">
                <Facts>
                    {serves}
                    <Fact term="Inside"><code>{deployment.url.clone()}</code></Fact>
                    <Fact term="By">{reached_by(deployment.network_policies_enforced, &deployment.summary.team_name)}"; everybody else through Slipway"</Fact>
                    <Fact term="Protocol">{protocol.title()}</Fact>
                    <Fact term="Image"><code>{image}</code></Fact>
                    <Fact term="Digest"><code title=digest.clone()>{short(&digest)}</code></Fact>
                </Facts>
            </div></section>
            <Environment environment/>
        </div>
    }
}

/// Enough of a digest to tell it from others; the whole is one hover away.
fn short(digest: &str) -> String {
    let kept = "sha256:".len() + 12;
    if digest.len() > kept { format!("{}…", digest.chars().take(kept).collect::<String>()) } else { digest.to_owned() }
}

#[component]
fn Environment(environment: Vec<Variable>) -> impl IntoView {
    (!environment.is_empty()).then(|| {
        let rows = environment.into_iter().map(|variable| view! { <dt><code>{variable.name}</code></dt><dd><code>{variable.value}</code></dd> }).collect_view();
        view! { <section class="card"><header><h2>"Environment"</h2></header><div class="in"><dl class="facts">{rows}</dl></div></section> }
    })
}
