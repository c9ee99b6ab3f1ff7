//! `/workspaces/{id}`

mod mend;

use std::ops::RangeInclusive;

use control::{Ctx, Result, access, clock, deployments, operations, workspaces};
use domain::{
    Rejected,
    access::{Decision, PlatformAction, TeamAction},
    deployment::{DeploymentQuery, DeploymentSummary},
    error::{Checks, FieldError},
    ids::WorkspaceId,
    limits,
    operation::{Failure, ObjectKind, Operation, OperationQuery, OperationState},
    page::{MAX_PAGE_SIZE, PageQuery},
    workspace::{Quota, Workspace, WorkspaceState, reached_by},
};
use leptos::prelude::*;

use crate::{
    buttons::{self, Button as _},
    components::{
        cluster_trouble::ClusterTrouble,
        confirm::Confirm,
        facts::{Fact, Facts},
        field::{Once, Overwrite, Seen},
        look_again::LookAgain,
        meter::Meter,
        notice::{FailureNotice, FormRejection},
        status::Status,
        steps::OperationSteps,
        table::Table,
        when::Ago,
    },
    form::Typed,
    islands::live::Live,
    page::{Nav, Page, draw_live, here},
    pages::{
        deployments::status_word,
        workspaces::{QuotaFields, status},
    },
};
use mend::{CallOff, Changed, Repair, TakeOver};

/// Everything that moves.
struct Loaded {
    workspace: Workspace,
    operation: Option<Operation>,
    /// Why its deletion failed, of which it was kept.
    kept: Option<Failure>,
    /// Whether the reader may see the cluster's page.
    platform: bool,
    may_manage: bool,
}

impl Loaded {
    fn failure(&self) -> Option<&Failure> {
        self.operation.as_ref().filter(|operation| operation.state == OperationState::Failed).and_then(|operation| operation.failure.as_ref())
    }

    /// What a deletion takes.
    fn goes(&self) -> Goes {
        match self.failure() {
            _ if self.workspace.adopted => Goes::Added,
            Some(failure) if matches!(failure.code.as_str(), "namespace_exists" | "namespace_taken") => Goes::Nothing,
            _ if self.workspace.synced_at.is_none() => Goes::NotKnown,
            _ => Goes::Namespace,
        }
    }
}

/// What goes from the cluster with a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    Namespace,
    /// Only what Slipway added to a namespace that was there.
    Added,
    /// The namespace was not taken over.
    Nothing,
    /// It was not made yet: the namespace may turn out to be there.
    NotKnown,
}

async fn load(ctx: &Ctx, id: WorkspaceId) -> Result<Loaded> {
    let workspace = workspaces::get(ctx, id).await?;
    let newest = PageQuery { page_size: Some(2), ..PageQuery::default() };
    let mut newest = operations::list(ctx, &OperationQuery { page: newest, object_id: Some(id.0), ..OperationQuery::default() }).await?.items.into_iter();
    let (operation, before) = (newest.next(), newest.next());
    let kept = before.filter(|_| operation.as_ref().is_some_and(|operation| operation.verb == workspaces::KEEP.0)).and_then(|deletion| deletion.failure);
    let may_manage = ctx.actor().check_platform(PlatformAction::Manage, "workspace").is_ok();
    Ok(Loaded { workspace, operation, kept, platform: ctx.actor().platform_role().is_some(), may_manage })
}

/// One workspace: its quota, what runs in it, and for an admin the way to change it.
///
/// # Errors
/// Those of [`workspaces::get`].
pub async fn show(ctx: &Ctx, id: WorkspaceId, typed: Typed) -> Result<Page> {
    let loaded = load(ctx, id).await?;
    let query = DeploymentQuery {
        page: PageQuery { page_size: Some(MAX_PAGE_SIZE), ..PageQuery::default() },
        team: Some(loaded.workspace.team_name.clone()),
        cluster: Some(loaded.workspace.cluster_name.clone()),
        ..DeploymentQuery::default()
    };
    let mut running = deployments::list(ctx, &query).await?.items;
    // A team may have several workspaces on one cluster.
    running.retain(|deployment| deployment.workspace == id);
    // A deletion that came to nothing is started again by whoever may.
    let stopped = loaded.operation.as_ref().is_none_or(|operation| operation.state.is_over());
    let may_manage = loaded.may_manage && (loaded.workspace.state != WorkspaceState::Deleting || stopped);
    let team = loaded.workspace.team;
    let membership = access::membership(&mut *ctx.read().await?, ctx.actor(), team).await?;
    let usable = match loaded.workspace.state {
        WorkspaceState::Ready | WorkspaceState::Preparing => true,
        // What was whole once serves as it was before.
        WorkspaceState::Failed => loaded.workspace.synced_at.is_some(),
        WorkspaceState::Deleting => false,
    };
    let may_deploy = usable && ctx.actor().rights(team, membership).on_team(TeamAction::Deploy) == Decision::Allowed;
    let answer = typed.answer();
    Ok(Page::new(loaded.workspace.name.clone(), Nav::Workspaces, move || {
        let (workspace, goes) = (loaded.workspace.clone(), loaded.goes());
        let moving = view! { <Moving loaded/> };
        view! {
            <FormRejection typed=typed.clone()/>
            <LookAgain/>
            <Live source=format!("/live/workspaces/{id}")>{moving}</Live>
            <Running running deploy=may_deploy.then(|| format!("/deployments/new?workspace={id}"))/>
            {may_manage.then(|| view! { <Manage workspace goes typed/> })}
        }
    })
    .answer(answer)
    .with_islands())
}

