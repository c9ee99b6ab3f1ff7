//! Where it runs: zones, nodes, replicas, and the last words of those in trouble.

use std::collections::{BTreeMap, BTreeSet};

use control::deployments::Place;
use domain::deployment::{Deployment, LastExit, Pod};
use leptos::prelude::*;

use super::super::replica::{is_stopping, status};
use crate::components::{
    code::CopyBlock,
    map::{ClusterMap, MapLegend, MapNode, MapPod, PodLook, short_name},
    status::Status,
    table::Table,
    when::Ago,
};

/// The map and the table of replicas.
#[component]
pub fn WhereItRuns(deployment: Deployment, place: Place) -> impl IntoView {
    let seen = deployment.synced_at.map(|at| view! { <span class="small muted">"seen "<Ago at/></span> });
    let more = place.more;
    let others = place.nodes.iter().any(|node| node.others > 0);
    let spread = spread(&deployment.pods);
    let nodes = nodes(place, &deployment.pods);
    let map = if nodes.is_empty() {
        view! { <p class="muted">"No node of the cluster was seen yet."</p> }.into_any()
    } else {
        view! { <ClusterMap nodes/><MapLegend others/> }.into_any()
    };
    let more = (more > 0).then(|| view! { <p class="small muted">{format!("{more} more nodes have none of its replicas.")}</p> });
    let rows = deployment.pods.iter().map(|pod| view! { <Row pod=pod.clone() wanted=deployment.summary.revision/> }).collect_view();
    let table = if deployment.pods.is_empty() {
        view! { <div class="in"><p class="muted">"No replica yet."</p></div> }.into_any()
    } else {
        view! {
            <Table label="Replicas">
                <thead><tr><th scope="col">"Replica"</th><th scope="col">"Status"</th><th scope="col" class="extra">"Node"</th><th scope="col" class="n extra">"Restarts"</th><th scope="col">"Since"</th></tr></thead>
                <tbody>{rows}</tbody>
            </Table>
        }
        .into_any()
    };
    let words = deployment.pods.iter().filter(|pod| !pod.ready).filter_map(|pod| pod.last_exit.clone().map(|exit| (pod.name.clone(), exit))).next();
    view! {
        <section class="card" id="place">
            <header><h2>"Where it runs"</h2>{seen}</header>
            <div class="in">{map}{spread.map(|spread| view! { <p class="small muted">{spread}</p> })}{more}</div>
            {table}
            {words.map(|(pod, exit)| view! { <LastWords pod exit/> })}
        </section>
    }
}

/// What an outage of a zone would mean.
fn spread(pods: &[Pod]) -> Option<&'static str> {
    let ready: Vec<&Pod> = pods.iter().filter(|pod| pod.ready && !is_stopping(pod.reason.as_deref())).collect();
    let zones: BTreeSet<&str> = ready.iter().filter_map(|pod| pod.zone.as_deref()).collect();
    match (ready.len(), zones.len()) {
        (0, _) => None,
        (1, _) => Some("One replica answers: while it is away, nobody does."),
        (_, 0 | 1) => Some("All replicas that answer are in one zone: without it, nobody does."),
        _ => Some("One zone can fail without an outage."),
    }
}

fn nodes(place: Place, pods: &[Pod]) -> Vec<MapNode> {
    let mut by_node: BTreeMap<&str, Vec<MapPod>> = BTreeMap::new();
    for pod in pods {
        if let Some(node) = pod.node.as_deref() {
            by_node.entry(node).or_default().push(MapPod { name: pod.name.clone(), look: PodLook::from(status(pod.ready, pod.reason.as_deref(), pod.restarts).0) });
        }
    }
    place
        .nodes
        .into_iter()
        .map(|node| {
            let pods = by_node.remove(node.name.as_str()).unwrap_or_default();
            MapNode { away: (!node.open).then(|| "takes no pods".into()), pods, others: node.others, name: node.name, zone: node.zone, instance_type: node.instance_type }
        })
        .collect()
}

#[component]
fn Row(pod: Pod, wanted: i32) -> impl IntoView {
    let (tone, word) = status(pod.ready, pod.reason.as_deref(), pod.restarts);
    let older = (pod.revision != wanted).then(|| view! { " "<span class="tag">{format!("revision {}", pod.revision)}</span> });
    let place = match (&pod.node, &pod.zone) {
        (Some(node), Some(zone)) => view! { <span class="whole" title=node.clone()>{short_name(node)}</span><br/><span class="small muted">{zone.clone()}</span> }.into_any(),
        (Some(node), None) => view! { <span class="whole" title=node.clone()>{short_name(node)}</span> }.into_any(),
        (None, _) => view! { <span class="muted">"none yet"</span> }.into_any(),
    };
    // Of a back-off Kubernetes only repeats which container it is; what it ended with stands below.
    let told = !pod.ready && pod.reason.as_deref() != Some("CrashLoopBackOff");
    let message = pod.message.filter(|_| told).map(|message| view! { <br/><span class="small muted">{message}</span> });
    view! {
        <tr>
            <td><code>{pod.name}</code>{older}</td>
            <td><Status tone word/>{message}</td>
            <td class="extra">{place}</td>
            <td class="n extra">{pod.restarts}</td>
            <td><Ago at=pod.created_at/></td>
        </tr>
    }
}

#[component]
fn LastWords(pod: String, exit: LastExit) -> impl IntoView {
    let how = format!("{pod} ended with {}, exit code {}", exit.reason, exit.exit_code);
    let words = match exit.last_words.filter(|words| !words.trim().is_empty()) {
        Some(words) => view! { <CopyBlock id="last-words" label="the container's last words" text=words/> }.into_any(),
        None => view! { <p class="muted">"It said nothing before that."</p> }.into_any(),
    };
    view! {
        <div class="in words"><h3>"Last words of the container"</h3><p class="small muted">{how}</p>{words}</div>
    }
}
