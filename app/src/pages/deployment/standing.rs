//! How it stands, what went wrong, how the rollout goes.

use control::clock;
use domain::{
    deployment::{Deployment, DeploymentState, Revision},
    ids::DeploymentId,
    model::Release,
    operation::{Operation, OperationState},
    size::Size,
    workspace::Workspace,
};
use leptos::prelude::*;

use super::{May, revisions::differ};
use crate::{
    buttons::{self, Button as _},
    components::{
        cluster_trouble::ClusterTrouble,
        field::{Once, Seen},
        notice::FailureNotice,
        set_by_others::SetByOthers,
        status::Status,
        steps::OperationSteps,
        when::{Ago, took},
    },
    page::here,
    pages::{
        deployments::status_word,
        operations::can_be_held,
        register::{FOR_DEPLOYMENT, protocol_word},
    },
};

/// Name, status, what may be done; why it failed.
#[component]
pub fn Head(
    deployment: Deployment,
    revisions: Vec<Revision>,
    operation: Option<Operation>,
    workspace: Workspace,
    platform: bool,
    register: Option<Release>,
    may: May,
) -> impl IntoView {
    let summary = deployment.summary.clone();
    let id = summary.id;
    let word = match summary.state {
        DeploymentState::Failed if summary.served_instead().is_none() => format!("Revision {} failed", summary.revision),
        _ => status_word(&summary),
    };
    let about = format!("{} {} · {} · {}", summary.model_name, summary.release_number, replicas(summary.replicas), summary.size.as_str());
    let made = revisions.first().map(|revision| {
        view! { " · revision "{revision.number}", "<Ago at=revision.created_at/>" by "{revision.created_by.clone()} }
    });
    let still = summary.served_instead().map(|still| {
        let what = if still.ready == 1 { "1 replica is live".to_owned() } else { format!("{} replicas are live", still.ready) };
        // What was refused as a whole has no replica that could be started again.
        let then = if deployment.pods.iter().any(|pod| pod.revision == summary.revision) {
            format!(
                "Kubernetes starts the failed replica again and again, at most every five minutes, until it is rolled back or changed. Rolling back leaves the replicas of revision {} alone.",
                still.revision
            )
        } else {
            format!("There is no replica of revision {}.", summary.revision)
        };
        view! { <p class="muted">{format!("Revision {} failed; revision {} still serves: {what}. {then}", summary.revision, still.revision)}</p> }
    });
    // A fragment inside closed details opens them, without any script.
    let earlier = revisions.split_first().and_then(|(now, earlier)| earlier.iter().find(|revision| differ(revision, now)));
    let earlier = earlier.filter(|_| may.deploy).map(|revision| format!("#back-{}", revision.number));
    let resume = (may.deploy && summary.state == DeploymentState::Held).then(|| view! { <Again version=deployment.version button=buttons::Deployment::Resume word="Resume"/> });
    view! {
        <div class="stack" id="standing">
            <div class="head">
                <div>
                    <div class="crumbs"><a href="/deployments">"Deployments"</a>" / "<a href=format!("/workspaces/{}", summary.workspace)>{summary.workspace_name.clone()}</a>" / "{summary.cluster_name.clone()}</div>
                    <h1>{summary.name.clone()}<Status tone=summary.tone() word/></h1>
                    <p class="muted">{about}{made}</p>
                    {still}
                </div>
                <div class="row">
                    {resume}
                    {may.deploy.then(|| view! { <a class="button" href=format!("/deployments/{id}/change")>"Change"</a> })}
                    {earlier.map(|to| view! { <a class="button" href=to>"Roll back"</a> })}
                    {may.delete.then(|| view! { <a class="button danger" href="#delete">"Delete"</a> })}
                </div>
            </div>
            <ClusterTrouble workspace platform/>
            <Trouble deployment operation register may/>
        </div>
    }
}

/// Starts what is wanted once more, as a new revision.
#[component]
fn Again(version: i64, button: buttons::Deployment, #[prop(into)] word: String) -> impl IntoView {
    view! {
        <form method="post" action=here()>
            <Once/><Seen version/>
            <button class="primary" name="do" value=button.word()>{word}</button>
        </form>
    }
}

fn replicas(count: i32) -> String {
    if count == 1 { "1 replica".to_owned() } else { format!("{count} replicas") }
}

