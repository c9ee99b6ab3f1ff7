//! A cluster's nodes: as a picture by zones, and as a list.

use std::collections::HashMap;

use control::clusters::Placed;
use domain::{
    Timestamp,
    cluster::Node,
    ids::ClusterId,
    page::{Direction, Page as Rows, PageQuery},
    state::Tone,
};
use leptos::prelude::*;

use super::super::{clusters::capacity, replica::status};
use crate::components::{
    list::{Asked, NoMatch, Pager, Search, SortBy},
    map::{ClusterMap, MapLegend, MapNode, MapPod, PodLook},
    status::Status,
    table::Table,
    when::Ago,
};

/// How nodes were seen: how they are now is known of a connected cluster only.
#[derive(Clone, Copy)]
pub(super) struct Sight {
    pub fresh: bool,
    pub at: Option<Timestamp>,
}

/// Says how old it is.
#[component]
fn AsSeen(seen: Sight) -> impl IntoView {
    seen.at.filter(|_| !seen.fresh).map(|at| view! { <span class="small muted">"as it was seen "<Ago at/></span> })
}

/// Zones, nodes and our replicas on them.
#[component]
pub(super) fn Picture(nodes: Vec<Node>, replicas: Vec<Placed>, total: i64, seen: Sight) -> impl IntoView {
    let mut on: HashMap<String, Vec<MapPod>> = HashMap::new();
    for replica in replicas {
        let look = PodLook::from(status(replica.ready, replica.reason.as_deref(), replica.restarts).0);
        on.entry(replica.node).or_default().push(MapPod { name: replica.name, look });
    }
    let drawn = i64::try_from(nodes.len()).unwrap_or(i64::MAX);
    let more = (total > drawn).then(|| format!("The first {drawn} of {total} nodes are drawn; the list below has all."));
    let empty = nodes.is_empty();
    let nodes: Vec<MapNode> = nodes
        .into_iter()
        .map(|node| {
            let pods = on.remove(&node.name).unwrap_or_default();
            let away = match (node.ready, node.schedulable) {
                (false, _) => Some(node.message.clone().unwrap_or_else(|| "not ready".into())),
                (true, false) => Some("takes no new pods".into()),
                (true, true) => None,
            };
            MapNode { away, pods, ..MapNode::from(node) }
        })
        .collect();
    (!empty).then(|| {
        view! {
            <section class="card">
                <header><h2>{if seen.fresh { "Where replicas run" } else { "Where replicas ran" }}</h2><AsSeen seen/></header>
                <div class="in"><ClusterMap nodes/><MapLegend/>{more.map(|more| view! { <p class="small muted">{more}</p> })}</div>
            </section>
        }
    })
}

/// The nodes, to search and sort.
#[component]
pub(super) fn NodeList(id: ClusterId, nodes: Rows<Node>, query: PageQuery, seen: Sight) -> impl IntoView {
    let asked = Asked::new(format!("/clusters/{id}"), &query);
    let narrowed = asked.is_narrowed();
    let empty = nodes.items.is_empty();
    let rows = nodes.items.into_iter().map(|node| view! { <Row node seen/> }).collect_view();
    (!empty || narrowed).then(|| {
        let name = view! { <SortBy asked=asked.clone() field="name" label="Name" default=Direction::Ascending/> };
        let rest = view! {
            <SortBy asked=asked.clone() field="zone" label="Zone"/>
            <SortBy asked=asked.clone() field="instance_type" label="Type" class="extra"/>
            <SortBy asked=asked.clone() field="created_at" label="Joined" first=Direction::Descending class="extra"/>
        };
        let none = empty.then(|| view! { <NoMatch asked=asked.clone() columns="5"/> });
        view! {
            <section class="card" id="nodes">
                <header><h2>"Nodes"</h2><AsSeen seen/></header>
                <Search asked=asked.clone() placeholder="Search by name, zone, type or node group"/>
                <Table label="Nodes">
                    <thead><tr>
                        {name}<th scope="col">"Status"</th>{rest}
                    </tr></thead>
                    <tbody>{rows}{none}</tbody>
                </Table>
                <Pager asked=asked.clone() next=nodes.next_page_token/>
            </section>
        }
    })
}

#[component]
fn Row(node: Node, seen: Sight) -> impl IntoView {
    let (tone, word) = match (node.ready, node.schedulable) {
        (true, true) if seen.fresh => (Tone::Good, "Ready"),
        (true, true) => (Tone::Idle, "Was ready"),
        (true, false) => (Tone::Idle, "Cordoned"),
        (false, _) if seen.fresh => (Tone::Bad, "Not ready"),
        (false, _) => (Tone::Idle, "Was not ready"),
    };
    view! {
        <tr>
            <td>{node.name}<br/><span class="small muted">{capacity(node.allocatable)}", "{node.allocatable.pods}" pods"</span></td>
            <td><Status tone word/>{node.message.map(|message| view! { <br/><span class="small muted">{message}</span> })}</td>
            <td>{node.zone}</td>
            <td class="extra">{node.instance_type}<br/><span class="small muted">{node.node_group}</span></td>
            <td class="extra"><Ago at=node.created_at/><br/><span class="small muted">{node.kubelet_version}</span></td>
        </tr>
    }
}
