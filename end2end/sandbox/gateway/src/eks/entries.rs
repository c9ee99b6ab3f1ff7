//! Access entries: the ones EKS makes by itself, and what the Kubernetes side asks to map people with.

use http::Method;
use serde_json::{Value, json};

use super::wishes::encode;
use super::{Call, clusters, failed};
use crate::answer::AwsError;
use crate::cloud::CloudError;
use crate::clusters::ClusterRecord;
use crate::sandbox::Sandbox;

/// The access policy of a cluster's creator.
pub const CLUSTER_ADMIN: &str = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy";

/// Refuses access entries where the cluster maps by the config map only.
///
/// # Errors
/// EKS's refusal.
pub fn check(call: &Call<'_>) -> Result<(), AwsError> {
    match clusters::record(call) {
        Some(record) if record.authentication_mode == "CONFIG_MAP" => {
            Err(AwsError::invalid_request("The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation."))
        }
        _ => check_entry(call),
    }
}

/// What EKS refuses in an entry of a node's type, and in a policy that does not exist.
fn check_entry(call: &Call<'_>) -> Result<(), AwsError> {
    let kind = call.body["type"].as_str().unwrap_or("STANDARD");
    let names_someone = !call.body["username"].is_null() || call.body["kubernetesGroups"].as_array().is_some_and(|groups| !groups.is_empty());
    if call.route.action == "CreateAccessEntry" && kind != "STANDARD" && names_someone {
        return Err(AwsError::invalid_parameter(format!("username and kubernetesGroups cannot be set for access entries of type {kind}")));
    }
    let groups = call.body["kubernetesGroups"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(reserved) = groups.into_iter().find(|group| group.starts_with("system:") || group.starts_with("eks:")) {
        return Err(AwsError::invalid_parameter(format!("The kubernetes group name {reserved} is invalid, it cannot start with system: or eks:")));
    }
    let policy = call.body["policyArn"].as_str();
    if let Some(policy) = policy.filter(|policy| call.route.action == "AssociateAccessPolicy" && !is_access_policy(policy)) {
        return Err(AwsError::invalid_parameter(format!("The policyArn {policy} does not exist")));
    }
    Ok(())
}

fn is_access_policy(arn: &str) -> bool {
    arn.strip_prefix("arn:aws:eks::aws:cluster-access-policy/").is_some_and(|name| name.starts_with("AmazonEKS") && name.ends_with("Policy"))
}

/// Makes a cluster's creator its administrator.
///
/// # Errors
/// When the emulator refuses.
pub async fn add_administrator(sandbox: &Sandbox, cluster: &str, record: &ClusterRecord) -> Result<(), CloudError> {
    let entry = json!({ "principalArn": record.creator, "type": "STANDARD" });
    create(sandbox, cluster, record, &entry).await?;
    let path = format!("{}/{}/access-policies", entries_path(cluster), encode(&record.creator));
    let policy = json!({ "policyArn": CLUSTER_ADMIN, "accessScope": { "type": "cluster" } });
    sandbox.cloud.rest("eks", &record.region, Method::POST, &path, Some(&policy)).await?;
    Ok(())
}

/// Lets the nodes of a managed group join.
///
/// # Errors
/// When the emulator refuses.
pub async fn add_node_role(sandbox: &Sandbox, cluster: &str, record: &ClusterRecord, role: &str) -> Result<(), CloudError> {
    let entry = json!({
        "principalArn": role,
        "type": "EC2_LINUX",
        "username": "system:node:{{EC2PrivateDNSName}}",
        "kubernetesGroups": ["system:nodes"],
    });
    create(sandbox, cluster, record, &entry).await
}

/// Makes an entry unless there is one already, which EKS leaves as it is.
async fn create(sandbox: &Sandbox, cluster: &str, record: &ClusterRecord, entry: &Value) -> Result<(), CloudError> {
    match sandbox.cloud.rest("eks", &record.region, Method::POST, &entries_path(cluster), Some(entry)).await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == "ResourceInUseException" => Ok(()),
        Err(error) => Err(error),
    }
}

fn entries_path(cluster: &str) -> String {
    format!("/clusters/{}/access-entries", encode(cluster))
}

