//! `/deployments/new`

pub mod name;

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
    workspace::{Workspace, WorkspaceQuery, WorkspaceState, reached_by},
};
use leptos::prelude::*;

use self::name::Name;
use super::model::short;
use crate::{
    buttons::{self, Button as _},
    components::{
        cluster_trouble::trouble,
        code::CopyBlock,
        empty::EmptyState,
        facts::{Fact, Facts},
        field::{Choice, Field, Once, TextField},
        notice::FormRejection,
        size_choice::SizeChoice,
        status::Status,
        steps::{Findings, finding_tone},
        when::{day, exact},
    },
    form::Typed,
    islands::recheck::Recheck,
    page::{Nav, Page, here},
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
        Err(missing) => return Ok(missing.answer(typed.answer())),
    };
    let chosen = Chosen::of(&typed, &offer);
    let (name, suggested_for) = match &chosen {
        // Whoever has emptied it gets the model's own name, and is told if that is taken.
        Some(Chosen { release, .. }) if typed.has("name") => (release.model_name.clone(), String::new()),
        Some(Chosen { release, workspace }) => {
            let name = name::suggest(ctx, release.id, workspace.id).await?.unwrap_or_else(|| release.model_name.clone());
            (name, name::place(release.id, workspace.id))
        }
        None => Default::default(),
    };
    let (preview, sizes) = match &chosen {
        Some(chosen) => (Some(preview(ctx, &typed, chosen, &name).await?), sizes(ctx, &typed, chosen).await?),
        None => (None, Vec::new()),
    };
    let answer = typed.answer();
    Ok(Page::new("Deploy a model", Nav::Deployments, move || view! { <Form typed offer chosen name suggested_for preview sizes/> }).answer(answer).with_islands())
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
            // One whose cluster takes changes, if there is any.
            None => offer.workspaces.iter().filter(|workspace| workspace.team == release.team).min_by_key(|workspace| trouble(workspace).is_some())?,
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
    let replicas = if typed.has("replicas") { checks.take("replicas", replica_count(typed.text("replicas"))) } else { None };
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

/// What would be made; or which fields to mend first, and nothing else.
async fn preview(ctx: &Ctx, typed: &Typed, chosen: &Chosen, name: &str) -> Result<DeploymentPreview> {
    let whole = typed.clone().filled_in(vec![
        ("release".into(), chosen.release.id.to_string()),
        ("workspace".into(), chosen.workspace.id.to_string()),
        ("name".into(), typed.filled("name").unwrap_or(name).to_owned()),
    ]);
    let rejected = match request(&whole) {
        Ok(new) => match deployments::preview(ctx, &new).await {
            Err(Error::Rejected(rejected)) if rejected.code != Code::Unauthenticated => *rejected,
            other => return other,
        },
        Err(rejected) => rejected,
    };
    Ok(to_mend(rejected))
}

/// A preview that has nothing but what stands in the way: each field by its name, with what it takes.
pub(super) fn to_mend(rejected: Rejected) -> DeploymentPreview {
    let bad = |title: &str, detail: String| Finding { tone: FindingTone::Bad, title: title.to_owned(), detail: Some(detail) };
    let rejected = variables::gather(rejected);
    let findings = match rejected.errors.as_slice() {
        [] => vec![bad(rejected.code.title(), rejected.message.clone())],
        errors => errors.iter().map(|error| bad(what_to_mend(&error.field), error.message.clone())).collect(),
    };
    DeploymentPreview { findings, changes: Vec::new(), objects: Vec::new(), manifests: String::new() }
}

fn what_to_mend(field: &str) -> &'static str {
    match field {
        "release" => "The release needs a change",
        "workspace" => "The workspace needs a change",
        "name" => "The name needs a change",
        "size" => "The size needs a change",
        "replicas" => "The number of replicas needs a change",
        "reason" => "The reason needs a change",
        variables::FIELD => "A variable needs a change",
        _ => "Something needs a change",
    }
}

