//! What EKS itself writes into aws-auth: the role of a managed node group, in a cluster
//! whose authentication mode has no access entries.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::api::Api;

const CONFIG_MAP: &str = "/api/v1/namespaces/kube-system/configmaps/aws-auth";

/// Lets nodes with this role join, if the mode leaves it to aws-auth.
pub(crate) async fn admit_nodes(gateway: &str, cluster: &str, api: &Api, role_arn: &str) -> Result<()> {
    if mode(gateway, cluster).await? != "CONFIG_MAP" {
        return Ok(());
    }
    let role = without_path(role_arn).with_context(|| format!("{role_arn} is no role's ARN"))?;
    let mapping = format!("- rolearn: {role}\n  username: system:node:{{{{EC2PrivateDNSName}}}}\n  groups:\n  - system:bootstrappers\n  - system:nodes\n");
    let object = |roles: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "aws-auth", "namespace": "kube-system" }, "data": { "mapRoles": roles } });
    match api.get(CONFIG_MAP).await? {
        None => api.ensure("/api/v1/namespaces/kube-system/configmaps", &object(&mapping)).await,
        Some(found) => {
            let there = found["data"]["mapRoles"].as_str().unwrap_or_default();
            match with(there, &role, &mapping) {
                None => Ok(()),
                Some(roles) => api.patch(CONFIG_MAP, &json!({ "data": { "mapRoles": roles } })).await,
            }
        }
    }
}

/// What people wrote stays as they wrote it; a mapping is added below, unless there is one.
fn with(there: &str, role: &str, mapping: &str) -> Option<String> {
    if there.lines().any(|line| line.split_whitespace().any(|word| word.trim_matches(['"', '\'']) == role)) {
        return None;
    }
    let there = there.trim_end();
    Some(if matches!(there, "" | "[]") { mapping.to_owned() } else { format!("{there}\n{mapping}") })
}

/// STS does not tell a role's path, so aws-auth knows roles without.
fn without_path(arn: &str) -> Option<String> {
    let (account, role) = arn.split_once(":role/")?;
    Some(format!("{account}:role/{}", role.rsplit('/').next()?))
}

async fn mode(gateway: &str, cluster: &str) -> Result<String> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().context("making a client")?;
    let answer = client.get(format!("{gateway}/_sandbox/eks/{cluster}/access")).send().await.context("asking the gateway for a cluster's authentication mode")?;
    ensure!(answer.status().is_success(), "the gateway answered {} for the authentication mode of {cluster}", answer.status());
    let access: Value = answer.json().await.context("reading a cluster's authentication mode")?;
    access["authenticationMode"].as_str().map(str::to_owned).with_context(|| format!("the gateway names no authentication mode of {cluster}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_below_what_people_wrote_and_only_once() {
        let role = without_path("arn:aws:iam::123456789012:role/teams/ml/node").unwrap();
        assert_eq!(role, "arn:aws:iam::123456789012:role/node");
        let mapping = format!("- rolearn: {role}\n");
        let people = "# ours\n- rolearn: arn:aws:iam::123456789012:role/nodes\n  username: x\n";
        let added = with(people, &role, &mapping).expect("a role whose name only begins alike is another");
        assert!(added.starts_with(people) && added.ends_with(&mapping), "{added}");
        assert_eq!(with(&added, &role, &mapping), None);
        assert_eq!(with(&format!("- {{rolearn: \"{role}\" }}"), &role, &mapping), None);
        assert_eq!(with("[]", &role, &mapping), Some(mapping.clone()));
    }
}
