//! What Slipway needs in an account, and why. The check and the policy to copy are both made from this list.

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
    Repository,
}

const fn need(action: &'static str, on: On, purpose: &'static str) -> Need {
    Need { action, purpose, on }
}

/// Everything but what the check itself needs.
pub(super) const NEEDS: &[Need] = &[
    need("eks:ListClusters", On::Anything, "See which clusters there are"),
    need("eks:DescribeCluster", On::Cluster, "Learn a cluster's address, version and state"),
    need("eks:ListAccessEntries", On::Cluster, "See who has a way into a cluster"),
    need("eks:DescribeAccessEntry", On::AccessEntry, "See how Slipway itself is mapped in a cluster"),
    need("eks:CreateAccessEntry", On::Cluster, "Give itself a way into a cluster at a click; without it an admin runs the commands shown"),
    need("eks:AssociateAccessPolicy", On::AccessEntry, "Be the cluster's admin for the moment of that click"),
    need("eks:DisassociateAccessPolicy", On::AccessEntry, "Give that up again"),
    need("eks:DeleteAccessEntry", On::AccessEntry, "Take its own way into a cluster back"),
    need("ecr:DescribeRepositories", On::Repository, "List repositories"),
    need("ecr:DescribeImages", On::Repository, "List tags, and pin a release to its digest"),
];

/// What the check itself needs.
pub(super) const SIMULATE: &str = "iam:SimulatePrincipalPolicy";
pub(super) const GET_ROLE: &str = "iam:GetRole";

impl On {
    /// The resources of this kind in an account, for its policy; `account` may be `*`.
    pub(super) fn pattern(self, partition: &str, account: &str) -> String {
        match self {
            Self::Anything => "*".into(),
            Self::Cluster => format!("arn:{partition}:eks:*:{account}:cluster/*"),
            Self::AccessEntry => format!("arn:{partition}:eks:*:{account}:access-entry/*"),
            Self::Repository => format!("arn:{partition}:ecr:*:{account}:repository/*"),
        }
    }

    /// One resource of this kind that need not exist, to ask IAM about.
    pub(super) fn example(self, partition: &str, region: &str, account: &str) -> String {
        match self {
            Self::Anything => "*".into(),
            Self::Cluster => format!("arn:{partition}:eks:{region}:{account}:cluster/slipway-check"),
            Self::AccessEntry => format!("arn:{partition}:eks:{region}:{account}:access-entry/slipway-check/role/{account}/slipway/00000000-0000-0000-0000-000000000000"),
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
