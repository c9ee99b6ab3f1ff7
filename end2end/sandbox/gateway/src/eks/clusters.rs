//! Clusters: each has a control plane that starts, restarts with another version, and stops.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::entries;
use super::{Call, failed};
use crate::answer::AwsError;
use crate::clusters::{ClusterRecord, Progress};
use crate::planes_api::{PlaneSpec, PlaneStatus};
use crate::sandbox::Sandbox;

/// The minor versions the Kubernetes program can run as, oldest first.
pub const VERSIONS: [&str; 4] = ["1.32", "1.33", "1.34", "1.35"];

/// The version of a cluster that asks for none; the emulator's default.
const DEFAULT_VERSION: &str = "1.34";

/// How often the deletion of a control plane is tried before it stays `DELETING` for someone to look at.
const DELETE_TRIES: u32 = 5;

/// The authentication modes in the order a cluster may go through them, never back.
const MODES: [&str; 3] = ["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"];

/// What EKS refuses in a CreateCluster.
///
/// # Errors
/// EKS's refusal.
pub fn check_create(call: &Call<'_>) -> Result<(), AwsError> {
    let name = call.body["name"].as_str().unwrap_or_default();
    if call.sandbox.book.read(|entries| entries.clusters.contains_key(name)) {
        return Err(AwsError::in_use(format!("Cluster already exists with name: {name}")));
    }
    let version = call.body["version"].as_str().unwrap_or(DEFAULT_VERSION);
    if !VERSIONS.contains(&version) {
        return Err(AwsError::invalid_parameter(format!("unsupported Kubernetes version {version}; the sandbox has {}", VERSIONS.join(", "))));
    }
    let access = &call.body["accessConfig"];
    let mode = access["authenticationMode"].as_str().unwrap_or(MODES[0]);
    if !MODES.contains(&mode) {
        return Err(AwsError::invalid_parameter(format!("unknown authentication mode {mode}")));
    }
    if mode == MODES[0] && access["bootstrapClusterCreatorAdminPermissions"] == false {
        return Err(AwsError::invalid_parameter("bootstrapClusterCreatorAdminPermissions must be true if cluster authentication mode is set to CONFIG_MAP"));
    }
    Ok(())
}

/// Starts the control plane of a cluster that the emulator just recorded.
///
/// # Errors
/// When it cannot be started; the emulator's record is taken back then.
pub async fn created(call: &Call<'_>, answer: &mut Value) -> Result<(), AwsError> {
    let sandbox = call.sandbox;
    let text = |field: &str| answer["cluster"][field].as_str().unwrap_or_default().to_owned();
    let name = text("name");
    let mode = answer["cluster"]["accessConfig"]["authenticationMode"].as_str().unwrap_or(MODES[0]).to_owned();
    let mut record = ClusterRecord {
        arn: text("arn"),
        region: call.region.clone(),
        version: text("version"),
        creator: call.principal.identity_arn.clone(),
        creator_is_admin: call.body["accessConfig"]["bootstrapClusterCreatorAdminPermissions"] != false,
        authentication_mode: mode,
        ..ClusterRecord::default()
    };
    match sandbox.planes.create(spec(sandbox, &name, &record)).await {
        Ok(info) => {
            record.endpoint = info.endpoint;
            record.ca_pem = info.ca_pem;
        }
        Err(error) => {
            let path = format!("/clusters/{}", super::wishes::encode(&name));
            sandbox.cloud.rest("eks", &call.region, http::Method::DELETE, &path, None).await.map_err(failed)?;
            return Err(AwsError::internal(format!("the control plane could not be started: {error:#}")));
        }
    }
    sandbox.book.change(|entries| entries.clusters.insert(name.clone(), record.clone()));
    if record.creator_is_admin && record.authentication_mode != MODES[0] {
        entries::add_administrator(sandbox, &name, &record).await.map_err(failed)?;
    }
    complete(sandbox, &mut answer["cluster"]);
    Ok(())
}

/// A cluster's plane, as the Kubernetes side wants it.
pub fn spec(sandbox: &Sandbox, name: &str, record: &ClusterRecord) -> PlaneSpec {
    PlaneSpec { name: name.to_owned(), arn: record.arn.clone(), region: record.region.clone(), account: sandbox.cloud.account.clone(), version: record.version.clone() }
}