/// Puts into an entry what EKS derives: the account in a role's user name, and a node's name and group.
pub fn complete(sandbox: &Sandbox, entry: &mut Value) {
    if let Some(username) = entry["username"].as_str() {
        entry["username"] = username.replace("{{AccountID}}", &sandbox.cloud.account).into();
    }
    if matches!(entry["type"].as_str(), Some("EC2_LINUX" | "EC2_WINDOWS" | "EC2")) {
        entry["username"] = "system:node:{{EC2PrivateDNSName}}".into();
        entry["kubernetesGroups"] = json!(["system:nodes"]);
    }
}

/// Everything the Kubernetes side needs to map people to users and groups of a cluster.
///
/// # Errors
/// `not found` for a cluster that is not there; otherwise the emulator's failure.
pub async fn access(sandbox: &Sandbox, cluster: &str) -> Result<Value, AwsError> {
    let record = sandbox.book.read(|entries| entries.clusters.get(cluster).cloned()).ok_or_else(|| AwsError::not_found(format!("No cluster found for name: {cluster}.")))?;
    let mut mapped = Vec::new();
    if record.authentication_mode != "CONFIG_MAP" && record.deleting.is_none() {
        for principal in list(sandbox, &record.region, &entries_path(cluster), "accessEntries").await.map_err(failed)? {
            let Some(principal) = principal.as_str() else { continue };
            // An entry deleted since the list was made is simply gone.
            if let Some(entry) = one(sandbox, &record.region, cluster, principal).await.map_err(failed)? {
                mapped.push(entry);
            }
        }
    }
    let hidden_administrator = record.authentication_mode == "CONFIG_MAP" && record.creator_is_admin;
    Ok(json!({
        "authenticationMode": record.authentication_mode,
        "entries": mapped,
        "creator": if hidden_administrator { record.creator.as_str() } else { "" },
    }))
}

async fn one(sandbox: &Sandbox, region: &str, cluster: &str, principal: &str) -> Result<Option<Value>, CloudError> {
    let path = format!("{}/{}", entries_path(cluster), encode(principal));
    let found = match sandbox.cloud.rest("eks", region, Method::GET, &path, None).await {
        Ok(found) => found,
        Err(CloudError::Refused { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut entry = found["accessEntry"].clone();
    complete(sandbox, &mut entry);
    let policies = match list(sandbox, region, &format!("{path}/access-policies"), "associatedAccessPolicies").await {
        Ok(policies) => policies,
        Err(CloudError::Refused { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let policies: Vec<Value> = policies
        .iter()
        .map(|policy| {
            json!({
                "policyArn": policy["policyArn"],
                "scope": policy["accessScope"]["type"],
                "namespaces": policy["accessScope"]["namespaces"].as_array().cloned().unwrap_or_default(),
            })
        })
        .collect();
    Ok(Some(json!({
        "principalArn": entry["principalArn"],
        "canonicalArn": without_path(principal),
        "username": entry["username"],
        "groups": entry["kubernetesGroups"],
        "type": entry["type"],
        "policies": policies,
    })))
}

/// A role's ARN as a session shows it: the path is lost on the way through AssumeRole.
fn without_path(arn: &str) -> String {
    match arn.split_once(":role/") {
        Some((account, role)) => format!("{account}:role/{}", role.rsplit('/').next().unwrap_or(role)),
        None => arn.to_owned(),
    }
}

/// Every page of a list.
async fn list(sandbox: &Sandbox, region: &str, path: &str, field: &str) -> Result<Vec<Value>, CloudError> {
    let mut items = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let query = token.map_or(String::new(), |token| format!("&nextToken={}", encode(&token)));
        let page = sandbox.cloud.rest("eks", region, Method::GET, &format!("{path}?maxResults=100{query}"), None).await?;
        items.extend(page[field].as_array().into_iter().flatten().cloned());
        token = page["nextToken"].as_str().map(str::to_owned);
        if token.is_none() {
            return Ok(items);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roles_path_is_not_part_of_what_a_session_shows() {
        assert_eq!(without_path("arn:aws:iam::1:role/team/a/slipway"), "arn:aws:iam::1:role/slipway");
        assert_eq!(without_path("arn:aws:iam::1:user/team/ada"), "arn:aws:iam::1:user/team/ada");
    }

    #[test]
    fn only_eks_policies_are_access_policies() {
        assert!(is_access_policy(CLUSTER_ADMIN));
        assert!(!is_access_policy("arn:aws:iam::aws:policy/AdministratorAccess"));
    }
}
