//! What Slipway's own principal needs in a cluster. The roles that grant it and the check that it has it are made from this one table.

/// Reading, and being told of changes.
const WATCH: &[&str] = &["get", "list", "watch"];
/// Looking once.
const LIST: &[&str] = &["list"];
/// Making, changing and removing.
const MANAGE: &[&str] = &["get", "list", "watch", "create", "patch", "update", "delete"];
/// The Kubernetes group that Slipway's principal is mapped to.
pub const GROUP: &str = "slipway";

/// One thing that is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    pub group: &'static str,
    pub resource: &'static str,
    pub subresource: Option<&'static str>,
    pub verbs: &'static [&'static str],
    /// Only in this namespace; in all of them when absent.
    pub namespace: Option<&'static str>,
    /// Only objects of these names; of any when empty.
    pub names: &'static [&'static str],
    pub purpose: &'static str,
}

const fn need(group: &'static str, resource: &'static str, verbs: &'static [&'static str], purpose: &'static str) -> Need {
    Need { group, resource, subresource: None, verbs, namespace: None, names: &[], purpose }
}

/// Everything that is needed, and nothing more: no secrets, no pods of others to change, no `escalate`.
pub const NEEDS: &[Need] = &[
    need("", "namespaces", MANAGE, "Make workspaces"),
    need("", "resourcequotas", MANAGE, "Hold workspaces to their quota"),
    need("", "limitranges", MANAGE, "Give pods without requests sensible ones"),
    need("networking.k8s.io", "networkpolicies", MANAGE, "Close workspaces off from each other"),
    need("rbac.authorization.k8s.io", "rolebindings", MANAGE, "Give teams their roles in their workspaces"),
    Need {
        names: &["slipway-viewer", "slipway-deployer", "slipway-owner"],
        ..need("rbac.authorization.k8s.io", "clusterroles", &["bind"], "Bind its three team roles, and no other role")
    },
    Need { namespace: Some(crate::k8s::labels::ACCESS_NAMESPACE), ..need("", "serviceaccounts", MANAGE, "Make the accounts that teams act through") },
    Need {
        namespace: Some(crate::k8s::labels::ACCESS_NAMESPACE),
        ..need("", "serviceaccounts", &["impersonate"], "Act as a team, so that Kubernetes checks what the team may do")
    },
    Need { subresource: Some("slipway-user"), ..need("authentication.k8s.io", "userextras", &["impersonate"], "Name the person in the cluster's audit log") },
    need("", "nodes", WATCH, "Show nodes, zones and capacity"),
    need("", "pods", WATCH, "Show replicas and why they fail"),
    need("apps", "deployments", WATCH, "Follow rollouts"),
    need("apps", "replicasets", WATCH, "Follow rollouts"),
    need("", "services", WATCH, "Notice what is missing"),
    need("", "serviceaccounts", WATCH, "Notice what is missing"),
    need("policy", "poddisruptionbudgets", WATCH, "Notice what is missing"),
    need("", "events", WATCH, "Say why something does not start"),
    need("apps", "daemonsets", WATCH, "Find out whether network policies are enforced"),
    need("apps", "statefulsets", LIST, "Find what others would lose with a workspace"),
    need("batch", "cronjobs", LIST, "Find what others would lose with a workspace"),
    need("batch", "jobs", LIST, "Find what others would lose with a workspace"),
    need("", "persistentvolumeclaims", LIST, "Find what others would lose with a workspace"),
];

impl Need {
    /// `get, list, watch nodes`
    #[must_use]
    pub fn words(&self, verbs: &[&str]) -> String {
        let verbs = if verbs == MANAGE { "manage".into() } else { verbs.join(", ") };
        let subresource = self.subresource.map(|subresource| format!("/{subresource}")).unwrap_or_default();
        let names = if self.names.is_empty() { String::new() } else { format!(" {}", self.names.join(", ")) };
        let place = self.namespace.map(|namespace| format!(" in {namespace}")).unwrap_or_default();
        format!("{verbs} {}{subresource}{names}{place}", self.resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slipway_never_asks_for_what_would_make_it_an_admin() {
        for need in NEEDS {
            assert!(!need.verbs.contains(&"escalate") && !need.verbs.contains(&"*"), "{need:?}");
            assert!(!["secrets", "users", "groups", "*", "clusterrolebindings", "roles"].contains(&need.resource), "{need:?}");
            if need.verbs.contains(&"impersonate") {
                assert!(need.namespace.is_some() || need.subresource == Some("slipway-user"), "{need:?}");
            }
            if need.resource == "clusterroles" {
                assert!(need.verbs == ["bind"] && !need.names.is_empty(), "{need:?}");
            }
        }
    }

    #[test]
    fn needs_read_like_sentences() {
        assert_eq!(NEEDS[0].words(NEEDS[0].verbs), "manage namespaces");
        assert_eq!(NEEDS[0].words(&["create", "delete"]), "create, delete namespaces");
        assert_eq!(NEEDS[7].words(NEEDS[7].verbs), "impersonate serviceaccounts in slipway-access");
        assert_eq!(NEEDS[8].words(NEEDS[8].verbs), "impersonate userextras/slipway-user");
    }
}