/// What is the matter, and what to do.
#[component]
fn Trouble(deployment: Deployment, operation: Option<Operation>, register: Option<Release>, may: May) -> impl IntoView {
    let (state, id) = (deployment.summary.state, deployment.summary.id);
    let failure = operation.filter(|operation| operation.state == OperationState::Failed).and_then(|operation| operation.failure);
    match (failure, state) {
        // It came up after all: why it had not by then is part of its history.
        (Some(failure), state) if state != DeploymentState::Live => {
            let remedy = failure.remedy.clone().unwrap_or_default();
            let over = (may.deploy && remedy.take_over)
                .then(|| view! { <Again version=deployment.version button=buttons::Deployment::TakeOver word="Take these fields over and try again"/> });
            let first = over.is_none();
            let back = deployment.summary.served_instead().filter(|_| may.deploy);
            let back = back.map(|still| {
                view! {
                    <form method="post" action=here()>
                        <Once/><Seen version=deployment.version/><input type="hidden" name="revision" value=still.revision.to_string()/>
                        <button class:primary=first name="do" value=buttons::Deployment::RollBack.word()>{format!("Roll back to revision {}", still.revision)}</button>
                    </form>
                }
            });
            // Where it is the release that is wrong, another one helps.
            let register = register.filter(|_| may.deploy).map(|release| {
                let (field, word) = match (failure.code.as_str(), remedy.port) {
                    ("wrong_port", Some(port)) => ("port", format!("Register a release with port {port}")),
                    ("wrong_port", None) => ("port", "Register a release with the right port".to_owned()),
                    _ => ("health_path", "Register a release with the right path".to_owned()),
                };
                view! { <a class="button" class:primary=back.is_none() href=registering(&release, id, field, remedy.port)>{word}</a> }
            });
            let (to, word) = match remedy.size.map(Size::as_str) {
                Some(size) => (format!("/deployments/{id}/change?size={size}"), format!("Retry with size {size}")),
                None => (format!("/deployments/{id}/change"), "Change and retry".to_owned()),
            };
            let mends = back.is_none() && remedy.size.is_some();
            let change = may.deploy.then(|| view! { <a class="button" class:primary=mends href=to>{word}</a> });
            let all = (may.deploy && remedy.take_over).then(|| view! { <SetByOthers fields=deployment.others.clone()/> });
            view! { <FailureNotice failure>{all}{over}{back}{register}{change}<a class="button" href=format!("/deployments/{id}/logs")>"Read the log"</a></FailureNotice> }.into_any()
        }
        (None, DeploymentState::Degraded | DeploymentState::Failed) => {
            let (class, message) = (format!("notice {}", state.tone().class()), deployment.summary.state_message);
            let wanted = replicas(deployment.summary.replicas);
            let word = match (deployment.others.is_empty(), deployment.scaled_to) {
                (false, _) => Some(format!("Set it as revision {} wants", deployment.summary.revision)),
                (true, Some(_)) => Some(format!("Take it over: set {wanted} again")),
                (true, None) => None,
            };
            let over = word.filter(|_| may.deploy).map(|word| view! { <div class="row"><Again version=deployment.version button=buttons::Deployment::TakeOver word/></div> });
            // The sentence names the first of them.
            let all = view! { <SetByOthers fields=deployment.others/> };
            message.map(|message| view! { <section class=class><p>{message}</p>{all}{over}</section> }).into_any()
        }
        (None, DeploymentState::Held) => {
            view! { <section class="notice"><p>"It is on hold: the rollout is paused. What answers goes on answering, and nothing is rolled out or healed until it is resumed, changed or rolled back."</p></section> }.into_any()
        }
        _ => ().into_any(),
    }
}

/// The form for another release, filled in like this one, at the field to mend; with another port where one is known. It leads back to the deployment.
fn registering(release: &Release, deployment: DeploymentId, field: &str, port: Option<u16>) -> String {
    let (account, port, deployment) = (release.account.to_string(), port.unwrap_or(release.port).to_string(), deployment.to_string());
    let filled_in = [
        ("account", account.as_str()),
        ("region", &release.region),
        ("repository", &release.repository),
        ("tag", &release.tag),
        ("protocol", protocol_word(release.protocol)),
        ("port", &port),
        ("health_path", &release.health_path),
        ("size", release.size.as_str()),
        (FOR_DEPLOYMENT, &deployment),
    ];
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(filled_in).finish();
    format!("/models/{}/releases/new?{query}#{field}", release.model)
}

/// The steps of the newest operation, with the button that stops it while it goes on.
#[component]
pub fn Rollout(operation: Option<Operation>, state: DeploymentState, may: May) -> impl IntoView {
    let card = operation.map(|operation| {
        let time = took(operation.finished_at.unwrap_or_else(clock::now).since(operation.created_at));
        let word = match operation.state {
            OperationState::Running | OperationState::Succeeded => time,
            OperationState::Failed => format!("stopped after {time}"),
            OperationState::Cancelled | OperationState::Superseded => operation.state.title().to_lowercase(),
        };
        let title = match operation.verb.as_str() {
            "delete" => "Deletion",
            "roll back" => "Rollback",
            _ => "Rollout",
        };
        // Why it had failed is part of its history; that it did must not look as if it still were so.
        let later = (operation.state == OperationState::Failed && state == DeploymentState::Live)
            .then(|| view! { <p class="small muted">"It came up later, without another operation: what is wanted runs now."</p> });
        let cancel = (may.deploy && can_be_held(&operation)).then(|| {
            view! {
                <form method="post" action=here() class="row">
                    <Once/><input type="hidden" name="operation" value=operation.id.to_string()/>
                    <button name="do" value=buttons::Deployment::Cancel.word()>"Cancel and hold"</button>
                </form>
            }
        });
        view! {
            <section class="card">
                <header><h2><a href=format!("/operations/{}", operation.id)>{title}</a></h2><Status tone=operation.state.tone() word/></header>
                <div class="in"><OperationSteps operation/>{later}{cancel}</div>
            </section>
        }
    });
    view! { <div id="rollout">{card}</div> }
}
