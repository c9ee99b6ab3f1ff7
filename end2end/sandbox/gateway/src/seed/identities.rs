//! IAM: an administrator for people, the roles of clusters and nodes, and what the portal runs as.

use anyhow::Result;

use super::ensured;
use crate::client::{Client, Keys};
use crate::sandbox::Sandbox;

/// The name of the administrator's keys in the book.
pub const ADMINISTRATOR: &str = "sandbox-admin";
/// The name of the portal's user, its keys and its role.
pub const SLIPWAY: &str = "slipway";
/// The role of control planes.
pub const CLUSTER_ROLE: &str = "eks-cluster";
/// The role of nodes.
pub const NODE_ROLE: &str = "eks-node";
/// What the portal has to say to assume its role.
pub const EXTERNAL_ID: &str = "slipway-demo";

const SLIPWAY_ROLE: &str = include_str!("../../policies/slipway-role.json");
const SLIPWAY_TRUST: &str = include_str!("../../policies/slipway-trust.json");
const SLIPWAY_USER: &str = include_str!("../../policies/slipway-user.json");

/// Makes the administrator, who may do everything, and returns the keys.
///
/// # Errors
/// When IAM refuses.
pub async fn administrator(root: &Client, sandbox: &Sandbox) -> Result<Keys> {
    user(root, ADMINISTRATOR).await?;
    let policy = [("UserName", ADMINISTRATOR), ("PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess")];
    root.query("iam", "AttachUserPolicy", &policy).await?.success()?;
    keys(root, sandbox, ADMINISTRATOR).await
}

/// Makes the demo's roles and the portal's user, whose only right is to assume its role.
///
/// # Errors
/// When IAM refuses.
pub async fn demo(root: &Client, sandbox: &Sandbox) -> Result<()> {
    let account = &sandbox.cloud.account;
    let fill = |policy: &str| policy.replace("${account}", account).replace("${external_id}", EXTERNAL_ID);

    role(root, CLUSTER_ROLE, &service_trust("eks.amazonaws.com"), "The control planes of the demo's clusters").await?;
    attach(root, CLUSTER_ROLE, "AmazonEKSClusterPolicy").await?;
    role(root, NODE_ROLE, &service_trust("ec2.amazonaws.com"), "The nodes of the demo's clusters").await?;
    for policy in ["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryReadOnly"] {
        attach(root, NODE_ROLE, policy).await?;
    }

    user(root, SLIPWAY).await?;
    let policy = fill(SLIPWAY_USER);
    let parameters = [("UserName", SLIPWAY), ("PolicyName", "assume-its-role"), ("PolicyDocument", policy.as_str())];
    root.query("iam", "PutUserPolicy", &parameters).await?.success()?;
    keys(root, sandbox, SLIPWAY).await?;

    role(root, SLIPWAY, &fill(SLIPWAY_TRUST), "What the portal works as").await?;
    let policy = fill(SLIPWAY_ROLE);
    let parameters = [("RoleName", SLIPWAY), ("PolicyName", "slipway"), ("PolicyDocument", policy.as_str())];
    root.query("iam", "PutRolePolicy", &parameters).await?.success()?;
    Ok(())
}

async fn user(root: &Client, name: &str) -> Result<()> {
    ensured(root.query("iam", "CreateUser", &[("UserName", name)]).await?)
}

/// The keys of a user: a secret is told once, so what was told is kept.
async fn keys(root: &Client, sandbox: &Sandbox, user: &str) -> Result<Keys> {
    if let Some(keys) = sandbox.book.read(|entries| entries.seed_keys.get(user).cloned()) {
        return Ok(keys);
    }
    let keys = root.query("iam", "CreateAccessKey", &[("UserName", user)]).await?.success()?.keys()?;
    sandbox.book.change(|entries| entries.seed_keys.insert(user.to_owned(), keys.clone()));
    Ok(keys)
}

async fn role(root: &Client, name: &str, trust: &str, description: &str) -> Result<()> {
    let parameters = [("RoleName", name), ("AssumeRolePolicyDocument", trust), ("Description", description)];
    ensured(root.query("iam", "CreateRole", &parameters).await?)
}

async fn attach(root: &Client, role: &str, policy: &str) -> Result<()> {
    let arn = format!("arn:aws:iam::aws:policy/{policy}");
    root.query("iam", "AttachRolePolicy", &[("RoleName", role), ("PolicyArn", &arn)]).await?.success().map(drop)
}

fn service_trust(service: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"{service}"}},"Action":"sts:AssumeRole"}}]}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policies_are_json_and_name_no_other_placeholder() {
        for policy in [SLIPWAY_ROLE, SLIPWAY_TRUST, SLIPWAY_USER, &service_trust("x")] {
            let filled = policy.replace("${account}", "1").replace("${external_id}", "e");
            assert!(!filled.contains("${"), "{filled}");
            let parsed: serde_json::Value = serde_json::from_str(&filled).unwrap();
            assert_eq!(parsed["Version"], "2012-10-17");
        }
    }
}