/// Puts the truth about the control plane into a cluster's description.
pub fn complete(sandbox: &Sandbox, cluster: &mut Value) {
    let name = cluster["name"].as_str().unwrap_or_default().to_owned();
    let Some(record) = sandbox.book.read(|entries| entries.clusters.get(&name).cloned()) else { return };
    let (status, problem) = match sandbox.planes.status(&name) {
        PlaneStatus::Creating => ("CREATING", None),
        PlaneStatus::Active if record.updates.values().any(|update| *update == Progress::InProgress) => ("UPDATING", None),
        PlaneStatus::Active => ("ACTIVE", None),
        PlaneStatus::Updating => ("UPDATING", None),
        PlaneStatus::Failed(why) => ("FAILED", Some(why)),
        PlaneStatus::Absent => ("FAILED", Some("its control plane is not running".to_owned())),
    };
    cluster["status"] = status.into();
    cluster["version"] = record.version.into();
    if let Some(problem) = problem {
        cluster["health"] = json!({ "issues": [{ "code": "Other", "message": problem, "resourceIds": [] }] });
    }
    // EKS says where the API server is once it can be reached there.
    if status == "CREATING" {
        if let Some(fields) = cluster.as_object_mut() {
            fields.remove("endpoint");
            fields.remove("certificateAuthority");
        }
    } else {
        cluster["endpoint"] = record.endpoint.into();
        cluster["certificateAuthority"] = json!({ "data": STANDARD.encode(record.ca_pem) });
    }
}

/// Stops the control plane of a cluster that the emulator just forgot.
pub fn deleted(call: &Call<'_>, answer: &mut Value) {
    let name = call.route.cluster.clone();
    complete(call.sandbox, &mut answer["cluster"]);
    answer["cluster"]["status"] = "DELETING".into();
    let description = answer["cluster"].clone();
    let known = call.sandbox.book.change(|entries| match entries.clusters.get_mut(&name) {
        Some(record) => {
            record.deleting = Some(description);
            true
        }
        None => false,
    });
    if known {
        tokio::spawn(finish_deletion(Arc::clone(call.sandbox), name));
    }
}

/// Stops a control plane that is to go, and forgets it.
pub async fn finish_deletion(sandbox: Arc<Sandbox>, name: String) {
    for attempt in 1..=DELETE_TRIES {
        // After a restart there may be nothing left to stop.
        let deleted = match sandbox.planes.status(&name) {
            PlaneStatus::Absent => Ok(()),
            _ => sandbox.planes.delete(&name).await,
        };
        match deleted {
            Ok(()) => {
                sandbox.book.change(|entries| entries.clusters.remove(&name));
                return;
            }
            Err(error) => tracing::error!(cluster = name, attempt, error = format!("{error:#}"), "the control plane could not be deleted"),
        }
        tokio::time::sleep(Duration::from_secs(u64::from(attempt))).await;
    }
}

/// What EKS refuses in a DeleteCluster: the emulator forgets a node group at once, while its nodes still stop.
///
/// # Errors
/// EKS's refusal.
pub fn check_delete(call: &Call<'_>) -> Result<(), AwsError> {
    match record(call) {
        Some(record) if !record.node_groups.is_empty() => Err(AwsError::in_use("Cluster has nodegroups attached")),
        _ => Ok(()),
    }
}

/// The description of a cluster that the emulator no longer has but whose control plane is still stopping.
pub fn being_deleted(call: &Call<'_>) -> Option<Value> {
    if call.route.action != "DescribeCluster" {
        return None;
    }
    let description = call.sandbox.book.read(|entries| entries.clusters.get(&call.route.cluster)?.deleting.clone())?;
    Some(json!({ "cluster": description }))
}

/// Adds the clusters that are still being deleted to the last page of a list.
pub fn complete_list(call: &Call<'_>, answer: &mut Value) {
    if answer.get("nextToken").is_some_and(|token| !token.is_null()) {
        return;
    }
    let deleting = call.sandbox.book.read(|entries| {
        let deleting = entries.clusters.iter().filter(|(_, record)| record.deleting.is_some());
        deleting.map(|(name, _)| Value::from(name.as_str())).collect::<Vec<_>>()
    });
    if let Some(names) = answer["clusters"].as_array_mut() {
        names.extend(deleting);
    }
}

