//! IAM: what a principal would be allowed to do.

use aws_config::SdkConfig;
use aws_sdk_iam::{Client, types::PolicyEvaluationDecisionType};
use domain::Rejected;

use super::{rejected, sts::Identity};

/// What IAM says about one action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulated {
    /// `eks:DescribeCluster`
    pub action: String,
    /// Why not, in IAM's words; none when it is allowed.
    pub denied: Option<String>,
}

/// Asks IAM what its policies let `principal` (a role's or user's ARN) do with `resource`.
///
/// # Errors
/// `aws_denied` when Slipway may not ask, `aws_unavailable`.
pub async fn simulate(config: &SdkConfig, principal: &str, actions: &[&str], resource: &str) -> Result<Vec<Simulated>, Rejected> {
    let actions = actions.iter().map(|action| (*action).to_owned()).collect();
    let mut pages =
        Client::new(config).simulate_principal_policy().policy_source_arn(principal).set_action_names(Some(actions)).resource_arns(resource).into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(result) = pages.next().await {
        let result = result.map_err(|error| rejected(error, "ask IAM what it may do"))?;
        let bounded = result.permissions_boundary_decision_detail().is_some_and(|detail| !detail.allowed_by_permissions_boundary());
        let organised = result.organizations_decision_detail().is_some_and(|detail| !detail.allowed_by_organizations());
        let denied = match result.eval_decision() {
            PolicyEvaluationDecisionType::Allowed => None,
            _ if organised => Some(format!("A service control policy of the organization does not allow it on {resource}.")),
            _ if bounded => Some(format!("The permissions boundary does not allow it on {resource}.")),
            PolicyEvaluationDecisionType::ExplicitDeny => Some(format!("A policy denies it on {resource}.")),
            _ => Some(format!("No policy allows it on {resource}.")),
        };
        found.push(Simulated { action: result.eval_action_name().into(), denied });
    }
    Ok(found)
}

/// Who the policies are attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// The ARN of a role or user.
    Named(String),
    /// The account's root user: no IAM policy limits it.
    Root,
    /// Something policies cannot be simulated for, such as a federated user.
    Other(String),
}

/// The role or user behind an identity.
///
/// A session's ARN leaves out the role's path, so IAM is asked for the role; where it does not say, the path is taken to be none.
pub async fn principal(config: &SdkConfig, identity: &Identity) -> Principal {
    match role_of_session(&identity.arn) {
        Some((without_path, name)) => {
            let role = Client::new(config).get_role().role_name(name).send().await;
            Principal::Named(role.ok().and_then(|answer| answer.role().map(|role| role.arn().to_owned())).unwrap_or(without_path))
        }
        None if identity.arn.ends_with(":root") => Principal::Root,
        None if identity.arn.contains(":user/") => Principal::Named(identity.arn.clone()),
        None => Principal::Other(identity.arn.clone()),
    }
}

/// `arn:aws:sts::123456789012:assumed-role/slipway/session` becomes the role's ARN and name.
fn role_of_session(arn: &str) -> Option<(String, &str)> {
    let (head, rest) = arn.split_once(":sts::")?;
    let (account, resource) = rest.split_once(':')?;
    let name = resource.strip_prefix("assumed-role/")?.split('/').next()?;
    Some((format!("{head}:iam::{account}:role/{name}"), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_belongs_to_a_role() {
        let role = role_of_session("arn:aws-cn:sts::123456789012:assumed-role/slipway/session");
        assert_eq!(role, Some(("arn:aws-cn:iam::123456789012:role/slipway".into(), "slipway")));
        assert_eq!(role_of_session("arn:aws:iam::123456789012:user/slipway"), None);
        assert_eq!(role_of_session("arn:aws:sts::123456789012:federated-user/x"), None);
    }
}
