//! `/clusters/{id}`

mod access;
mod connection;
mod nodes;
mod read_only;

use control::{Ctx, Error, Result, clusters};
use domain::{
    Code,
    access::PlatformAction,
    cluster::{AccessHelp, Cluster, ClusterState, NewerThing, Node},
    ids::ClusterId,
    operation::{Operation, OperationState},
    page::{Page as Rows, PageQuery},
    state::Tone,
};
use leptos::prelude::*;

use super::clusters::{cpus, gib, nodes as node_count};
use crate::{
    buttons::{self, Button as _},
    components::{
        code::Raw,
        confirm::Confirm,
        facts::{Fact, Facts},
        field::Once,
        list::Asked,
        look_again::LookAgain,
        notice::{FailureNotice, FormRejection, Notice},
        status::Status,
        steps::OperationSteps,
        when::Ago,
    },
    form::Typed,
    islands::live::Live,
    page::{Nav, Page, draw_live, here},
};
use access::Access;
use connection::Connection;
use nodes::{NodeList, Picture, Sight};
use read_only::{Accept, ReadOnly};

/// The most nodes that are drawn.
const DRAWN: u16 = 100;

/// What moves by itself.
struct Loaded {
    cluster: Cluster,
    /// Why there is none, when there is none.
    help: Result<AccessHelp, String>,
    operation: Option<Operation>,
    /// What is newer in the cluster than in the database.
    newer: Vec<NewerThing>,
    nodes: Vec<Node>,
    replicas: Vec<clusters::Placed>,
    /// What the list of nodes was asked, and its rows.
    asked: PageQuery,
    listed: Rows<Node>,
    may_manage: bool,
}

async fn load(ctx: &Ctx, id: ClusterId, asked: PageQuery) -> Result<Loaded> {
    let cluster = clusters::get(ctx, id).await?;
    let help = match clusters::access_help(ctx, id).await {
        Ok(help) => Ok(help),
        Err(Error::Rejected(rejected)) if rejected.code == Code::Conflict => Err(rejected.message),
        Err(error) => return Err(error),
    };
    let drawn = PageQuery { page_size: Some(DRAWN), sort: Some("zone".into()), ..PageQuery::default() };
    Ok(Loaded {
        help,
        operation: clusters::newest_operation(ctx, id).await?,
        newer: clusters::newer(ctx, id).await?,
        nodes: clusters::nodes(ctx, id, &drawn).await?.items,
        replicas: clusters::replicas(ctx, id).await?,
        listed: clusters::nodes(ctx, id, &asked).await?,
        asked,
        may_manage: ctx.actor().check_platform(PlatformAction::Manage, "cluster").is_ok(),
        cluster,
    })
}

/// One cluster, live, with the list of its nodes.
///
/// # Errors
/// Those of [`clusters::get`] and [`clusters::nodes`].
pub async fn show(ctx: &Ctx, id: ClusterId, query: PageQuery, typed: Typed) -> Result<Page> {
    let source = format!("/live{}", Asked::new(format!("/clusters/{id}"), &query).link(&[("page_token", query.page_token.as_deref())]));
    let loaded = load(ctx, id, query).await?;
    let connection = clusters::connection(ctx, id).await?;
    let answer = typed.answer();
    Ok(Page::new(loaded.cluster.name.clone(), Nav::Clusters, move || {
        let (cluster, newer, may_manage) = (loaded.cluster.clone(), loaded.newer.clone(), loaded.may_manage);
        let note = "Only a cluster without workspaces can be detached. Nothing in it is touched then: what others run there goes on. Slipway's roles and its access entry stay until somebody removes them.";
        view! {
            <FormRejection typed=typed.clone()/>
            <LookAgain/>
            <Live source><Body loaded/></Live>
            {may_manage.then(|| view! { <Connection cluster=cluster.clone() connection=connection.clone() typed=typed.clone()/> })}
            {may_manage.then(|| view! { <Accept cluster=cluster.clone() newer typed=typed.clone()/> })}
            {(may_manage && cluster.read_only_since.is_none()).then(|| view! { <Confirm name=cluster.name title="Detach this cluster" button="Detach cluster" operation=buttons::Cluster::Detach.word() version=cluster.version typed note=note/> })}
        }
    })
    .answer(answer)
    .with_islands())
}

/// What an open page of it shows, drawn anew.
///
/// # Errors
/// Those of [`clusters::get`].
pub async fn part(ctx: &Ctx, id: ClusterId, query: PageQuery) -> Result<String> {
    let loaded = load(ctx, id, query).await?;
    Ok(draw_live(format!("/clusters/{id}"), move || view! { <Body loaded/> }))
}

#[component]
fn Body(loaded: Loaded) -> impl IntoView {
    let Loaded { cluster, help, operation, newer, nodes, replicas, asked, listed, may_manage } = loaded;
    let id = cluster.id;
    let lacks_access = cluster.state == ClusterState::NeedsAccess;
    let busy = operation.as_ref().is_some_and(|operation| operation.state == OperationState::Running);
    let asks = lacks_access && !busy;
    let seen = Sight { fresh: cluster.state == ClusterState::Connected, at: cluster.synced_at };
    view! {
        // By its id the stream finds it: parts of it have ids, too.
        <div class="stack" id="cluster">
            <Head cluster=cluster.clone() may_manage/>
            <ReadOnly cluster=cluster.clone() newer/>
            {(cluster.state != ClusterState::Connected && !busy).then(|| view! { <Trouble cluster=cluster.clone()/> })}
            {operation.filter(|operation| operation.state != OperationState::Succeeded || lacks_access).map(|operation| view! { <SettingUp operation/> })}
            {asks.then(|| view! { <Access cluster=cluster.clone() help=help.clone() may_manage busy open=true/> })}
            <About cluster=cluster.clone()/>
            <Picture nodes replicas total=cluster.nodes seen/>
            {(!asks).then(|| view! { <Access cluster help may_manage busy open=false/> })}
            <NodeList id nodes=listed query=asked seen/>
        </div>
    }
}

