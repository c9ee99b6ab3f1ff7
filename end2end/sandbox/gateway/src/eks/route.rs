//! EKS's REST paths: which action a request is, and on what.

use http::Method;
use percent_encoding::percent_decode_str;

/// An EKS call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The action as IAM names it, without `eks:`.
    pub action: &'static str,
    /// The cluster it is about; empty when it is about none that exists yet.
    pub cluster: String,
    /// The thing within the cluster: a node group's name, an access entry's principal, …; or the ARN of a tagging call.
    pub item: String,
}

/// The kind of ARN an action is authorized on, for actions on something within a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// `nodegroup/CLUSTER/NAME/UUID`
    Nodegroup,
    /// `access-entry/CLUSTER/TYPE/ACCOUNT/NAME/UUID`
    AccessEntry,
    /// `addon/CLUSTER/NAME/UUID`
    Addon,
    /// `fargateprofile/CLUSTER/NAME/UUID`
    FargateProfile,
    /// `podidentityassociation/CLUSTER/ID`
    PodIdentityAssociation,
}

/// Method, path pattern (`*` the cluster, `+` the item, `?` anything) and action.
const ROUTES: &[(&str, &str, &str)] = &[
    ("POST", "clusters", "CreateCluster"),
    ("GET", "clusters", "ListClusters"),
    ("GET", "clusters/*", "DescribeCluster"),
    ("DELETE", "clusters/*", "DeleteCluster"),
    ("POST", "clusters/*/update-config", "UpdateClusterConfig"),
    ("POST", "clusters/*/updates", "UpdateClusterVersion"),
    ("GET", "clusters/*/updates", "ListUpdates"),
    ("GET", "clusters/*/updates/+", "DescribeUpdate"),
    ("POST", "clusters/*/updates/+/cancel-update", "CancelUpdate"),
    ("POST", "clusters/*/node-groups", "CreateNodegroup"),
    ("GET", "clusters/*/node-groups", "ListNodegroups"),
    ("GET", "clusters/*/node-groups/+", "DescribeNodegroup"),
    ("DELETE", "clusters/*/node-groups/+", "DeleteNodegroup"),
    ("POST", "clusters/*/node-groups/+/update-config", "UpdateNodegroupConfig"),
    ("POST", "clusters/*/node-groups/+/update-version", "UpdateNodegroupVersion"),
    ("POST", "clusters/*/fargate-profiles", "CreateFargateProfile"),
    ("GET", "clusters/*/fargate-profiles", "ListFargateProfiles"),
    ("GET", "clusters/*/fargate-profiles/+", "DescribeFargateProfile"),
    ("DELETE", "clusters/*/fargate-profiles/+", "DeleteFargateProfile"),
    ("POST", "clusters/*/addons", "CreateAddon"),
    ("GET", "clusters/*/addons", "ListAddons"),
    ("GET", "clusters/*/addons/+", "DescribeAddon"),
    ("DELETE", "clusters/*/addons/+", "DeleteAddon"),
    ("POST", "clusters/*/addons/+/update", "UpdateAddon"),
    ("GET", "addons/supported-versions", "DescribeAddonVersions"),
    ("GET", "addons/configuration-schemas", "DescribeAddonConfiguration"),
    ("POST", "clusters/*/access-entries", "CreateAccessEntry"),
    ("GET", "clusters/*/access-entries", "ListAccessEntries"),
    ("GET", "clusters/*/access-entries/+", "DescribeAccessEntry"),
    ("DELETE", "clusters/*/access-entries/+", "DeleteAccessEntry"),
    ("POST", "clusters/*/access-entries/+", "UpdateAccessEntry"),
    ("POST", "clusters/*/access-entries/+/access-policies", "AssociateAccessPolicy"),
    ("GET", "clusters/*/access-entries/+/access-policies", "ListAssociatedAccessPolicies"),
    ("DELETE", "clusters/*/access-entries/+/access-policies/?", "DisassociateAccessPolicy"),
    ("GET", "access-policies", "ListAccessPolicies"),
    ("POST", "clusters/*/identity-provider-configs/associate", "AssociateIdentityProviderConfig"),
    ("POST", "clusters/*/identity-provider-configs/disassociate", "DisassociateIdentityProviderConfig"),
    ("POST", "clusters/*/identity-provider-configs/describe", "DescribeIdentityProviderConfig"),
    ("GET", "clusters/*/identity-provider-configs", "ListIdentityProviderConfigs"),
    ("POST", "clusters/*/pod-identity-associations", "CreatePodIdentityAssociation"),
    ("GET", "clusters/*/pod-identity-associations", "ListPodIdentityAssociations"),
    ("GET", "clusters/*/pod-identity-associations/+", "DescribePodIdentityAssociation"),
    ("DELETE", "clusters/*/pod-identity-associations/+", "DeletePodIdentityAssociation"),
    ("POST", "clusters/*/pod-identity-associations/+", "UpdatePodIdentityAssociation"),
    ("POST", "clusters/*/insights", "ListInsights"),
    ("GET", "clusters/*/insights/+", "DescribeInsight"),
    ("GET", "clusters/*/insights-refresh", "DescribeInsightsRefresh"),
    ("POST", "clusters/*/insights-refresh", "StartInsightsRefresh"),
    ("POST", "clusters/*/encryption-config/associate", "AssociateEncryptionConfig"),
    ("POST", "cluster-registrations", "RegisterCluster"),
    ("DELETE", "cluster-registrations/*", "DeregisterCluster"),
    ("GET", "cluster-versions", "DescribeClusterVersions"),
    ("GET", "tags/+", "ListTagsForResource"),
    ("POST", "tags/+", "TagResource"),
    ("DELETE", "tags/+", "UntagResource"),
];