/// How each size stands; nothing while the number of replicas cannot be read.
async fn sizes(ctx: &Ctx, typed: &Typed, chosen: &Chosen) -> Result<Vec<SizeRoom>> {
    let Ok(replicas) = replica_count(&typed.text_or("replicas", "1")) else { return Ok(Vec::new()) };
    match deployments::sizes(ctx, chosen.workspace.id, replicas, None).await {
        Ok(sizes) => Ok(sizes),
        // The preview says why.
        Err(Error::Rejected(rejected)) if rejected.code != Code::Unauthenticated => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[component]
fn Form(typed: Typed, offer: Offer, chosen: Option<Chosen>, name: String, suggested_for: String, preview: Option<DeploymentPreview>, sizes: Vec<SizeRoom>) -> impl IntoView {
    let (release, workspace) = chosen.as_ref().map(|chosen| (chosen.release.id.to_string(), chosen.workspace.id.to_string())).unwrap_or_default();
    let (size, hint) = chosen.as_ref().map_or((Size::default(), "What will run.".to_owned()), |chosen| (chosen.release.size, told_apart(&chosen.release)));
    let releases = offer.releases.iter().map(|release| (release.id.to_string(), picked(release))).collect::<Vec<_>>();
    let about_place = chosen
        .as_ref()
        .and_then(|chosen| trouble(&chosen.workspace))
        .map_or_else(|| "Your team's workspace: a namespace with its own quota.".to_owned(), |trouble| trouble.words());
    let reached = chosen.as_ref().map_or_else(String::new, |chosen| reached_by(chosen.workspace.network_policies_enforced, &chosen.workspace.team_name));
    let several_teams = offer.workspaces.iter().any(|workspace| workspace.team != offer.workspaces[0].team);
    let workspaces = offer.workspaces.iter().map(|workspace| (workspace.id.to_string(), place(workspace, several_teams))).collect::<Vec<_>>();
    view! {
        <div class="head"><div><div class="crumbs"><a href="/deployments">"Deployments"</a>" / New"</div><h1>"Deploy a model"</h1></div></div>
        <FormRejection typed=typed.clone() fields=Some(FIELDS)/>
        <form class="cols" method="post" action=here() id="deploy">
            <Once/>
            <div class="stack">
                <section class="card"><div class="in">
                    <Choice name="release" label="Release" typed=typed.clone() options=releases value=release hint/>
                    <Choice name="workspace" label="Where" typed=typed.clone() options=workspaces value=workspace hint=about_place/>
                    <Name typed=typed.clone() name suggested_for/>
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
                <Preview preview reached_by=reached/>
            </aside>
        </form>
        <Recheck form="deploy".to_owned() parts=["preview", "naming", "sizes", "release-hint", "workspace-hint"].map(str::to_owned).to_vec()/>
    }
}

/// The fields that show what is wrong with them.
const FIELDS: &[&str] = &["release", "workspace", "name", "size", "replicas", "environment", "reason"];

/// `forecasting on lab (us-east-1) · 6 of 8 CPU are free`; what is the matter comes first, since long lines are cut.
/// Whoever deploys for several teams is told whose each is.
fn place(workspace: &Workspace, several_teams: bool) -> String {
    let [cpu, ..] = workspace.quota.free(&workspace.used);
    let whose = if several_teams { format!("{}: ", workspace.team_name) } else { String::new() };
    let trouble = trouble(workspace).map_or_else(String::new, |trouble| format!(" · {}", trouble.title));
    format!("{whose}{} on {} ({}){trouble} · {cpu} are free", workspace.name, workspace.cluster_name, workspace.region)
}

/// A release in one line that tells it from every other.
pub(super) fn picked(release: &Release) -> String {
    let digest: String = release.digest.trim_start_matches("sha256:").chars().take(8).collect();
    format!("{} {} · tag {} · {digest} · {} by {}", release.model_name, release.number, release.tag, day(release.created_at), release.created_by)
}

/// What is behind a release that was chosen.
pub(super) fn told_apart(release: &Release) -> String {
    format!(
        "Of {}: {}:{}, pinned to {}, {}, port {}, registered {} by {}.",
        release.team_name,
        release.repository,
        release.tag,
        short(&release.digest),
        release.protocol.title(),
        release.port,
        exact(release.created_at),
        release.created_by
    )
}

/// What will happen, before the button that makes it happen.
#[component]
fn Preview(preview: Option<DeploymentPreview>, reached_by: String) -> impl IntoView {
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
                view! { <Facts><Fact term="Makes">{objects}</Fact><Fact term="Reachable">"inside the cluster, by "{reached_by.clone()}</Fact></Facts> }
            });
            let waits = preview.objects.is_empty().then(|| view! { <p class="small muted">"As soon as that is mended, what will be made is shown here."</p> });
            let manifests = (!preview.manifests.is_empty())
                .then(|| view! { <details><summary>"See manifests"</summary><CopyBlock id="manifests" label="the manifests" text=preview.manifests/></details> });
            view! { <Findings findings=preview.findings/>{waits}{makes}{manifests} }.into_any()
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