/// What an open page of it shows, drawn anew.
///
/// # Errors
/// Those of [`workspaces::get`].
pub async fn part(ctx: &Ctx, id: WorkspaceId) -> Result<String> {
    let loaded = load(ctx, id).await?;
    Ok(draw_live(format!("/workspaces/{id}"), move || view! { <Moving loaded/> }))
}

/// The quota that was typed.
///
/// # Errors
/// `invalid_input` naming every field that holds no number, or one that no quota can be.
pub fn quota(typed: &Typed) -> Result<Quota, Rejected> {
    let mut checks = Checks::new();
    let scaled = |text: &str, by: i64, bounds: RangeInclusive<i64>| {
        let number = text.trim().parse::<f64>().ok().map(|number| (number * by as f64).round() as i64);
        number.filter(|number| bounds.contains(number)).ok_or_else(|| format!("Enter a number above 0, at most {}.", bounds.end() / by))
    };
    let whole = |text: &str, bounds: RangeInclusive<i64>| {
        text.trim().parse().ok().filter(|number| bounds.contains(number)).ok_or_else(|| format!("Enter a whole number from {} to {}.", bounds.start(), bounds.end()))
    };
    let cpu_millis = checks.take("cpu", scaled(typed.text("cpu"), 1000, limits::QUOTA_CPU_MILLIS));
    let memory_mib = checks.take("memory", scaled(typed.text("memory"), 1024, limits::QUOTA_MEMORY_MIB));
    let gpus = checks.take("gpus", whole(typed.filled("gpus").unwrap_or("0"), limits::QUOTA_GPUS));
    let pods = checks.take("pods", whole(typed.text("pods"), limits::QUOTA_PODS));
    checks.finish()?;
    let ((cpu_millis, memory_mib), (gpus, pods)) = cpu_millis.zip(memory_mib).zip(gpus.zip(pods)).expect("a clean check has every field");
    Ok(Quota { cpu_millis, memory_mib, gpus, pods })
}

/// Moves what an operation says about a quota to the fields of the form.
#[must_use]
pub fn at_fields(mut rejected: Rejected) -> Rejected {
    for FieldError { field, .. } in &mut rejected.errors {
        let form = match field.as_str() {
            "quota.cpu_millis" => "cpu",
            "quota.memory_mib" => "memory",
            "quota.gpus" => "gpus",
            "quota.pods" => "pods",
            _ => continue,
        };
        *field = form.to_owned();
    }
    rejected
}

