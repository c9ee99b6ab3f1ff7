//! `/deployments/{id}/change`

use control::{
    Ctx, Error, Result,
    deployments::{self, SizeRoom},
    releases,
};
use domain::{
    Code, Rejected,
    deployment::{Deployment, DeploymentChange, DeploymentPreview, DeploymentState, FindingTone, Revision},
    error::Checks,
    ids::DeploymentId,
    model::{Release, ReleaseQuery},
    page::{MAX_PAGE_SIZE, PageQuery},
    size::Size,
    state::Tone,
};
use leptos::prelude::*;

use super::deploy::{picked, replica_count, to_mend, told_apart};
use crate::{
    buttons::{self, Button as _},
    components::{
        code::CopyBlock,
        facts::{Fact, Facts},
        field::{Choice, Field, Once, Overwrite, Seen, TextField},
        notice::{FormRejection, Notice},
        size_choice::SizeChoice,
        status::Status,
        steps::Findings,
        when::Ago,
    },
    form::Typed,
    islands::recheck::Recheck,
    page::{Nav, Page, here},
    variables,
};

/// The form that makes the next revision, with what differs from the present one.
///
/// # Errors
/// Those of [`deployments::get`].
pub async fn show(ctx: &Ctx, id: DeploymentId, typed: Typed) -> Result<Page> {
    let deployment = deployments::get(ctx, id).await?;
    let many = PageQuery { page_size: Some(MAX_PAGE_SIZE), ..PageQuery::default() };
    let mut releases: Vec<Release> = releases::list(ctx, &ReleaseQuery { page: many, model: Some(deployment.summary.model) }).await?.items;
    if !releases.iter().any(|release| release.id == deployment.summary.release) {
        releases.push(releases::get(ctx, deployment.summary.release).await?);
    }
    // While the number of replicas cannot be read, nothing is said of sizes.
    let sizes = match replica_count(&typed.text_or("replicas", &deployment.summary.replicas.to_string())) {
        Ok(replicas) => match deployments::sizes(ctx, deployment.summary.workspace, replicas, Some(id)).await {
            Err(Error::Rejected(rejected)) if rejected.code == Code::Conflict => Vec::new(),
            other => other?,
        },
        Err(_) => Vec::new(),
    };
    let preview = preview(ctx, id, &typed).await?;
    let meanwhile = if typed.stale().is_some() { deployments::revisions(ctx, id).await?.into_iter().next() } else { None };
    let answer = typed.answer();
    Ok(Page::new(format!("Change {}", deployment.summary.name), Nav::Deployments, move || view! { <Form typed deployment releases sizes preview meanwhile/> })
        .answer(answer)
        .with_islands())
}

/// The request that the form stands for.
///
/// # Errors
/// `invalid_input` naming what cannot be read.
pub fn request(typed: &Typed) -> Result<DeploymentChange, Rejected> {
    let mut checks = Checks::new();
    let release = typed.filled("release").and_then(|text| checks.take("release", text.parse().map_err(|_| "Choose a release.".into())));
    let size = typed.filled("size").and_then(|text| checks.take("size", text.parse()));
    let replicas = checks.take("replicas", replica_count(typed.text("replicas")));
    let environment = checks.take(variables::FIELD, variables::read(typed.text(variables::FIELD)).map_err(|rejected| rejected.message));
    checks.finish()?;
    Ok(DeploymentChange { release, size, replicas, environment, take_over: false, reason: typed.filled("reason").map(str::to_owned) })
}

/// What a link to the form asks for: another size or release.
fn linked(typed: &Typed) -> Result<DeploymentChange, Rejected> {
    let mut checks = Checks::new();
    let release = typed.filled("release").and_then(|text| checks.take("release", text.parse().map_err(|_| "Choose a release.".into())));
    let size = typed.filled("size").and_then(|text| checks.take("size", text.parse()));
    checks.finish()?;
    Ok(DeploymentChange { release, size, ..DeploymentChange::default() })
}

