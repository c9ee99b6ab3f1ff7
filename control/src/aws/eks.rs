//! EKS: which clusters there are, what one is like, and who is mapped into it.

use aws_config::SdkConfig;
use aws_sdk_eks::{
    Client,
    error::{DisplayErrorContext, ProvideErrorMetadata as _},
    types::{AccessScope, AccessScopeType, AuthenticationMode},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{Code, Rejected};

use super::rejected;

/// The most clusters that are read of one region.
const MAX_LISTED: usize = 1000;
/// The access policy that lets Slipway make its own roles; it is associated for that moment only.
const ADMIN_POLICY: &str = "cluster-access-policy/AmazonEKSClusterAdminPolicy";

/// What DescribeCluster says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    pub arn: String,
    /// `ACTIVE`, `UPDATING`, …
    pub status: String,
    /// `1.35`
    pub version: Option<String>,
    /// `API`, `API_AND_CONFIG_MAP` or `CONFIG_MAP`.
    pub authentication_mode: String,
    /// Absent while EKS still makes the cluster.
    pub endpoint: Option<String>,
    /// PEM; absent while EKS still makes the cluster.
    pub certificate_authority: Option<String>,
}

impl Described {
    /// Whether IAM principals are mapped by access entries here.
    #[must_use]
    pub fn has_access_entries(&self) -> bool {
        has_access_entries(&self.authentication_mode)
    }
}

/// Whether an authentication mode has access entries.
#[must_use]
pub fn has_access_entries(mode: &str) -> bool {
    mode == AuthenticationMode::Api.as_str() || mode == AuthenticationMode::ApiAndConfigMap.as_str()
}

/// Whether an authentication mode reads the ConfigMap `aws-auth`.
#[must_use]
pub fn has_config_map(mode: &str) -> bool {
    mode == AuthenticationMode::ConfigMap.as_str() || mode == AuthenticationMode::ApiAndConfigMap.as_str()
}

/// A principal's access entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub groups: Vec<String>,
    /// Whether the cluster-admin policy is associated, for the whole cluster.
    pub is_admin: bool,
}

/// The names of the clusters in the configuration's region.
///
/// # Errors
/// `aws_denied`, `aws_unavailable`.
pub async fn names(config: &SdkConfig) -> Result<Vec<String>, Rejected> {
    let mut found = Vec::new();
    let mut pages = Client::new(config).list_clusters().max_results(100).into_paginator().items().send();
    while let Some(name) = pages.next().await {
        found.push(name.map_err(|error| rejected(error, "list the clusters"))?);
        if found.len() > MAX_LISTED {
            return Err(Rejected::new(Code::AwsUnavailable, format!("There are more than {MAX_LISTED} clusters in this region: more than Slipway lists. Attach by name.")));
        }
    }
    Ok(found)
}

/// One cluster; none when EKS has no such.
///
/// # Errors
/// `aws_denied`, `aws_unavailable`.
pub async fn describe(config: &SdkConfig, name: &str) -> Result<Option<Described>, Rejected> {
    let answer = match Client::new(config).describe_cluster().name(name).send().await {
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => return Ok(None),
        other => other.map_err(|error| rejected(error, "look at the cluster"))?,
    };
    let unusable = |what: &str| Rejected::new(Code::AwsUnavailable, format!("EKS answered without the cluster's {what}."));
    let cluster = answer.cluster().ok_or_else(|| unusable("description"))?;
    let certificate_authority = match cluster.certificate_authority().and_then(|authority| authority.data()).filter(|data| !data.is_empty()) {
        Some(data) => Some(decode(data).ok_or_else(|| unusable("certificate authority in base64"))?),
        None => None,
    };
    let mode = cluster.access_config().and_then(|access| access.authentication_mode()).unwrap_or(&AuthenticationMode::ConfigMap);
    Ok(Some(Described {
        arn: cluster.arn().ok_or_else(|| unusable("ARN"))?.into(),
        status: cluster.status().ok_or_else(|| unusable("status"))?.as_str().into(),
        version: cluster.version().map(str::to_owned),
        authentication_mode: mode.as_str().into(),
        endpoint: cluster.endpoint().filter(|endpoint| !endpoint.is_empty()).map(str::to_owned),
        certificate_authority,
    }))
}

fn decode(data: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(data).ok()?).ok()
}

