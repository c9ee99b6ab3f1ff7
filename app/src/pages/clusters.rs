//! `/clusters` and `/clusters/new`.

use control::{Ctx, Result, accounts, clusters};
use domain::{
    access::PlatformAction,
    cluster::{Capacity, Cluster, ClusterQuery, ClusterState, FoundCluster, FoundClusters, UnseenRegion},
    page::{Direction, PageQuery},
    state::Tone,
};
use leptos::prelude::*;

use crate::{
    buttons::{self, Button as _},
    components::{
        code::Raw,
        empty::EmptyState,
        field::{Choice, Field, Once},
        list::{Asked, Filter, NoMatch, Pager, Search, SortBy},
        notice::{FormRejection, Notice},
        status::Status,
        table::Table,
        when::Ago,
    },
    form::Typed,
    page::{Nav, Page, here},
};

/// The attached clusters.
///
/// # Errors
/// Those of [`clusters::list`].
pub async fn list(ctx: &Ctx, query: ClusterQuery) -> Result<Page> {
    let page = clusters::list(ctx, &query).await?;
    let may_attach = ctx.actor().check_platform(PlatformAction::Manage, "page").is_ok();
    let asked = Asked::new("/clusters", &query);
    Ok(Page::new("Clusters", Nav::Clusters, move || {
        let attach = move |class: &'static str| may_attach.then(|| view! { <a class=class href="/clusters/new">"Attach a cluster"</a> });
        if page.items.is_empty() && !asked.is_narrowed() {
            return view! {
                <div class="head"><div><h1>"Clusters"</h1></div></div>
                <EmptyState title="No cluster is attached" text="Models run on Amazon EKS. Attach a cluster that EKS has: Slipway connects, says what it may do there, and shows how to let it in.">
                    {attach("button primary")}
                </EmptyState>
            }
            .into_any();
        }
        let rows = page.items.into_iter().map(|cluster| view! { <Row cluster/> }).collect_view();
        let none = rows.is_empty().then(|| view! { <NoMatch asked=asked.clone() columns="6"/> });
        let sorted = view! {
            <SortBy asked=asked.clone() field="name" label="Name" default=Direction::Ascending/>
            <SortBy asked=asked.clone() field="state" label="Status"/>
            <SortBy asked=asked.clone() field="kubernetes_version" label="Kubernetes" class="n extra"/>
        };
        let states = ClusterState::ALL.map(|state| (state.as_str().to_owned(), state.title().to_owned())).to_vec();
        let filters = vec![Filter { name: "state", label: "Status", any: "Any status", options: states }];
        view! {
            <div class="head"><div><h1>"Clusters"</h1><p class="muted">"Where models run."</p></div>{attach("button primary")}</div>
            <section class="card">
                <Search asked=asked.clone() placeholder="Search by name, region or account" filters/>
                <Table label="Clusters">
                    <thead><tr>
                        {sorted}
                        <th scope="col" class="n">"Nodes"</th>
                        <th scope="col" class="n extra">"Workspaces"</th>
                        <th scope="col" class="extra">"Seen"</th>
                    </tr></thead>
                    <tbody>{rows}{none}</tbody>
                </Table>
                <Pager asked next=page.next_page_token/>
            </section>
        }
        .into_any()
    }))
}

#[component]
fn Row(cluster: Cluster) -> impl IntoView {
    view! {
        <tr>
            <td><a href=format!("/clusters/{}", cluster.id)>{cluster.name}</a><br/><span class="small muted">{cluster.region}" · "{cluster.account_name}</span></td>
            <td><Status tone=cluster.state.tone() word=cluster.state.title()/>{cluster.read_only_since.map(|_| view! { " "<Status tone=Tone::Bad word="Read-only"/> })}{cluster.state_message.map(|message| view! { <br/><span class="small muted">{message}</span> })}</td>
            <td class="n extra">{cluster.kubernetes_version}</td>
            <td class="n">{nodes(cluster.ready_nodes, cluster.nodes)}{(cluster.nodes > 0).then(|| view! { <br/><span class="small muted extra">{capacity(cluster.capacity)}</span> })}</td>
            <td class="n extra">{cluster.workspaces}</td>
            <td class="extra">{match cluster.synced_at { Some(at) => view! { <Ago at/> }.into_any(), None => view! { <span class="muted">"never"</span> }.into_any() }}</td>
        </tr>
    }
}

/// `3` or `2 of 3 ready`
#[must_use]
pub(super) fn nodes(ready: i64, all: i64) -> String {
    if ready == all { all.to_string() } else { format!("{ready} of {all} ready") }
}

/// `12 CPU, 46 GiB, 1 GPU`
#[must_use]
pub(super) fn capacity(capacity: Capacity) -> String {
    let mut parts = vec![format!("{} CPU", cpus(capacity.cpu_millis)), gib(capacity.memory_mib)];
    if capacity.gpus > 0 {
        parts.push(format!("{} GPU", capacity.gpus));
    }
    parts.join(", ")
}

/// CPUs with a decimal where it matters.
#[must_use]
pub(super) fn cpus(millis: i64) -> String {
    if millis % 1000 == 0 || millis >= 10_000 { (millis / 1000).to_string() } else { format!("{:.1}", millis as f64 / 1000.0) }
}

