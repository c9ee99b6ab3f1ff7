//! Managed node groups: instances in EC2 that become nodes of the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Call, clusters, entries, failed, instances, nodes};
use crate::answer::AwsError;
use crate::clusters::{GroupState, NodeGroupRecord, Progress};
use crate::instance_types::capacity;
use crate::planes_api::{NodeKind, PlaneStatus, Taint};
use crate::sandbox::Sandbox;

/// The tag that asks for real nodes, which only one machine's worth of can run.
pub const KIND_TAG: &str = "sandbox:nodes";

/// The size of a group that asks for none.
const DEFAULT_SIZE: i64 = 2;

/// What EKS refuses in a CreateNodegroup.
///
/// # Errors
/// EKS's refusal.
pub fn check_create(call: &Call<'_>) -> Result<(), AwsError> {
    let name = call.body["nodegroupName"].as_str().unwrap_or_default();
    if let Some(record) = clusters::record(call) {
        if record.node_groups.contains_key(name) {
            return Err(AwsError::in_use(format!("NodeGroup already exists with name {name} and cluster name {}", call.route.cluster)));
        }
        if call.sandbox.planes.status(&call.route.cluster) != PlaneStatus::Active {
            return Err(AwsError::invalid_request(format!("Cluster '{}' is not in ACTIVE status", call.route.cluster)));
        }
    }
    for instance_type in strings(&call.body["instanceTypes"]) {
        if capacity(&instance_type).is_none() {
            return Err(AwsError::invalid_parameter(format!("The instance type {instance_type} is not known to the sandbox")));
        }
    }
    check_kind(call)?;
    check_scaling(&call.body["scalingConfig"])
}

fn check_kind(call: &Call<'_>) -> Result<(), AwsError> {
    let most = call.body["scalingConfig"]["desiredSize"].as_i64().unwrap_or(DEFAULT_SIZE);
    match call.body["tags"][KIND_TAG].as_str() {
        Some("real") if most > 1 => Err(AwsError::invalid_parameter(format!("a machine can be one real node, and {most} were asked for"))),
        None | Some("simulated" | "real") => Ok(()),
        Some(other) => Err(AwsError::invalid_parameter(format!("the tag {KIND_TAG} is either real or simulated, not {other}"))),
    }
}

fn check_scaling(scaling: &Value) -> Result<(), AwsError> {
    let (min, desired, max) = (scaling["minSize"].as_i64(), scaling["desiredSize"].as_i64(), scaling["maxSize"].as_i64());
    if let (Some(min), Some(desired)) = (min, desired)
        && desired < min
    {
        return Err(AwsError::invalid_parameter(format!("desired capacity {desired} can't be less than min size {min}")));
    }
    if let (Some(desired), Some(max)) = (desired, max)
        && desired > max
    {
        return Err(AwsError::invalid_parameter(format!("desired capacity {desired} can't be greater than max size {max}")));
    }
    Ok(())
}

/// What EKS refuses in an UpdateNodegroupConfig.
///
/// # Errors
/// EKS's refusal.
pub fn check_update(call: &Call<'_>) -> Result<(), AwsError> {
    check_scaling(&call.body["scalingConfig"])?;
    check_idle(call)
}

/// Refuses to touch a group whose nodes are just starting or stopping.
///
/// # Errors
/// EKS's refusal.
pub fn check_idle(call: &Call<'_>) -> Result<(), AwsError> {
    match clusters::record(call).and_then(|record| record.node_groups.get(&call.route.item).map(|group| group.state.clone())) {
        Some(GroupState::Creating | GroupState::Updating | GroupState::Deleting) => {
            Err(AwsError::in_use(format!("Nodegroup {} cannot be changed as it is currently not in Active State", call.route.item)))
        }
        _ => Ok(()),
    }
}

