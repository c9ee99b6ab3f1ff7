//! `/deployments/new`

use control::{
    Ctx, Error, Result,
    deployments::{self, SizeRoom},
    releases, teams, workspaces,
};
use domain::{
    Code, Rejected,
    access::TeamRole,
    deployment::{DeploymentPreview, Finding, FindingTone, NewDeployment},
    ids::{ReleaseId, TeamId},
    model::{Release, ReleaseQuery},
    names::DeploymentName,
    page::{MAX_PAGE_SIZE, PageQuery},
    size::Size,
    workspace::{Workspace, WorkspaceQuery, WorkspaceState},
};
use leptos::prelude::*;

use crate::{
    buttons::{self, Button as _},
    components::{
        code::CopyBlock,
        empty::EmptyState,
        facts::{Fact, Facts},
        field::{Choice, Field, Once, TextField},
        notice::Rejection,
        size_choice::SizeChoice,
        status::Status,
        steps::{Findings, finding_tone},
    },
    form::Typed,
    islands::recheck::Recheck,
    page::{Nav, Page},
    variables,
};

/// What can be chosen.
struct Offer {
    releases: Vec<Release>,
    workspaces: Vec<Workspace>,
}

/// The form, with what pressing its button would do.
///
/// # Errors
/// Those of the lists it offers.
pub async fn show(ctx: &Ctx, typed: Typed) -> Result<Page> {
    let offer = match offer(ctx, &typed).await? {
        Ok(offer) => offer,
        Err(missing) => return Ok(missing.status(typed.status())),
    };
    let chosen = Chosen::of(&typed, &offer);
    let (preview, sizes) = match &chosen {
        Some(chosen) => (Some(preview(ctx, &typed, chosen).await?), sizes(ctx, &typed, chosen).await?),
        None => (None, Vec::new()),
    };
    let status = typed.status();
    Ok(Page::new("Deploy a model", Nav::Deployments, move || view! { <Form typed offer chosen preview sizes/> }).status(status).with_islands())
}

/// What stands in the form, also before anything was typed.
#[derive(Clone)]
struct Chosen {
    release: Release,
    workspace: Workspace,
}

impl Chosen {
    /// The release that was asked for or the newest, and a workspace of the same team.
    fn of(typed: &Typed, offer: &Offer) -> Option<Self> {
        let named = |id: &str| offer.releases.iter().find(|release| release.id.to_string() == id);
        let release = match typed.filled("release") {
            Some(id) => named(id)?,
            None => offer.releases.iter().find(|release| offer.workspaces.iter().any(|workspace| workspace.team == release.team)).or(offer.releases.first())?,
        };
        let workspace = match typed.filled("workspace") {
            Some(id) => offer.workspaces.iter().find(|workspace| workspace.id.to_string() == id)?,
            None => offer.workspaces.iter().find(|workspace| workspace.team == release.team)?,
        };
        Some(Self { release: release.clone(), workspace: workspace.clone() })
    }
}

/// The request that the form stands for.
///
/// # Errors
/// `invalid_input` naming what cannot be read.
pub fn request(typed: &Typed) -> Result<NewDeployment, Rejected> {
    let mut checks = domain::error::Checks::new();
    let release = checks.take("release", typed.text("release").parse().map_err(|_| "Choose a release.".into()));
    let workspace = checks.take("workspace", typed.text("workspace").parse().map_err(|_| "Choose a workspace.".into()));
    let size: Option<Size> = typed.filled("size").and_then(|size| checks.take("size", size.parse()));
    // The operation says this and the next, too, but only of a request that can be read as a whole.
    let replicas = typed.filled("replicas").and_then(|text| checks.take("replicas", replica_count(text)));
    if let Some(name) = typed.filled("name") {
        checks.take("name", DeploymentName::parse(name));
    }
    let environment = checks.take(variables::FIELD, variables::read(typed.text(variables::FIELD)).map_err(|rejected| rejected.message));
    checks.finish()?;
    let ((release, workspace), environment) = release.zip(workspace).zip(environment).expect("a clean check has every field");
    Ok(NewDeployment { release, workspace, name: typed.filled("name").map(str::to_owned), size, replicas, environment, reason: typed.filled("reason").map(str::to_owned) })
}

/// How many replicas were typed.
pub(super) fn replica_count(text: &str) -> Result<i32, String> {
    let count = text.trim().parse().ok().filter(|count| (1..=deployments::MAX_REPLICAS).contains(count));
    count.ok_or_else(|| format!("Enter a whole number from 1 to {}.", deployments::MAX_REPLICAS))
}