/// What the button would do; or which fields to mend first, and nothing else.
async fn preview(ctx: &Ctx, id: DeploymentId, typed: &Typed) -> Result<DeploymentPreview> {
    let asked = match typed.operation() {
        // Before anything was typed there is only what a link filled in.
        "" => linked(typed),
        _ => request(typed),
    };
    let rejected = match asked {
        Ok(change) => match deployments::preview_change(ctx, id, &DeploymentChange { reason: None, ..change }).await {
            Err(Error::Rejected(rejected)) if matches!(rejected.code, Code::InvalidInput | Code::Conflict) => *rejected,
            other => return other,
        },
        Err(rejected) => rejected,
    };
    Ok(to_mend(rejected))
}

const FIELDS: &[&str] = &["release", "size", "replicas", "environment", "reason"];

#[component]
fn Form(typed: Typed, deployment: Deployment, releases: Vec<Release>, sizes: Vec<SizeRoom>, preview: DeploymentPreview, meanwhile: Option<Revision>) -> impl IntoView {
    let summary = deployment.summary.clone();
    let back = format!("/deployments/{}", summary.id);
    let options = releases.iter().map(|release| (release.id.to_string(), picked(release))).collect::<Vec<_>>();
    let release = typed.text_or("release", &deployment.summary.release.to_string());
    let hint = releases.iter().find(|known| known.id.to_string() == release).map_or_else(|| "Releases of the same model.".to_owned(), told_apart);
    view! {
        <div class="head"><div>
            <div class="crumbs"><a href="/deployments">"Deployments"</a>" / "<a href=back>{summary.name.clone()}</a>" / Change"</div>
            <h1>{format!("Change {}", summary.name)}</h1>
            <p class="muted">{format!("In {} on {}. This makes revision {}.", summary.workspace_name, summary.cluster_name, summary.revision + 1)}</p>
        </div></div>
        <FormRejection typed=typed.clone() fields=Some(FIELDS)/>
        {meanwhile.map(|revision| view! { <Meanwhile revision/> })}
        <form class="cols" method="post" action=here() id="change">
            <Once/><Seen version=deployment.version/>
            <div class="stack">
                <section class="card"><div class="in">
                    <Choice name="release" label="Release" typed=typed.clone() options value=deployment.summary.release.to_string() hint/>
                    <SizeChoice typed=typed.clone() value=summary.size sizes/>
                    <div class="narrow"><Field name="replicas" label="Replicas" kind="number" typed=typed.clone() value=summary.replicas.to_string() autocomplete="off"/></div>
                    <TextField name="environment" label="Environment variables" typed=typed.clone() value=variables::write(&deployment.environment) rows=5 code=true hint="One NAME=value a line. Not for secrets: whoever sees the team sees them."/>
                    <Field name="reason" label="Why" typed=typed.clone() autocomplete="off" hint="Optional; kept with the revision and in the record."/>
                    <Overwrite version=deployment.version typed=typed.clone() operation=buttons::Change::Change.word()/>
                </div></section>
            </div>
            <aside class="stack" aria-label="What will change"><Difference typed deployment releases preview/></aside>
        </form>
        <Recheck form="change".to_owned() parts=["difference", "sizes", "release-hint"].map(str::to_owned).to_vec()/>
    }
}

/// What somebody else made of it while the form was filled in.
#[component]
fn Meanwhile(revision: Revision) -> impl IntoView {
    let changes = if revision.changes.is_empty() { "the same once more".to_owned() } else { revision.changes.join(" · ") };
    view! {
        <Notice tone=Tone::Warn title=format!("Revision {} is the newest", revision.number)>
            <p>{format!("{} made it ", revision.created_by)}<Ago at=revision.created_at/>{format!(": {changes}.")}</p>
        </Notice>
    }
}