/// Starts the nodes of a group that the emulator just recorded.
///
/// # Errors
/// When its subnets or role do not exist; the emulator's record is taken back then.
pub async fn created(call: &Call<'_>, answer: &mut Value) -> Result<(), AwsError> {
    let sandbox = call.sandbox;
    let described = &answer["nodegroup"];
    let Some(name) = described["nodegroupName"].as_str().map(str::to_owned) else { return Ok(()) };
    let cluster = call.route.cluster.clone();
    let group = NodeGroupRecord {
        version: described["version"].as_str().unwrap_or_default().to_owned(),
        kind: if described["tags"][KIND_TAG] == "real" { NodeKind::Real } else { NodeKind::Simulated },
        instances: Vec::new(),
        role_arn: described["nodeRole"].as_str().unwrap_or_default().to_owned(),
        labels: labels(&name, described),
        taints: taints(&described["taints"]),
        instance_types: strings(&described["instanceTypes"]),
        subnets: strings(&described["subnets"]),
        instance_profile: format!("eks-{cluster}-{name}").chars().take(128).collect(),
        auto_scaling_group: described["resources"]["autoScalingGroups"][0]["name"].as_str().unwrap_or_default().to_owned(),
        state: GroupState::Creating,
        deleting: None,
    };
    let count = described["scalingConfig"]["desiredSize"].as_u64().unwrap_or(1);
    if let Err(error) = prepare(call, &group).await {
        let path = format!("/clusters/{}/node-groups/{}", super::wishes::encode(&cluster), super::wishes::encode(&name));
        sandbox.cloud.rest("eks", &call.region, http::Method::DELETE, &path, None).await.map_err(failed)?;
        return Err(error);
    }
    sandbox.book.change(|entries| {
        if let Some(record) = entries.clusters.get_mut(&cluster) {
            record.node_groups.insert(name.clone(), group);
        }
    });
    complete(sandbox, &mut answer["nodegroup"]);
    let sandbox = Arc::clone(sandbox);
    tokio::spawn(async move {
        let state = match nodes::grow(&sandbox, &cluster, &name, usize::try_from(count).unwrap_or(usize::MAX)).await {
            Ok(()) => GroupState::Active,
            Err(error) => {
                tracing::error!(cluster, group = name, error = format!("{error:#}"), "the node group could not be created");
                GroupState::CreateFailed(format!("{error:#}"))
            }
        };
        nodes::set_state(&sandbox, &cluster, &name, state);
    });
    Ok(())
}

/// What has to be in place before the first instance: known subnets, the role in a profile, and the role's right to join.
async fn prepare(call: &Call<'_>, group: &NodeGroupRecord) -> Result<(), AwsError> {
    let cloud = &call.sandbox.cloud;
    let known = instances::subnets(cloud, &group.subnets).await.map_err(failed)?;
    if let Some(missing) = group.subnets.iter().find(|name| !known.iter().any(|subnet| subnet.id == **name)) {
        return Err(AwsError::invalid_parameter(format!("The subnet ID '{missing}' does not exist")));
    }
    if known.is_empty() {
        return Err(AwsError::invalid_parameter("subnets cannot be empty"));
    }
    instances::create_profile(cloud, &group.instance_profile, &group.role_arn)
        .await
        .map_err(|error| AwsError::invalid_parameter(format!("The role with name {} cannot be used: {error}", group.role_arn)))?;
    // Without access entries the role goes into aws-auth, which the Kubernetes side writes as the nodes join.
    if let Some(record) = clusters::record(call)
        && record.authentication_mode != "CONFIG_MAP"
    {
        entries::add_node_role(call.sandbox, &call.route.cluster, &record, &group.role_arn).await.map_err(failed)?;
    }
    Ok(())
}

/// Changes the number of nodes to what the emulator just recorded.
///
/// # Errors
/// When the emulator cannot say how many there should be.
pub async fn updated(call: &Call<'_>, answer: &Value) -> Result<(), AwsError> {
    let (cluster, name) = (call.route.cluster.clone(), call.route.item.clone());
    let Some(id) = answer["update"]["id"].as_str().map(str::to_owned) else { return Ok(()) };
    let path = format!("/clusters/{}/node-groups/{}", super::wishes::encode(&cluster), super::wishes::encode(&name));
    let described = call.sandbox.cloud.rest("eks", &call.region, http::Method::GET, &path, None).await.map_err(failed)?;
    let described = &described["nodegroup"];
    let wanted = described["scalingConfig"]["desiredSize"].as_u64().and_then(|size| usize::try_from(size).ok());
    let (labels, taints) = (labels(&name, described), taints(&described["taints"]));
    nodes::change(call.sandbox, &cluster, &name, |group| {
        group.labels = labels;
        group.taints = taints;
        group.state = GroupState::Updating;
    });
    run_update(call.sandbox, cluster.clone(), name.clone(), id, move |sandbox| async move {
        match wanted {
            Some(wanted) => nodes::resize(&sandbox, &cluster, &name, wanted).await,
            None => Ok(()),
        }
    });
    Ok(())
}

/// What EKS refuses in an UpdateNodegroupVersion.
///
/// # Errors
/// EKS's refusal.
pub fn check_version(call: &Call<'_>) -> Result<(), AwsError> {
    check_idle(call)?;
    let Some(record) = clusters::record(call) else { return Ok(()) };
    match call.body["version"].as_str() {
        Some(version) if version != record.version => Err(AwsError::invalid_parameter(format!(
            "Requested version {version} is not the cluster's, {}; the sandbox brings node groups to the version of their cluster only",
            record.version
        ))),
        _ => Ok(()),
    }
}