/// Only what the reader may deploy, and into; or what to do first.
async fn offer(ctx: &Ctx, typed: &Typed) -> Result<Result<Offer, Page>> {
    let many = PageQuery { page_size: Some(MAX_PAGE_SIZE), ..PageQuery::default() };
    let teams = teams::list(ctx, &many).await?;
    let may: Vec<TeamId> = teams.items.iter().filter(|team| team.your_role.is_some_and(|role| role >= TeamRole::Deployer)).map(|team| team.id).collect();
    if may.is_empty() {
        return Ok(Err(first(
            "Deploying is for a team's deployers",
            "You are in no team as a deployer or owner. Ask an owner of your team to give you the role.",
            "/teams",
            "Teams",
        )));
    }
    let mut releases: Vec<Release> = releases::list(ctx, &ReleaseQuery { page: many.clone(), ..ReleaseQuery::default() }).await?.items;
    if let Some(id) = typed.filled("release").and_then(|id| id.parse::<ReleaseId>().ok())
        && !releases.iter().any(|release| release.id == id)
    {
        match releases::get(ctx, id).await {
            Ok(release) => releases.push(release),
            Err(Error::Rejected(rejected)) if rejected.code == Code::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    releases.retain(|release| may.contains(&release.team));
    if releases.is_empty() {
        return Ok(Err(first(
            "Register a release first",
            "A release pins an image of your team's repository to its digest; deployments run releases.",
            "/models",
            "Register a release",
        )));
    }
    let mut workspaces: Vec<Workspace> = workspaces::list(ctx, &WorkspaceQuery { page: many, ..WorkspaceQuery::default() }).await?.items;
    workspaces.retain(|workspace| may.contains(&workspace.team) && workspace.state != WorkspaceState::Deleting);
    if workspaces.is_empty() {
        return Ok(Err(first(
            "Your team has no workspace yet",
            "A workspace is your team's namespace on a cluster, with its own quota. A platform admin makes it.",
            "/workspaces",
            "Workspaces",
        )));
    }
    Ok(Ok(Offer { releases, workspaces }))
}

fn first(title: &'static str, text: &'static str, to: &'static str, word: &'static str) -> Page {
    Page::new("Deploy a model", Nav::Deployments, move || {
        view! {
            <div class="head"><div><div class="crumbs"><a href="/deployments">"Deployments"</a>" / New"</div><h1>"Deploy a model"</h1></div></div>
            <EmptyState title text><a class="button primary" href=to>{word}</a></EmptyState>
        }
    })
}

/// What would be made, or what cannot be read yet, as a finding like any other.
async fn preview(ctx: &Ctx, typed: &Typed, chosen: &Chosen) -> Result<DeploymentPreview> {
    let bad = |title: &str, detail: String| Finding { tone: FindingTone::Bad, title: title.to_owned(), detail: Some(detail) };
    let mut wrong = Vec::new();
    let new = NewDeployment {
        release: chosen.release.id,
        workspace: chosen.workspace.id,
        name: typed.filled("name").map(str::to_owned),
        size: Some(typed.filled("size").and_then(|size| size.parse().ok()).unwrap_or(chosen.release.size)),
        replicas: typed.filled("replicas").and_then(|text| replica_count(text).map_err(|why| wrong.push(bad("The number of replicas needs a change", why))).ok()),
        environment: variables::read(typed.text(variables::FIELD)).unwrap_or_else(|rejected| {
            wrong.push(bad("A variable needs a change", rejected.message));
            Vec::new()
        }),
        reason: None,
    };
    match deployments::preview(ctx, &new).await {
        Ok(mut preview) => {
            preview.findings.splice(0..0, wrong);
            Ok(preview)
        }
        Err(Error::Rejected(rejected)) if rejected.code != Code::Unauthenticated => {
            wrong.push(bad(rejected.code.title(), rejected.message.clone()));
            Ok(DeploymentPreview { findings: wrong, changes: Vec::new(), objects: Vec::new(), manifests: String::new() })
        }
        Err(error) => Err(error),
    }
}

async fn sizes(ctx: &Ctx, typed: &Typed, chosen: &Chosen) -> Result<Vec<SizeRoom>> {
    let replicas = typed.filled("replicas").and_then(|text| text.parse().ok()).unwrap_or(1);
    match deployments::sizes(ctx, chosen.workspace.id, replicas, None).await {
        Ok(sizes) => Ok(sizes),
        // The preview says why.
        Err(Error::Rejected(rejected)) if rejected.code != Code::Unauthenticated => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[component]
fn Form(typed: Typed, offer: Offer, chosen: Option<Chosen>, preview: Option<DeploymentPreview>, sizes: Vec<SizeRoom>) -> impl IntoView {
    let rejection = typed.rejection().filter(|rejected| rejected.errors.iter().all(|error| !FIELDS.contains(&error.field.as_str()))).cloned();
    let (release, workspace) = chosen.as_ref().map(|chosen| (chosen.release.id.to_string(), chosen.workspace.id.to_string())).unwrap_or_default();
    let (name, size, hint) = chosen.as_ref().map_or((String::new(), Size::default(), "What will run.".to_owned()), |chosen| {
        (
            chosen.release.model_name.clone(),
            chosen.release.size,
            format!("{}, port {}. What runs is {}.", chosen.release.protocol.title(), chosen.release.port, short(&chosen.release.digest)),
        )
    });
    let releases = offer
        .releases
        .iter()
        .map(|release| (release.id.to_string(), format!("{} {} · {}:{} · {}", release.model_name, release.number, release.repository, release.tag, release.team_name)))
        .collect::<Vec<_>>();
    let workspaces = offer.workspaces.iter().map(|workspace| (workspace.id.to_string(), place(workspace))).collect::<Vec<_>>();
    view! {
        <div class="head"><div><div class="crumbs"><a href="/deployments">"Deployments"</a>" / New"</div><h1>"Deploy a model"</h1></div></div>
        {rejection.map(|rejected| view! { <Rejection rejected/> })}
        <form class="cols" method="post" id="deploy">
            <Once/>
            <div class="stack">
                <section class="card"><div class="in">
                    <Choice name="release" label="Release" typed=typed.clone() options=releases value=release hint/>
                    <Choice name="workspace" label="Where" typed=typed.clone() options=workspaces value=workspace hint="Your team's workspace: a namespace with its own quota."/>
                    <Field name="name" label="Name" typed=typed.clone() value=name autocomplete="off" hint="Lower-case letters, digits and dashes. Its address inside the cluster begins with it."/>
                </div></section>
                <section class="card"><div class="in">
                    <SizeChoice typed=typed.clone() value=size sizes/>
                    <div class="narrow"><Field name="replicas" label="Replicas" kind="number" typed=typed.clone() value="1" autocomplete="off"/></div>
                    <p class="small muted">"They are spread over zones, and one at a time is replaced. With two or more, one may be away without an outage."</p>
                    <TextField name="environment" label="Environment variables" typed=typed.clone() rows=4 code=true hint="One NAME=value a line. Not for secrets: whoever sees the team sees them."/>
                    <Field name="reason" label="Why" typed=typed.clone() autocomplete="off" hint="Optional; kept with the revision and in the record."/>
                </div></section>
            </div>
            <aside class="stack" aria-label="Preview">
                <Preview preview/>
            </aside>
        </form>
        <Recheck form="deploy".to_owned() parts=vec!["preview".to_owned(), "sizes".to_owned()]/>
    }
}

/// The fields that show what is wrong with them.
const FIELDS: [&str; 7] = ["release", "workspace", "name", "size", "replicas", "environment", "reason"];

/// `forecasting on lab (us-east-1) · 6 of 8 CPU free`
fn place(workspace: &Workspace) -> String {
    let cpus = |millis: i64| (millis as f64 / 1000.0).to_string();
    let free = (workspace.quota.cpu_millis - workspace.used.cpu_millis).max(0);
    format!("{} on {} ({}) · {} of {} CPU free", workspace.name, workspace.cluster_name, workspace.region, cpus(free), cpus(workspace.quota.cpu_millis))
}

fn short(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).chain(['…']).collect()
}

/// What will happen, before the button that makes it happen.
#[component]
fn Preview(preview: Option<DeploymentPreview>) -> impl IntoView {
    let count = |tone: FindingTone| preview.iter().flat_map(|preview| &preview.findings).filter(|finding| finding.tone == tone).count();
    let (tone, word) = match (preview.is_some(), count(FindingTone::Bad), count(FindingTone::Warn)) {
        (false, ..) => (FindingTone::Bad, "Choose first".to_owned()),
        (true, 0, 0) => (FindingTone::Good, "Ready".to_owned()),
        (true, 0, warnings) => (FindingTone::Warn, format!("{warnings} to know")),
        (true, wrong, _) => (FindingTone::Bad, format!("{wrong} to fix")),
    };
    let body = match preview {
        Some(preview) => {
            let makes = (!preview.objects.is_empty()).then(|| {
                let objects = preview.objects.iter().map(|object| view! { <span>{object.clone()}</span><br/> }).collect_view();
                view! { <Facts><Fact term="Makes">{objects}</Fact><Fact term="Reachable">"inside the cluster, by your team"</Fact></Facts> }
            });
            let manifests = (!preview.manifests.is_empty())
                .then(|| view! { <details><summary>"See manifests"</summary><CopyBlock id="manifests" label="the manifests" text=preview.manifests/></details> });
            view! { <Findings findings=preview.findings/>{makes}{manifests} }.into_any()
        }
        None => view! { <p class="muted">"Choose a release and a workspace of the same team to see what will be made."</p> }.into_any(),
    };
    view! {
        <section class="card" id="preview">
            <header><h2>"Ready to deploy?"</h2><Status tone=finding_tone(tone) word/></header>
            <div class="in">
                {body}
                <div class="row"><button class="primary" name="do" value=buttons::Deploy::Deploy.word()>"Deploy model"</button><button class="asleep" name="do" value=buttons::Deploy::Check.word()>"Check"</button></div>
            </div>
        </section>
    }
}
