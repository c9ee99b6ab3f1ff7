//! What is kept of the objects a watch shows: pure functions from Kubernetes' objects to rows.

use std::marker::PhantomData;

use domain::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{ContainerStateTerminated, ContainerStatus, LimitRange, Namespace, Node, NodeCondition, Pod, ResourceQuota, Service, ServiceAccount},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
        rbac::v1::RoleBinding,
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{ObjectMeta, Time},
    },
};
use kube::{Resource, ResourceExt as _};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    inventory::cluster::generation,
    k8s::{
        fields::{self, Held},
        labels,
        logs::{self, Container},
        text,
    },
};

/// What kubectl, too, says of a pod that was told to end.
const TERMINATING: &str = "Terminating";
/// Text longer than this is cut.
const MAX_WORDS: usize = 4096;

/// A row of `observed_nodes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct NodeRow {
    pub name: String,
    pub zone: Option<String>,
    pub instance_type: Option<String>,
    pub node_group: Option<String>,
    pub ready: bool,
    pub schedulable: bool,
    pub message: Option<String>,
    pub cpu_millis: i64,
    pub memory_mib: i64,
    pub gpus: i64,
    pub pods: i64,
    pub kubelet_version: String,
    pub created_at: Timestamp,
}

/// What a watch tells of a Deployment, for `observed_deployments`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct DeploymentRow {
    pub namespace: String,
    pub name: String,
    pub deployment_id: Uuid,
    pub uid: String,
    pub resource_version: String,
    pub installation: String,
    pub slipway_generation: i64,
    pub revision: i32,
    pub observed_by_controller: bool,
    pub asked_replicas: Option<i32>,
    pub replicas: i32,
    pub updated_replicas: i32,
    pub ready_replicas: i32,
    pub available_replicas: i32,
    pub stalled: Option<String>,
    pub paused: bool,
    #[serde(flatten)]
    pub held: Held,
}

/// A row of `observed_pods`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct PodRow {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub deployment_id: Uuid,
    pub revision: i32,
    pub node: Option<String>,
    pub phase: String,
    pub ready: bool,
    pub terminating: bool,
    pub restarts: i32,
    pub reason: Option<String>,
    pub message: Option<String>,
    pub last_exit: Option<LastExit>,
    /// Where its last words are, when the pod does not carry them itself.
    #[serde(skip)]
    pub words_from: Container,
    pub created_at: Timestamp,
}

/// A kind of object that deployments and workspaces consist of. What counts is whether each is there as it was made.
pub(super) trait Piece: Resource<DynamicType = ()> + Serialize + Send + Sync + 'static {
    /// As Kubernetes writes it in addresses.
    const PLURAL: &'static str;
}

macro_rules! pieces {
    ($($kind:ident $plural:literal),+ $(,)?) => {$(
        impl Piece for $kind {
            const PLURAL: &'static str = $plural;
        }
    )+};
}

pieces! {
    Service "services",
    ServiceAccount "serviceaccounts",
    PodDisruptionBudget "poddisruptionbudgets",
    Namespace "namespaces",
    ResourceQuota "resourcequotas",
    LimitRange "limitranges",
    NetworkPolicy "networkpolicies",
    RoleBinding "rolebindings",
}

/// An object that is there. It has no table: what counts is that one is missing, or not as it was made.
#[derive(Clone, Debug, Serialize)]
#[serde(bound = "")]
pub(super) struct PieceRow<K> {
    pub namespace: String,
    pub name: String,
    /// Which it says it is of.
    pub generation: Option<i64>,
    #[serde(flatten)]
    pub held: Held,
    #[serde(skip)]
    of: PhantomData<fn() -> K>,
}

/// How the model's container ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LastExit {
    pub reason: String,
    pub exit_code: i32,
    pub last_words: Option<String>,
    pub finished_at: Option<Timestamp>,
}

pub(super) fn piece<K: Piece>(object: &K) -> Option<PieceRow<K>> {
    let there = || PieceRow {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        generation: generation(object.meta()),
        held: fields::held(object),
        of: PhantomData,
    };
    object.meta().deletion_timestamp.is_none().then(there)
}