/// Replaces the nodes of a group by new ones of the cluster's version.
pub fn version_updated(call: &Call<'_>, answer: &Value) {
    let (cluster, name) = (call.route.cluster.clone(), call.route.item.clone());
    let (Some(id), Some(record)) = (answer["update"]["id"].as_str().map(str::to_owned), clusters::record(call)) else { return };
    nodes::change(call.sandbox, &cluster, &name, |group| group.state = GroupState::Updating);
    run_update(call.sandbox, cluster.clone(), name.clone(), id, move |sandbox| async move {
        nodes::replace(&sandbox, &cluster, &name).await?;
        nodes::change(&sandbox, &cluster, &name, |group| group.version = record.version);
        Ok(())
    });
}

/// Carries an update out in the background and notes how it went.
fn run_update<F>(sandbox: &Arc<Sandbox>, cluster: String, name: String, id: String, step: impl FnOnce(Arc<Sandbox>) -> F + Send + 'static)
where
    F: Future<Output = anyhow::Result<()>> + Send,
{
    clusters::set_progress(sandbox, &cluster, &id, Progress::InProgress);
    let sandbox = Arc::clone(sandbox);
    tokio::spawn(async move {
        let (state, progress) = match step(Arc::clone(&sandbox)).await {
            Ok(()) => (GroupState::Active, Progress::Successful),
            Err(error) => {
                tracing::error!(cluster, group = name, error = format!("{error:#}"), "the node group could not be updated");
                (GroupState::Degraded(format!("{error:#}")), Progress::Failed(format!("{error:#}")))
            }
        };
        nodes::set_state(&sandbox, &cluster, &name, state);
        clusters::set_progress(&sandbox, &cluster, &id, progress);
    });
}

/// Stops the nodes of a group that the emulator just forgot.
pub fn deleted(call: &Call<'_>, answer: &mut Value) {
    complete(call.sandbox, &mut answer["nodegroup"]);
    answer["nodegroup"]["status"] = "DELETING".into();
    let description = answer["nodegroup"].clone();
    let (cluster, name) = (call.route.cluster.clone(), call.route.item.clone());
    nodes::change(call.sandbox, &cluster, &name, |group| {
        group.state = GroupState::Deleting;
        group.deleting = Some(description);
    });
    tokio::spawn(nodes::finish_deletion(Arc::clone(call.sandbox), cluster, name));
}

/// The description of a group that the emulator no longer has but whose nodes are still stopping.
pub fn being_deleted(call: &Call<'_>) -> Option<Value> {
    if call.route.action != "DescribeNodegroup" {
        return None;
    }
    let group = nodes::group(call.sandbox, &call.route.cluster, &call.route.item)?;
    let mut description = group.deleting?;
    describe_state(&group.state, &mut description);
    Some(json!({ "nodegroup": description }))
}

/// Adds the groups that are still being deleted to the last page of a list.
pub fn complete_list(call: &Call<'_>, answer: &mut Value) {
    if answer.get("nextToken").is_some_and(|token| !token.is_null()) {
        return;
    }
    let Some(record) = clusters::record(call) else { return };
    let deleting = record.node_groups.iter().filter(|(_, group)| group.deleting.is_some()).map(|(name, _)| Value::from(name.as_str()));
    if let Some(names) = answer["nodegroups"].as_array_mut() {
        names.extend(deleting);
    }
}

/// Puts the truth about its nodes into a group's description.
pub fn complete(sandbox: &Sandbox, described: &mut Value) {
    let text = |field: &str| described[field].as_str().unwrap_or_default().to_owned();
    let Some(group) = nodes::group(sandbox, &text("clusterName"), &text("nodegroupName")) else { return };
    described["version"] = group.version.into();
    describe_state(&group.state, described);
}

fn describe_state(state: &GroupState, described: &mut Value) {
    described["status"] = state.status().into();
    if let Some(problem) = state.problem() {
        described["health"] = json!({ "issues": [{ "code": "InternalFailure", "message": problem, "resourceIds": [] }] });
    }
}

/// The labels of a group's nodes: the customer's and the ones EKS sets.
fn labels(name: &str, described: &Value) -> BTreeMap<String, String> {
    let own = described["labels"].as_object().into_iter().flatten();
    let mut labels: BTreeMap<String, String> = own.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
    let capacity_type = described["capacityType"].as_str().unwrap_or("ON_DEMAND");
    labels.insert("eks.amazonaws.com/nodegroup".into(), name.to_owned());
    labels.insert("eks.amazonaws.com/capacityType".into(), capacity_type.to_owned());
    labels
}

/// A group's taints, in Kubernetes' words for their effects.
fn taints(taints: &Value) -> Vec<Taint> {
    let effect = |effect: &str| match effect {
        "NO_EXECUTE" => "NoExecute",
        "PREFER_NO_SCHEDULE" => "PreferNoSchedule",
        _ => "NoSchedule",
    };
    let text = |taint: &Value, field: &str| taint[field].as_str().unwrap_or_default().to_owned();
    let all = taints.as_array().into_iter().flatten();
    all.map(|taint| Taint { key: text(taint, "key"), value: text(taint, "value"), effect: effect(&text(taint, "effect")).to_owned() }).collect()
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