/// What the next revision changes.
#[component]
fn Difference(typed: Typed, deployment: Deployment, releases: Vec<Release>, preview: DeploymentPreview) -> impl IntoView {
    let summary = deployment.summary;
    let title = |id: &str| releases.iter().find(|release| release.id.to_string() == id).map(|release| format!("{} {}", release.model_name, release.number)).unwrap_or_default();
    let present = format!("{} {}", summary.model_name, summary.release_number);
    let size: Option<Size> = typed.filled("size").and_then(|size| size.parse().ok());
    let environment = variables::write(&deployment.environment);
    let rows: Vec<AnyView> = [
        ("Release", present.clone(), typed.filled("release").map_or(present, title)),
        ("Size", summary.size.summary(), size.unwrap_or(summary.size).summary()),
        ("Replicas", summary.replicas.to_string(), typed.text_or("replicas", &summary.replicas.to_string())),
        ("Environment", environment.clone(), typed.text_or("environment", &environment).replace("\r\n", "\n").trim_end().to_owned()),
    ]
    .into_iter()
    .filter(|(_, before, after)| before != after)
    .map(|(term, before, after)| {
        let (before, after) = (Some(before).filter(|text| !text.is_empty()), Some(after).filter(|text| !text.is_empty()));
        view! { <Fact term>{before.map(|text| view! { <del class="lines">{text}</del> })}" "{after.map(|text| view! { <ins class="lines">{text}</ins> })}</Fact> }.into_any()
    })
    .collect();
    let unmade = preview.manifests.is_empty();
    // What failed is tried again, and what is held goes on, without any change.
    let unchanged = rows.is_empty() && !unmade && !matches!(summary.state, DeploymentState::Failed | DeploymentState::Held);
    let body = match (rows.is_empty(), summary.state) {
        _ if unmade => view! { <p class="muted">"As soon as this is mended, what will change is shown here."</p> }.into_any(),
        (false, _) => view! { <Facts>{rows}</Facts> }.into_any(),
        (true, DeploymentState::Failed) => view! { <p class="muted">"Nothing: the same is tried once more."</p> }.into_any(),
        (true, DeploymentState::Held) => view! { <p class="muted">"Nothing: it is resumed as it is."</p> }.into_any(),
        (true, _) => view! { <p class="muted">"Nothing yet: change something first."</p> }.into_any(),
    };
    let findings: Vec<_> = preview.findings.iter().filter(|finding| !unchanged || finding.tone == FindingTone::Bad).cloned().collect();
    let meanwhile = match deployment.pods.iter().filter(|pod| pod.ready).map(|pod| pod.revision).max() {
        Some(answers) => format!("New replicas come up one at a time; revision {answers} answers until they are ready, and stays when they do not come up."),
        None => "No replica answers now. The new ones do as soon as they are ready.".to_owned(),
    };
    let count = |tone: FindingTone| preview.findings.iter().filter(|finding| finding.tone == tone).count();
    let (tone, word) = match (count(FindingTone::Bad), count(FindingTone::Warn)) {
        (0, _) if unchanged => (Tone::Idle, "Nothing to roll out".to_owned()),
        (0, 0) => (Tone::Good, "Ready".to_owned()),
        (0, warnings) => (Tone::Warn, format!("{warnings} to know")),
        (wrong, _) => (Tone::Bad, format!("{wrong} to fix")),
    };
    let manifests = (!preview.manifests.is_empty())
        .then(|| view! { <details><summary>"See manifests"</summary><CopyBlock id="manifests" label="the manifests" text=preview.manifests/></details> });
    view! {
        <section class="card" id="difference">
            <header><h2>"What will change"</h2><Status tone word/></header>
            <div class="in">
                {body}
                <Findings findings/>
                {manifests}
                {(!unchanged).then(|| view! { <p class="small muted">{meanwhile}</p> })}
                <div class="row"><button class="primary" name="do" value=buttons::Change::Change.word()>"Roll out"</button><button class="asleep" name="do" value=buttons::Change::Check.word()>"Check"</button><a class="button" href=format!("/deployments/{}", summary.id)>"Cancel"</a></div>
            </div>
        </section>
    }
}
