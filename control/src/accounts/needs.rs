//! What Slipway needs in an account, and why. The check and the policy to copy are both made from this list.

use serde_json::{Value, json};

/// One IAM action.
pub(super) struct Need {
    pub action: &'static str,
    pub purpose: &'static str,
    pub on: On,
}

/// What an action works on, as its policy has to name it
/// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    Anything,
    Cluster,
    AccessEntry,
    /// A cluster that Slipway maps itself into; nobody else.
    NewOwnEntry,
    /// Slipway's own access entry.
    OwnEntry,
    /// The same, for the one policy it associates.
    OwnAdminPolicy,
    Repository,
}

const fn need(action: &'static str, on: On, purpose: &'static str) -> Need {
    Need { action, purpose, on }
}

/// Everything but what the check itself needs.
pub(super) const NEEDS: &[Need] = &[
    need("eks:ListClusters", On::Anything, "See which clusters there are"),
    need("eks:DescribeCluster", On::Cluster, "Learn a cluster's address, version and state"),
    need("eks:DescribeAccessEntry", On::AccessEntry, "See how Slipway itself is mapped in a cluster"),
    need("eks:ListAssociatedAccessPolicies", On::AccessEntry, "See which access policies Slipway itself holds there"),
    need("eks:CreateAccessEntry", On::NewOwnEntry, "Map itself into a cluster at a click; without it an admin runs the commands shown"),
    need("eks:UpdateAccessEntry", On::OwnEntry, "Put its group into its own mapping"),
    need("eks:AssociateAccessPolicy", On::OwnAdminPolicy, "Be the cluster's admin for the moment of that click"),
    need("eks:DisassociateAccessPolicy", On::OwnEntry, "Give that up again"),
    need("ecr:DescribeRepositories", On::Repository, "List repositories"),
    need("ecr:DescribeImages", On::Repository, "List tags, and pin a release to its digest"),
];

/// What the check itself needs.
pub(super) const SIMULATE: &str = "iam:SimulatePrincipalPolicy";
pub(super) const GET_ROLE: &str = "iam:GetRole";

impl On {
    pub(super) const ALL: [Self; 7] = [Self::Anything, Self::Cluster, Self::AccessEntry, Self::NewOwnEntry, Self::OwnEntry, Self::OwnAdminPolicy, Self::Repository];

    /// The resources of this kind in an account, for its policy; `account` may be `*`.
    pub(super) fn pattern(self, partition: &str, account: &str) -> String {
        match self {
            Self::Anything => "*".into(),
            Self::Cluster | Self::NewOwnEntry => format!("arn:{partition}:eks:*:{account}:cluster/*"),
            Self::AccessEntry | Self::OwnEntry | Self::OwnAdminPolicy => format!("arn:{partition}:eks:*:{account}:access-entry/*"),
            Self::Repository => format!("arn:{partition}:ecr:*:{account}:repository/*"),
        }
    }

    /// What else has to hold: whoever may map principals could otherwise make anybody a cluster's admin.
    pub(super) fn condition(self, partition: &str, principal: &str) -> Option<Value> {
        match self {
            Self::NewOwnEntry | Self::OwnEntry => Some(json!({ "ArnEqualsIfExists": { "eks:principalArn": principal } })),
            Self::OwnAdminPolicy => {
                let policy = format!("arn:{partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy");
                Some(json!({ "ArnEqualsIfExists": { "eks:principalArn": principal, "eks:policyArn": policy } }))
            }
            Self::Anything | Self::Cluster | Self::AccessEntry | Self::Repository => None,
        }
    }

    /// One resource of this kind that need not exist, to ask IAM about.
    pub(super) fn example(self, partition: &str, region: &str, account: &str) -> String {
        match self {
            Self::Anything => "*".into(),
            Self::Cluster | Self::NewOwnEntry => format!("arn:{partition}:eks:{region}:{account}:cluster/slipway-check"),
            Self::AccessEntry | Self::OwnEntry | Self::OwnAdminPolicy => {
                format!("arn:{partition}:eks:{region}:{account}:access-entry/slipway-check/role/{account}/slipway/00000000-0000-0000-0000-000000000000")
            }
            Self::Repository => format!("arn:{partition}:ecr:{region}:{account}:repository/slipway-check"),
        }
    }
}

/// The part of AWS that a region belongs to, as ARNs name it.
pub(super) fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}