#[component]
fn Moving(loaded: Loaded) -> impl IntoView {
    let failure = loaded.failure().cloned();
    let Loaded { workspace, operation, kept, platform, may_manage } = loaded;
    let (tone, word) = status(&workspace);
    // Of a cluster in trouble it is known why nothing could be looked at.
    let told = failure.is_some() || (workspace.state == WorkspaceState::Ready && workspace.trouble(clock::now()).is_some());
    let message = workspace.state_message.clone().filter(|_| !told).map(|message| {
        let again = (may_manage && workspace.state == WorkspaceState::Ready).then(|| view! { <Repair version=workspace.version/> });
        view! { <section class=format!("notice {}", tone.class())><p>{message}</p>{again}</section> }
    });
    let changed = (!workspace.others.is_empty() && workspace.state != WorkspaceState::Deleting).then(
        || view! { <Changed fields=workspace.others.clone() version=(may_manage && failure.is_none() && workspace.state == WorkspaceState::Ready).then_some(workspace.version)/> },
    );
    let going = (may_manage && workspace.state == WorkspaceState::Deleting && operation.as_ref().is_some_and(|operation| !operation.state.is_over()))
        .then(|| view! { <CallOff version=workspace.version name=workspace.name.clone()/> });
    let steps = operation.map(|operation| {
        let (tone, word) = (operation.state.tone(), operation.state.title());
        view! {
            <section class="card">
                <header><h2><a href=format!("/operations/{}", operation.id)>"Last change"</a></h2><Status tone word/></header>
                <div class="in"><OperationSteps operation/></div>
            </section>
        }
    });
    let reached = reached_by(workspace.network_policies_enforced, &workspace.team_name);
    let (quota, used) = (workspace.quota, workspace.used);
    let [cpu, memory, gpus, replicas] = quota.free(&used);
    view! {
        <div class="stack" id="workspace">
            <div class="head"><div>
                <div class="crumbs"><a href="/workspaces">"Workspaces"</a></div>
                <h1>{workspace.name.clone()}<Status tone word/></h1>
                <p class="muted">{format!("{}'s namespace on {} ({})", workspace.team_name, workspace.cluster_name, workspace.region)}</p>
            </div></div>
            <ClusterTrouble workspace=workspace.clone() platform/>
            {kept.map(|failure| view! { <FailureNotice failure/> })}
            {failure.map(|failure| match failure.code.as_str() {
                "namespace_exists" if may_manage => view! { <FailureNotice failure><TakeOver version=workspace.version/></FailureNotice> }.into_any(),
                _ if may_manage && workspace.state == WorkspaceState::Failed => view! { <FailureNotice failure><Repair version=workspace.version/></FailureNotice> }.into_any(),
                _ => view! { <FailureNotice failure/> }.into_any(),
            })}
            {message}
            {changed}
            {going}
            <div class="cols">
                <div class="stack">
                    <section class="card"><header><h2>"Quota"</h2><span class="small muted">"by what its deployments ask for"</span></header><div class="in">
                        <Meter label="CPU" used=used.cpu_millis limit=quota.cpu_millis words=format!("{cpu} are free")/>
                        <Meter label="Memory" used=used.memory_mib limit=quota.memory_mib words=format!("{memory} are free")/>
                        {(quota.gpus > 0).then(|| view! { <Meter label="GPUs" used=used.gpus limit=quota.gpus words=format!("{gpus} are free")/> })}
                        <Meter label="Replicas" used=used.pods limit=quota.pods words=format!("{replicas} are free")/>
                        {workspace.adopted.then(|| view! { <p class="small muted">"What others run in the namespace counts in the cluster, too, and is not in these figures."</p> })}
                    </div></section>
                    {steps}
                </div>
                <section class="card"><header><h2>"About"</h2></header><div class="in"><Facts>
                    <Fact term="Team"><a href=format!("/teams/{}", workspace.team)>{workspace.team_name.clone()}</a></Fact>
                    <Fact term="Cluster">{if platform { view! { <a href=format!("/clusters/{}", workspace.cluster)>{workspace.cluster_name.clone()}</a> }.into_any() } else { workspace.cluster_name.clone().into_any() }}</Fact>
                    <Fact term="Namespace"><code>{workspace.name.clone()}</code>{workspace.adopted.then_some(", there before Slipway")}</Fact>
                    <Fact term="In the cluster">{match workspace.synced_at { Some(at) => view! { "seen whole "<Ago at/> }.into_any(), None => "not seen whole yet".into_any() }}</Fact>
                    <Fact term="Pods run">"as non-root, under pod security level restricted"</Fact>
                    <Fact term="Reachable">"by "{reached}</Fact>
                    <Fact term="Made"><Ago at=workspace.created_at/></Fact>
                    <Fact term="Record"><a href=format!("/audit?object_id={}", workspace.id)>"What happened to it"</a></Fact>
                </Facts></div></section>
            </div>
        </div>
    }
}