/// What EKS refuses in an UpdateClusterVersion.
///
/// # Errors
/// EKS's refusal.
pub fn check_update_version(call: &Call<'_>) -> Result<(), AwsError> {
    let Some(record) = record(call) else { return Ok(()) };
    let wanted = call.body["version"].as_str().unwrap_or_default();
    if let Some((id, _)) = record.updates.iter().find(|(_, progress)| **progress == Progress::InProgress) {
        return Err(AwsError::in_use(format!("Cannot VersionUpdate because cluster {} currently has update {id} in progress", call.route.cluster)));
    }
    if call.sandbox.planes.status(&call.route.cluster) != PlaneStatus::Active {
        return Err(AwsError::in_use(format!("Cannot VersionUpdate because cluster {} is not ACTIVE", call.route.cluster)));
    }
    if wanted == record.version {
        return Err(AwsError::invalid_parameter(format!("Cluster is already at version {wanted}")));
    }
    let place = |version: &str| VERSIONS.iter().position(|known| *known == version);
    match (place(&record.version), place(wanted)) {
        (Some(from), Some(to)) if to == from + 1 => Ok(()),
        _ => Err(AwsError::invalid_parameter(format!("Unsupported Kubernetes minor version update from {} to {wanted}", record.version))),
    }
}

/// Restarts the control plane as the version that the emulator just recorded.
pub fn version_update(call: &Call<'_>, answer: &Value) {
    let Some(id) = answer["update"]["id"].as_str().map(str::to_owned) else { return };
    let name = call.route.cluster.clone();
    let version = call.body["version"].as_str().unwrap_or_default().to_owned();
    set_progress(call.sandbox, &name, &id, Progress::InProgress);
    let sandbox = Arc::clone(call.sandbox);
    tokio::spawn(async move {
        match sandbox.planes.update_version(&name, &version).await {
            Ok(()) => {
                sandbox.book.change(|entries| {
                    if let Some(record) = entries.clusters.get_mut(&name) {
                        record.version = version;
                        record.updates.insert(id, Progress::Successful);
                    }
                });
            }
            Err(error) => {
                tracing::error!(cluster = name, error = format!("{error:#}"), "the version update failed");
                set_progress(&sandbox, &name, &id, Progress::Failed(format!("{error:#}")));
            }
        }
    });
}

/// Notes how far an update is.
pub fn set_progress(sandbox: &Sandbox, cluster: &str, id: &str, progress: Progress) {
    sandbox.book.change(|entries| {
        if let Some(record) = entries.clusters.get_mut(cluster) {
            record.updates.insert(id.to_owned(), progress);
        }
    });
}

/// Puts the true progress into an update's description.
pub fn complete_update(call: &Call<'_>, answer: &mut Value) {
    let Some(record) = record(call) else { return };
    let Some(progress) = record.updates.get(&call.route.item) else { return };
    answer["update"]["status"] = progress.status().into();
    if let Progress::Failed(why) = progress {
        answer["update"]["errors"] = json!([{ "errorCode": "Unknown", "errorMessage": why, "resourceIds": [] }]);
    }
}

/// What EKS refuses in an UpdateClusterConfig.
///
/// # Errors
/// EKS's refusal.
pub fn check_update_config(call: &Call<'_>) -> Result<(), AwsError> {
    let (Some(record), Some(wanted)) = (record(call), call.body["accessConfig"]["authenticationMode"].as_str()) else { return Ok(()) };
    let place = |mode: &str| MODES.iter().position(|known| *known == mode);
    match (place(&record.authentication_mode), place(wanted)) {
        (Some(from), Some(to)) if to == from + 1 => Ok(()),
        _ => Err(AwsError::invalid_parameter(format!("Unsupported authentication mode update from {} to {wanted}", record.authentication_mode))),
    }
}

/// Gives the creator and the node roles their access entries when a cluster gets the access entry API, as EKS does.
///
/// # Errors
/// When the emulator cannot make them.
pub async fn config_updated(call: &Call<'_>) -> Result<(), AwsError> {
    let (Some(mut record), Some(wanted)) = (record(call), call.body["accessConfig"]["authenticationMode"].as_str()) else { return Ok(()) };
    let name = &call.route.cluster;
    record.authentication_mode = wanted.to_owned();
    let mode = wanted.to_owned();
    call.sandbox.book.change(|entries| {
        if let Some(record) = entries.clusters.get_mut(name) {
            record.authentication_mode = mode;
        }
    });
    if record.creator_is_admin {
        entries::add_administrator(call.sandbox, name, &record).await.map_err(failed)?;
    }
    for group in record.node_groups.values() {
        entries::add_node_role(call.sandbox, name, &record, &group.role_arn).await.map_err(failed)?;
    }
    Ok(())
}

/// What is kept about the cluster a call is about.
pub fn record(call: &Call<'_>) -> Option<ClusterRecord> {
    call.sandbox.book.read(|entries| entries.clusters.get(&call.route.cluster).cloned())
}