pub(super) fn node(node: &Node) -> NodeRow {
    let label = |name: &str| node.labels().get(name).cloned();
    let status = node.status.as_ref();
    let allocatable = status.and_then(|status| status.allocatable.as_ref());
    let quantity = |name: &str, unit: fn(&Quantity) -> Option<i128>| allocatable.and_then(|all| all.get(name)).and_then(unit).and_then(|n| i64::try_from(n).ok()).unwrap_or(0);
    let condition = status.and_then(|status| status.conditions.as_ref()).and_then(|all| all.iter().find(|condition| condition.type_ == "Ready"));
    let ready = condition.is_some_and(|condition| condition.status == "True");
    NodeRow {
        name: node.name_any(),
        zone: label("topology.kubernetes.io/zone"),
        instance_type: label("node.kubernetes.io/instance-type"),
        node_group: label("eks.amazonaws.com/nodegroup"),
        ready,
        schedulable: !node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false),
        message: if ready { None } else { Some(why_not_ready(condition)) },
        cpu_millis: quantity("cpu", millis),
        memory_mib: quantity("memory", |quantity| whole(quantity).map(|bytes| bytes / (1 << 20))),
        gpus: quantity("nvidia.com/gpu", whole),
        pods: quantity("pods", whole),
        kubelet_version: status.and_then(|status| status.node_info.as_ref()).map(|info| info.kubelet_version.clone()).unwrap_or_default(),
        created_at: created(&node.metadata),
    }
}

fn why_not_ready(condition: Option<&NodeCondition>) -> String {
    match condition {
        None => "The node has not reported yet.".into(),
        Some(condition) if condition.status == "Unknown" => "The node stopped reporting.".into(),
        Some(condition) => condition.message.clone().filter(|message| !message.is_empty()).or_else(|| condition.reason.clone()).unwrap_or_else(|| "The node is not ready.".into()),
    }
}

/// None when it does not say which of our deployments it is.
pub(super) fn deployment(object: &Deployment) -> Option<DeploymentRow> {
    let annotation = |name: &str| object.annotations().get(name);
    let status = object.status.clone().unwrap_or_default();
    let stalled = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| (condition.type_ == "Progressing" && condition.status == "False") || (condition.type_ == "ReplicaFailure" && condition.status == "True"))
        .map(|condition| condition.message.clone().or_else(|| condition.reason.clone()).unwrap_or_else(|| condition.type_.clone()));
    Some(DeploymentRow {
        namespace: object.namespace()?,
        name: object.name_any(),
        deployment_id: object.labels().get(labels::DEPLOYMENT)?.parse().ok()?,
        uid: object.uid()?,
        resource_version: object.resource_version()?,
        installation: annotation(labels::INSTALLATION).cloned().unwrap_or_default(),
        slipway_generation: annotation(labels::GENERATION).and_then(|text| text.parse().ok()).unwrap_or(0),
        revision: annotation(labels::REVISION).and_then(|text| text.parse().ok()).unwrap_or(0),
        observed_by_controller: status.observed_generation.is_some_and(|seen| Some(seen) >= object.metadata.generation),
        asked_replicas: object.spec.as_ref().and_then(|spec| spec.replicas),
        replicas: status.replicas.unwrap_or(0),
        updated_replicas: status.updated_replicas.unwrap_or(0),
        ready_replicas: status.ready_replicas.unwrap_or(0),
        available_replicas: status.available_replicas.unwrap_or(0),
        stalled: stalled.map(clean),
        paused: object.spec.as_ref().and_then(|spec| spec.paused).unwrap_or(false),
        held: fields::held(object),
    })
}