#[component]
fn Running(
    running: Vec<DeploymentSummary>,
    /// Where the reader deploys into it, if they may.
    deploy: Option<String>,
) -> impl IntoView {
    if running.is_empty() {
        let text = if deploy.is_some() { "Deploy a release of one of the team's models into it." } else { "The team's deployers and owners deploy into it." };
        let deploy = deploy.map(|to| view! { <a class="button" href=to>"Deploy model"</a> });
        return view! { <section class="card empty"><h2>"Nothing runs here yet"</h2><p>{text}</p>{deploy}</section> }.into_any();
    }
    let rows = running
        .into_iter()
        .map(|deployment| {
            let word = status_word(&deployment);
            view! {
                <tr>
                    <td><a href=format!("/deployments/{}", deployment.id)>{deployment.name.clone()}</a></td>
                    <td><Status tone=deployment.tone() word/></td>
                    <td class="extra">{format!("{} {}", deployment.model_name, deployment.release_number)}</td>
                    <td class="n extra">{deployment.replicas}</td>
                    <td><Ago at=deployment.changed_at/></td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="card"><header><h2>"Deployments"</h2>{deploy.map(|to| view! { <a class="small" href=to>"Deploy model"</a> })}</header>
            <Table label="Deployments in it">
                <thead><tr><th scope="col">"Name"</th><th scope="col">"Status"</th><th scope="col" class="extra">"Release"</th><th scope="col" class="n extra">"Replicas"</th><th scope="col">"Changed"</th></tr></thead>
                <tbody>{rows}</tbody>
            </Table>
        </section>
    }
    .into_any()
}

#[component]
fn Manage(workspace: Workspace, goes: Goes, typed: Typed) -> impl IntoView {
    let name = &workspace.name;
    let only = "Only a workspace without deployments can be deleted, and only while nobody else runs or stores anything in its namespace. Secrets and ConfigMaps that others put there are not looked for, and go with it.";
    let (goes, note) = match goes {
        Goes::Namespace => (vec![format!("the namespace {name} on {} and everything in it", workspace.cluster_name)], only.to_owned()),
        Goes::Added => (
            vec!["Slipway's quota, limits, network policies, service accounts and bindings".to_owned()],
            format!("Only what Slipway added goes; the namespace {name} and everything else in it stays. Only a workspace without deployments can be deleted."),
        ),
        Goes::Nothing => (Vec::new(), format!("Nothing in the cluster goes: Slipway has not taken over the namespace {name}, which stays with everything in it.")),
        Goes::NotKnown => (
            Vec::new(),
            format!(
                "If the namespace {name} was there before, only what Slipway added goes, and everything else stays. If Slipway makes it, it goes with everything in it. {only}"
            ),
        ),
    };
    let quota = (workspace.state != WorkspaceState::Deleting).then(|| {
        view! {
            <section class="card" id="quota"><header><h2>"Change the quota"</h2></header><form class="in" method="post" action=here()>
                <Once/><Seen version=workspace.version/>
                <QuotaFields typed=typed.clone() quota=Some(workspace.quota)/>
                <Overwrite version=workspace.version typed=typed.clone() operation=buttons::Workspace::Update.word()/>
                <div class="row"><button name="do" value=buttons::Workspace::Update.word()>"Save quota"</button></div>
            </form></section>
        }
    });
    view! {
        {quota}
        <Confirm name=workspace.name.clone() title=format!("Delete this {}", ObjectKind::Workspace.as_str()) button="Delete workspace" operation=buttons::Workspace::Delete.word() version=workspace.version typed goes note/>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(pairs: &[(&str, &str)]) -> Typed {
        Typed::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_quota_is_typed_in_the_units_people_think_in() {
        let read = quota(&typed(&[("cpu", "1.5"), ("memory", "0.5"), ("gpus", ""), ("pods", "7")])).unwrap();
        assert_eq!(read, Quota { cpu_millis: 1500, memory_mib: 512, gpus: 0, pods: 7 });
        let wrong = quota(&typed(&[("cpu", "many"), ("memory", "NaN"), ("gpus", "0.5"), ("pods", "")])).unwrap_err();
        assert_eq!(wrong.errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), ["cpu", "memory", "gpus", "pods"]);
        let wrong = quota(&typed(&[("cpu", "-1"), ("memory", "1e300"), ("gpus", "-1"), ("pods", "0")])).unwrap_err();
        for (field, says) in [
            ("cpu", "Enter a number above 0, at most 10000."),
            ("memory", "Enter a number above 0, at most 97656."),
            ("gpus", "Enter a whole number from 0 to 10000."),
            ("pods", "Enter a whole number from 1 to 100000."),
        ] {
            assert_eq!(wrong.message_for(field), Some(says));
        }
    }

    #[test]
    fn what_an_operation_says_of_a_quota_stands_at_the_field() {
        assert_eq!(at_fields(Rejected::field("quota.memory_mib", "Too little.")).message_for("memory"), Some("Too little."));
    }
}
