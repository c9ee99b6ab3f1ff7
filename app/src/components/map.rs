//! A cluster as people would rather see it: zones, nodes and pods.

use std::collections::BTreeMap;

use domain::{cluster::Node, state::Tone};
use leptos::prelude::*;

/// A node with what runs on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapNode {
    pub name: String,
    pub zone: Option<String>,
    pub instance_type: Option<String>,
    /// Why it takes no pods, when it does not.
    pub away: Option<String>,
    pub pods: Vec<MapPod>,
    /// Pods of others.
    pub others: i64,
}

/// A replica of what the map is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapPod {
    pub name: String,
    pub look: PodLook,
}

/// How a replica is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodLook {
    Ready,
    Rising,
    Ill,
    /// On its way out.
    Stopping,
}

impl From<Tone> for PodLook {
    fn from(tone: Tone) -> Self {
        match tone {
            Tone::Idle => Self::Stopping,
            Tone::Good => Self::Ready,
            Tone::Busy => Self::Rising,
            Tone::Warn | Tone::Bad => Self::Ill,
        }
    }
}

impl PodLook {
    fn class(self) -> &'static str {
        match self {
            Self::Ready => "pod ours",
            Self::Rising => "pod ours rising",
            Self::Ill => "pod ill",
            Self::Stopping => "pod ours stopping",
        }
    }
}

impl From<Node> for MapNode {
    fn from(node: Node) -> Self {
        let away = (!node.ready).then(|| node.message.clone().unwrap_or_else(|| "not ready".into())).or_else(|| node.message.clone());
        Self { name: node.name, zone: node.zone, instance_type: node.instance_type, away, pods: Vec::new(), others: 0 }
    }
}

/// Zones side by side, their nodes, and the replicas in the accent colour.
#[component]
pub fn ClusterMap(nodes: Vec<MapNode>) -> impl IntoView {
    let mut zones: BTreeMap<String, Vec<MapNode>> = BTreeMap::new();
    for node in nodes {
        zones.entry(node.zone.clone().unwrap_or_else(|| "No zone".into())).or_default().push(node);
    }
    let zones = zones
        .into_iter()
        .map(|(zone, nodes)| {
            let nodes = nodes.into_iter().map(|node| view! { <OneNode node/> }).collect_view();
            view! { <li class="zone"><h3>{zone}</h3><ul>{nodes}</ul></li> }
        })
        .collect_view();
    view! { <ul class="map">{zones}</ul> }
}

/// What the squares mean.
#[component]
pub fn MapLegend(#[prop(default = false)] others: bool) -> impl IntoView {
    let square = |class: &'static str| view! { <svg viewBox="0 0 11 11" aria-hidden="true"><rect class=class x="1" y="1" width="9" height="9" rx="2"></rect></svg> };
    view! {
        <p class="legend">
            <span>{square("pod ours")}"ready"</span>
            <span>{square("pod ours rising")}"starting"</span>
            <span>{square("pod ill")}"in trouble"</span>
            {others.then(|| view! { <span>{square("pod")}"other pods"</span> })}
        </p>
    }
}

#[component]
fn OneNode(node: MapNode) -> impl IntoView {
    const PER_ROW: usize = 8;
    let others = usize::try_from(node.others).unwrap_or_default().min(64);
    let count = node.pods.len() + others;
    let rows = count.div_ceil(PER_ROW).max(1);
    let place = |at: usize| ((at % PER_ROW * 15).to_string(), (at / PER_ROW * 15).to_string());
    let ours = node
        .pods
        .iter()
        .enumerate()
        .map(|(at, pod)| {
            let (x, y) = place(at);
            view! { <rect class=pod.look.class() x=x y=y width="11" height="11" rx="2.5"><title>{pod.name.clone()}</title></rect> }
        })
        .collect_view();
    let rest = (node.pods.len()..count)
        .map(|at| {
            let (x, y) = place(at);
            view! { <rect class="pod" x=x y=y width="11" height="11" rx="2.5"></rect> }
        })
        .collect_view();
    let says = match node.pods.len() {
        0 => "no replica".to_owned(),
        1 => "1 replica".to_owned(),
        more => format!("{more} replicas"),
    };
    let (kind, short) = (node.instance_type.clone().unwrap_or_default(), short_name(&node.name));
    let whole = (short != node.name).then(|| view! { <span class="hidden">{node.name.clone()}</span> });
    let (away, width) = (node.away.is_some(), PER_ROW * 15 - 2);
    view! {
        <li class="node" class:away=away>
            <div title=node.name.clone()><strong aria-hidden=whole.is_some().then_some("true")>{short}</strong>{whole}<span>{kind}</span></div>
            <svg width=width.to_string() viewBox=format!("-1 -1 {width} {}", rows * 15 - 2) role="img" aria-label=says>{ours}{rest}</svg>
            {node.away.map(|why| view! { <span class="muted">{why}</span> })}
        </li>
    }
}

/// `ip-10-0-1-7.ec2.internal` is told apart by its first label.
#[must_use]
pub fn short_name(name: &str) -> String {
    name.split('.').next().unwrap_or(name).to_owned()
}