/// `512 MiB`, `14.4 GiB`
#[must_use]
pub(super) fn gib(mib: i64) -> String {
    match mib {
        ..1024 => format!("{mib} MiB"),
        mib if mib % 1024 == 0 || mib >= 100 * 1024 => format!("{} GiB", mib / 1024),
        mib => format!("{:.1} GiB", mib as f64 / 1024.0),
    }
}

/// What EKS has, and the form that attaches one.
///
/// # Errors
/// Those of [`clusters::found`].
pub async fn find(ctx: &Ctx, typed: Typed) -> Result<Page> {
    let found = clusters::found(ctx).await?;
    let accounts = accounts::list(ctx, &PageQuery { page_size: Some(100), ..PageQuery::default() }).await?.items;
    let answer = typed.answer();
    Ok(Page::new("Attach a cluster", Nav::Clusters, move || {
        let head = view! {
            <div class="head"><div>
                <div class="crumbs"><a href="/clusters">"Clusters"</a></div>
                <h1>"Attach a cluster"</h1>
                <p class="muted">"Attaching touches nothing in the cluster: Slipway looks at it and says what it lacks."</p>
            </div></div>
        };
        if accounts.is_empty() {
            return view! {
                {head}
                <EmptyState title="Add an AWS account first" text="Slipway looks for clusters in the accounts and regions it works in."><a class="button primary" href="/accounts">"Accounts"</a></EmptyState>
            }
            .into_any();
        }
        let names: Vec<(String, String)> = accounts.iter().map(|account| (account.name.clone(), account.name.clone())).collect();
        let region = accounts.first().and_then(|account| account.regions.first()).cloned().unwrap_or_default();
        view! {
            {head}
            <FormRejection typed=typed.clone()/>
            <Found found/>
            <section class="card" id="new"><header><h2>"Attach by name"</h2></header><form class="in" method="post" action=here()>
                <Once/>
                <Choice name="account" label="Account" typed=typed.clone() options=names/>
                <Field name="region" label="Region" typed=typed.clone() value=region/>
                <Field name="eks_name" label="Name in EKS" typed=typed.clone() autocomplete="off"/>
                <Field name="name" label="Name here" typed=typed.clone() hint="Lower-case letters, digits and dashes; the name in EKS, when left empty." autocomplete="off"/>
                <div class="row"><button class="primary" name="do" value=buttons::FindClusters::Attach.word()>"Attach cluster"</button></div>
            </form></section>
        }
        .into_any()
    })
    .answer(answer))
}

#[component]
fn Found(found: FoundClusters) -> impl IntoView {
    let unseen = found.unseen.into_iter().map(|unseen| view! { <Unseen unseen/> }).collect_view();
    let empty = found.clusters.is_empty();
    let rows = found.clusters.into_iter().map(|cluster| view! { <FoundRow cluster/> }).collect_view();
    view! {
        {unseen}
        <section class="card">
            <header><h2>"What EKS has"</h2></header>
            {if empty {
                view! { <div class="in"><p class="muted">"No cluster was found in the accounts and regions that could be looked into."</p></div> }.into_any()
            } else {
                view! {
                    <Table label="Clusters that EKS has">
                        <thead><tr><th scope="col">"Name in EKS"</th><th scope="col">"Region"</th><th scope="col" class="extra">"Account"</th><th scope="col"><span class="hidden">"Attach"</span></th></tr></thead>
                        <tbody>{rows}</tbody>
                    </Table>
                }
                .into_any()
            }}
        </section>
    }
}

#[component]
fn FoundRow(cluster: FoundCluster) -> impl IntoView {
    let FoundCluster { account_name, region, eks_name, attached, .. } = cluster;
    let act = match attached {
        Some(id) => view! { <a href=format!("/clusters/{id}")>"Attached"</a> }.into_any(),
        None => view! {
            <form method="post" action=here()>
                <Once/>
                <input type="hidden" name="account" value=account_name.clone()/>
                <input type="hidden" name="region" value=region.clone()/>
                <input type="hidden" name="eks_name" value=eks_name.clone()/>
                <button name="do" value=buttons::FindClusters::Attach.word() aria-label=format!("Attach {eks_name}")>"Attach"</button>
            </form>
        }
        .into_any(),
    };
    view! { <tr><td>{eks_name.clone()}</td><td>{region.clone()}</td><td class="extra">{account_name.clone()}</td><td class="n">{act}</td></tr> }
}

#[component]
fn Unseen(unseen: UnseenRegion) -> impl IntoView {
    let UnseenRegion { account, account_name, region, message, raw } = unseen;
    view! {
        <Notice tone=Tone::Warn title=format!("Slipway could not look into {region} of {account_name}")>
            <p>{message}" "<a href=format!("/accounts/{account}")>"Look at the account"</a></p>
            {raw.map(|raw| view! { <Raw title="What was said" text=raw/> })}
        </Notice>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_is_said_as_people_say_it() {
        assert_eq!(capacity(Capacity { cpu_millis: 3920, memory_mib: 14_792, gpus: 1, pods: 58 }), "3.9 CPU, 14.4 GiB, 1 GPU");
        assert_eq!(capacity(Capacity { cpu_millis: 48_500, memory_mib: 196_608, gpus: 0, pods: 58 }), "48 CPU, 192 GiB");
        assert_eq!(gib(512), "512 MiB");
    }
}