/// None when it does not say which of our deployments it belongs to.
pub(super) fn pod(object: &Pod) -> Option<PodRow> {
    let status = object.status.as_ref();
    let statuses = || status.and_then(|status| status.container_statuses.as_ref()).into_iter().flatten();
    let model = statuses().find(|container| container.name == labels::MODEL_CONTAINER).or_else(|| statuses().next());
    let terminating = object.metadata.deletion_timestamp.is_some();
    // How a container ends that was told to is no trouble, and its words are no last words.
    let (reason, message) = if terminating { (Some(TERMINATING.to_owned()), None) } else { trouble(object, model) };
    let condition = |wanted: &str| status.and_then(|status| status.conditions.as_ref()).and_then(|all| all.iter().find(|condition| condition.type_ == wanted));
    Some(PodRow {
        namespace: object.namespace()?,
        name: object.name_any(),
        uid: object.uid()?,
        deployment_id: object.labels().get(labels::DEPLOYMENT)?.parse().ok()?,
        revision: object.labels().get(labels::REVISION).and_then(|text| text.parse().ok()).unwrap_or(0),
        node: object.spec.as_ref().and_then(|spec| spec.node_name.clone()).filter(|node| !node.is_empty()),
        phase: status.and_then(|status| status.phase.clone()).unwrap_or_else(|| "Pending".into()),
        ready: condition("Ready").is_some_and(|condition| condition.status == "True"),
        terminating,
        restarts: model.map_or(0, |container| container.restart_count),
        reason: reason.map(clean),
        message: message.map(clean),
        last_exit: model.filter(|_| !terminating).and_then(last_exit),
        words_from: if model.and_then(|container| container.state.as_ref()).is_some_and(|state| state.terminated.is_some()) { Container::Now } else { Container::Before },
        created_at: created(&object.metadata),
    })
}

/// What is the matter with a pod, as Kubernetes words it: short, and at length.
fn trouble(pod: &Pod, model: Option<&ContainerStatus>) -> (Option<String>, Option<String>) {
    let status = pod.status.as_ref();
    if let Some(reason) = status.and_then(|status| status.reason.clone()) {
        return (Some(reason), status.and_then(|status| status.message.clone()));
    }
    let state = model.and_then(|container| container.state.as_ref());
    if let Some(waiting) = state.and_then(|state| state.waiting.as_ref())
        && let Some(reason) = waiting.reason.clone().filter(|reason| reason != "ContainerCreating" && reason != "PodInitializing")
    {
        return (Some(reason), waiting.message.clone());
    }
    if let Some(ended) = state.and_then(|state| state.terminated.as_ref()) {
        return (ended.reason.clone().or_else(|| Some("Terminated".into())), Some(format!("The container ended with exit code {}.", ended.exit_code)));
    }
    let unscheduled =
        status.and_then(|status| status.conditions.as_ref()).and_then(|all| all.iter().find(|condition| condition.type_ == "PodScheduled" && condition.status == "False"));
    if let Some(condition) = unscheduled {
        return (condition.reason.clone(), condition.message.clone());
    }
    (None, None)
}

/// The container's end: the present one when it lies still, else the one before its last start.
fn last_exit(container: &ContainerStatus) -> Option<LastExit> {
    let ended = |state: &Option<k8s_openapi::api::core::v1::ContainerState>| state.as_ref().and_then(|state| state.terminated.clone());
    let terminated: ContainerStateTerminated = ended(&container.state).or_else(|| ended(&container.last_state))?;
    Some(LastExit {
        reason: clean(terminated.reason.unwrap_or_else(|| "Terminated".into())),
        exit_code: terminated.exit_code,
        last_words: terminated.message.and_then(|text| logs::end(&text, MAX_WORDS)),
        finished_at: terminated.finished_at.as_ref().map(timestamp),
    })
}

fn clean(text: String) -> String {
    text::clean(text, MAX_WORDS)
}

fn created(metadata: &ObjectMeta) -> Timestamp {
    metadata.creation_timestamp.as_ref().map_or_else(crate::clock::now, timestamp)
}

fn timestamp(time: &Time) -> Timestamp {
    let moment = time::OffsetDateTime::from_unix_timestamp_nanos(time.0.as_nanosecond()).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    Timestamp(moment)
}

fn millis(quantity: &Quantity) -> Option<i128> {
    scaled(&quantity.0, 1000)
}

fn whole(quantity: &Quantity) -> Option<i128> {
    scaled(&quantity.0, 1)
}

/// A quantity times `by`, rounded down: `1500m`, `16Gi`, `1e3`, `0.5`. See <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.
fn scaled(text: &str, by: i128) -> Option<i128> {
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '+' || c == '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let value: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (up, down): (i128, i128) = match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "k" => (1000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        exponent => match exponent.strip_prefix(['e', 'E'])?.parse::<i32>().ok()? {
            power @ 0..=18 => (10i128.pow(power.unsigned_abs()), 1),
            power @ -18..=-1 => (1, 10i128.pow(power.unsigned_abs())),
            _ => return None,
        },
    };
    let places = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Some(value.checked_mul(up)?.checked_mul(by)?.div_euclid(down.checked_mul(places)?))
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