/// The access entry of a principal; none when it has none.
///
/// # Errors
/// `aws_denied`, `aws_unavailable`.
pub async fn entry(config: &SdkConfig, cluster: &str, principal: &str) -> Result<Option<Entry>, Rejected> {
    let client = Client::new(config);
    let answer = match client.describe_access_entry().cluster_name(cluster).principal_arn(principal).send().await {
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => return Ok(None),
        other => other.map_err(|error| rejected(error, "look at its own access entry"))?,
    };
    let groups = answer.access_entry().map(|entry| entry.kubernetes_groups().to_vec()).unwrap_or_default();
    let mut is_admin = false;
    let mut pages = client.list_associated_access_policies().cluster_name(cluster).principal_arn(principal).into_paginator().items().send();
    while let Some(policy) = pages.next().await {
        let policy = policy.map_err(|error| rejected(error, "list the policies of its own access entry"))?;
        is_admin |= policy.policy_arn().is_some_and(|arn| arn.ends_with(ADMIN_POLICY)) && policy.access_scope().and_then(|scope| scope.r#type()) == Some(&AccessScopeType::Cluster);
    }
    Ok(Some(Entry { groups, is_admin }))
}

/// Creates the principal's access entry; one that is there already stays as it is. `token` makes a repetition the same request.
///
/// # Errors
/// `aws_denied`, `aws_unavailable`.
pub async fn create_entry(config: &SdkConfig, cluster: &str, principal: &str, group: &str, token: &str) -> Result<(), Rejected> {
    match Client::new(config).create_access_entry().cluster_name(cluster).principal_arn(principal).kubernetes_groups(group).client_request_token(token).send().await {
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) => Ok(()),
        other => other.map(drop).map_err(|error| rejected(error, "create its own access entry")),
    }
}

/// Sets the Kubernetes groups of the principal's access entry.
///
/// # Errors
/// `aws_denied`, `aws_unavailable`.
pub async fn set_groups(config: &SdkConfig, cluster: &str, principal: &str, groups: &[String], token: &str) -> Result<(), Rejected> {
    let request = Client::new(config).update_access_entry().cluster_name(cluster).principal_arn(principal).set_kubernetes_groups(Some(groups.to_vec())).client_request_token(token);
    request.send().await.map(drop).map_err(|error| rejected(error, "add its group to its own access entry"))
}

/// Associates the cluster-admin policy with the principal's access entry.
///
/// # Errors
/// `aws_denied`, `aws_unavailable`.
pub async fn make_admin(config: &SdkConfig, cluster: &str, principal: &str) -> Result<(), Rejected> {
    let scope = AccessScope::builder().r#type(AccessScopeType::Cluster).build();
    let request = Client::new(config).associate_access_policy().cluster_name(cluster).principal_arn(principal).policy_arn(admin_policy(principal)).access_scope(scope);
    request.send().await.map(drop).map_err(|error| rejected(error, "borrow the cluster-admin policy"))
}

/// Takes the cluster-admin policy off the principal's access entry; when it is not there that is fine.
///
/// # Errors
/// `aws_denied`, `aws_unavailable`.
pub async fn unmake_admin(config: &SdkConfig, cluster: &str, principal: &str) -> Result<(), Rejected> {
    let request = Client::new(config).disassociate_access_policy().cluster_name(cluster).principal_arn(principal).policy_arn(admin_policy(principal));
    match request.send().await {
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
            tracing::debug!(said = error.message(), error = %DisplayErrorContext(&error), "the cluster-admin policy was not associated any more");
            Ok(())
        }
        other => other.map(drop).map_err(|error| rejected(error, "give the cluster-admin policy back")),
    }
}

/// Access policies are named in the partition of the principal: `arn:aws-cn:eks::aws:cluster-access-policy/…`.
#[must_use]
pub fn admin_policy(principal: &str) -> String {
    let partition = principal.split(':').nth(1).filter(|partition| !partition.is_empty()).unwrap_or("aws");
    format!("arn:{partition}:eks::aws:{ADMIN_POLICY}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_the_one_of_the_principals_partition() {
        assert_eq!(admin_policy("arn:aws-cn:iam::123456789012:role/slipway"), "arn:aws-cn:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy");
        assert_eq!(admin_policy("arn:aws:iam::123456789012:user/slipway"), "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy");
    }

    #[test]
    fn modes_say_where_principals_are_mapped() {
        assert!(has_access_entries("API") && !has_config_map("API"));
        assert!(has_access_entries("API_AND_CONFIG_MAP") && has_config_map("API_AND_CONFIG_MAP"));
        assert!(!has_access_entries("CONFIG_MAP") && has_config_map("CONFIG_MAP"));
    }
}