impl Route {
    /// The call that `method` on `path` is; none when EKS has no such path here.
    pub fn of(method: &Method, path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.trim_start_matches('/').trim_end_matches('/').split('/').collect();
        ROUTES.iter().find_map(|(verb, pattern, action)| {
            let pattern: Vec<&str> = pattern.split('/').collect();
            if *verb != method.as_str() || pattern.len() != segments.len() {
                return None;
            }
            let mut route = Self { action, cluster: String::new(), item: String::new() };
            for (expected, segment) in pattern.iter().zip(&segments) {
                let decoded = || percent_decode_str(segment).decode_utf8_lossy().into_owned();
                match *expected {
                    "*" => route.cluster = decoded(),
                    "+" => route.item = decoded(),
                    "?" => {}
                    literal if literal == *segment => {}
                    _ => return None,
                }
            }
            Some(route)
        })
    }

    /// The kind of thing within a cluster that the action is authorized on.
    pub fn item_kind(&self) -> Option<ItemKind> {
        Some(match self.action {
            "DescribeNodegroup" | "DeleteNodegroup" | "UpdateNodegroupConfig" | "UpdateNodegroupVersion" => ItemKind::Nodegroup,
            "DescribeAccessEntry" | "DeleteAccessEntry" | "UpdateAccessEntry" | "AssociateAccessPolicy" | "ListAssociatedAccessPolicies" | "DisassociateAccessPolicy" => {
                ItemKind::AccessEntry
            }
            "DescribeAddon" | "DeleteAddon" | "UpdateAddon" => ItemKind::Addon,
            "DescribeFargateProfile" | "DeleteFargateProfile" => ItemKind::FargateProfile,
            "DescribePodIdentityAssociation" | "DeletePodIdentityAssociation" | "UpdatePodIdentityAssociation" => ItemKind::PodIdentityAssociation,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: Method, path: &str) -> Option<(&'static str, String, String)> {
        Route::of(&method, path).map(|route| (route.action, route.cluster, route.item))
    }

    #[test]
    fn paths_become_actions() {
        assert_eq!(route(Method::POST, "/clusters"), Some(("CreateCluster", "".into(), "".into())));
        assert_eq!(route(Method::GET, "/clusters/lab"), Some(("DescribeCluster", "lab".into(), "".into())));
        assert_eq!(
            route(Method::DELETE, "/clusters/lab/access-entries/arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx/access-policies/arn%3Ap"),
            Some(("DisassociateAccessPolicy", "lab".into(), "arn:aws:iam::1:role/x".into()))
        );
    }

    #[test]
    fn an_unknown_path_is_no_action() {
        assert_eq!(route(Method::PATCH, "/clusters/lab"), None);
        assert_eq!(route(Method::GET, "/clusters/lab/secrets"), None);
        assert_eq!(route(Method::GET, "/"), None);
    }
}