#[component]
fn Head(cluster: Cluster, may_manage: bool) -> impl IntoView {
    view! {
        <div class="head">
            <div>
                <div class="crumbs"><a href="/clusters">"Clusters"</a></div>
                <h1>{cluster.name}<Status tone=cluster.state.tone() word=cluster.state.title()/>{cluster.read_only_since.map(|_| view! { <Status tone=Tone::Bad word="Read-only"/> })}</h1>
                <p class="muted">{match cluster.synced_at { Some(at) => view! { "seen "<Ago at/> }.into_any(), None => view! { "not seen yet" }.into_any() }}</p>
            </div>
            {may_manage.then(|| view! { <form method="post" action=here()><Once/><button name="do" value=buttons::Cluster::Check.word()>"Look now"</button></form> })}
        </div>
    }
}

/// Why it is not connected, and what to do.
#[component]
fn Trouble(cluster: Cluster) -> impl IntoView {
    let (tone, title, next) = match cluster.state {
        ClusterState::Connecting => (Tone::Busy, "Connecting", "Slipway looks at the cluster for the first time. This takes a few seconds."),
        ClusterState::NeedsAccess => (Tone::Warn, "Slipway needs access", "Let it in as shown below. Slipway notices by itself."),
        ClusterState::Unreachable => (
            Tone::Bad,
            "The cluster cannot be reached",
            "Slipway keeps trying. What runs there goes on; changes wait. Check that the API server's endpoint can be reached from where Slipway runs.",
        ),
        ClusterState::Gone => (Tone::Bad, "The cluster is gone", "Delete its workspaces here, then detach it."),
        ClusterState::Connected => (Tone::Good, "Connected", ""),
    };
    view! {
        <Notice tone title>
            {cluster.state_message.map(|message| view! { <p>{message}</p> })}
            <p>{next}</p>
            {cluster.state_raw.map(|raw| view! { <Raw title="What was said" text=raw/> })}
        </Notice>
    }
}

#[component]
fn SettingUp(operation: Operation) -> impl IntoView {
    let failure = operation.failure.clone();
    view! {
        {failure.map(|failure| view! { <FailureNotice failure/> })}
        <section class="card">
            <header><h2>"Setting up access"</h2><a class="small" href=format!("/operations/{}", operation.id)>"Operation"</a></header>
            <div class="in"><OperationSteps operation/></div>
        </section>
    }
}

#[component]
fn About(cluster: Cluster) -> impl IntoView {
    let policies = match cluster.enforces_network_policies {
        Some(true) => view! { <Status tone=Tone::Good word="Enforced"/> }.into_any(),
        Some(false) => view! {
            <Status tone=Tone::Warn word="Not enforced"/>" "
            <span class="small muted">"Slipway writes network policies, but nothing in this cluster gives them an effect: every pod can reach every other. Turn on network policy in the VPC CNI, or run Calico or Cilium."</span>
        }
        .into_any(),
        None => view! { <span class="muted">"Not known yet"</span> }.into_any(),
    };
    let unknown = || "not known yet".to_owned();
    let (capacity, seen) = (cluster.capacity, cluster.nodes > 0);
    view! {
        <section class="card">
            <header><h2>"About"</h2></header>
            <div class="in">
                {seen.then(|| view! { <dl class="figures">
                    <div><dt>"Nodes"</dt><dd>{node_count(cluster.ready_nodes, cluster.nodes)}</dd></div>
                    <div><dt>"Zones"</dt><dd>{cluster.zones}</dd></div>
                    <div><dt>"CPU"</dt><dd>{cpus(capacity.cpu_millis)}</dd></div>
                    <div><dt>"Memory"</dt><dd>{gib(capacity.memory_mib)}</dd></div>
                    {(capacity.gpus > 0).then(|| view! { <div><dt>"GPUs"</dt><dd>{capacity.gpus}</dd></div> })}
                    <div><dt>"Pods"</dt><dd>{capacity.pods}</dd></div>
                </dl> })}
                <Facts>
                    <Fact term="Kubernetes">{cluster.kubernetes_version.unwrap_or_else(unknown)}</Fact>
                    <Fact term="Network policies">{policies}</Fact>
                    <Fact term="Account"><a href=format!("/accounts/{}", cluster.account)>{cluster.account_name}</a></Fact>
                    <Fact term="Region">{cluster.region}</Fact>
                    <Fact term="Name in EKS">{cluster.eks_name}</Fact>
                    <Fact term="Status in EKS">{cluster.eks_status.unwrap_or_else(unknown)}</Fact>
                    <Fact term="ARN"><code>{cluster.arn}</code></Fact>
                    <Fact term="Endpoint"><code>{cluster.endpoint.unwrap_or_else(unknown)}</code></Fact>
                    <Fact term="Workspaces"><a href=format!("/workspaces?cluster={}", cluster.name)>{cluster.workspaces}</a></Fact>
                </Facts>
            </div>
        </section>
    }
}
