//! What an admin, or the one click, applies to a cluster once: Slipway's own role, the three team roles, and the namespace of the accounts that teams act through.

use std::{collections::BTreeMap, fmt::Debug};

use domain::access::TeamRole;
use futures::{FutureExt as _, future::BoxFuture};
use k8s_openapi::{
    api::{
        core::v1::Namespace,
        rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, Resource};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::rights::{GROUP, NEEDS, Need};
use crate::{
    Result,
    k8s::{
        self,
        apply::{apply, typed},
        impersonate::cluster_role,
        labels::{ACCESS_NAMESPACE, MANAGED_BY, MANAGED_BY_SLIPWAY, NAME},
    },
};

const OWN: &str = "slipway";
const RBAC: &str = "rbac.authorization.k8s.io";

/// The objects, in the order in which they have to be there.
pub struct Manifest {
    namespace: Namespace,
    cluster_roles: Vec<ClusterRole>,
    cluster_binding: ClusterRoleBinding,
    role: Role,
    binding: RoleBinding,
}

impl Manifest {
    #[must_use]
    pub fn new() -> Self {
        let everywhere = rules(NEEDS.iter().filter(|need| need.namespace.is_none()));
        let in_access = rules(NEEDS.iter().filter(|need| need.namespace == Some(ACCESS_NAMESPACE)));
        let mut cluster_roles = vec![ClusterRole { metadata: metadata(OWN), rules: Some(everywhere), ..ClusterRole::default() }];
        cluster_roles.extend(TeamRole::ALL.map(|role| ClusterRole { metadata: metadata(cluster_role(role)), rules: Some(team_rules(role)), ..ClusterRole::default() }));
        let mut namespace = Namespace { metadata: metadata(ACCESS_NAMESPACE), ..Namespace::default() };
        // Nothing is meant to run there.
        namespace.metadata.labels.get_or_insert_default().insert("pod-security.kubernetes.io/enforce".into(), "restricted".into());
        Self {
            namespace,
            cluster_roles,
            cluster_binding: ClusterRoleBinding { metadata: metadata(OWN), role_ref: role_ref("ClusterRole"), subjects: Some(vec![subject()]) },
            role: Role { metadata: within(metadata(OWN)), rules: Some(in_access) },
            binding: RoleBinding { metadata: within(metadata(OWN)), role_ref: role_ref("Role"), subjects: Some(vec![subject()]) },
        }
    }

    /// For `kubectl apply`.
    ///
    /// # Errors
    /// A fault when an object cannot be written.
    pub fn yaml(&self) -> Result<String> {
        let mut values: Vec<Value> = vec![typed(&self.namespace)?];
        for role in &self.cluster_roles {
            values.push(typed(role)?);
        }
        values.push(typed(&self.cluster_binding)?);
        values.push(typed(&self.role)?);
        values.push(typed(&self.binding)?);
        let documents: Result<Vec<String>, _> = values.iter().map(serde_norway::to_string).collect();
        Ok(documents.map_err(anyhow::Error::new)?.join("---\n"))
    }

    /// Applying each object, in order; those that are right already stay as they are. Nothing is sent before it is awaited.
    pub fn writes(&self, client: &Client) -> Vec<BoxFuture<'_, k8s::Result<()>>> {
        let mut writes = vec![put(Api::all(client.clone()), &self.namespace)];
        writes.extend(self.cluster_roles.iter().map(|role| put(Api::all(client.clone()), role)));
        writes.push(put(Api::all(client.clone()), &self.cluster_binding));
        writes.push(put(Api::namespaced(client.clone(), ACCESS_NAMESPACE), &self.role));
        writes.push(put(Api::namespaced(client.clone(), ACCESS_NAMESPACE), &self.binding));
        writes
    }
}

fn put<K>(api: Api<K>, object: &K) -> BoxFuture<'_, k8s::Result<()>>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static,
{
    async move { apply(&api, object).await.map(drop) }.boxed()
}

/// What a team may do in its workspaces through Slipway. Each role includes the ones before it.
///
/// A deployer cannot delete what runs and cannot read secrets; nobody can exec into a pod, or make anything that grants rights.
fn team_rules(role: TeamRole) -> Vec<PolicyRule> {
    const READ: &[&str] = &["get", "list", "watch"];
    let mut rules = vec![
        allow("", &["events", "limitranges", "pods", "pods/log", "resourcequotas", "serviceaccounts", "services"], READ),
        allow("apps", &["deployments", "replicasets"], READ),
        allow("networking.k8s.io", &["networkpolicies"], READ),
        allow("policy", &["poddisruptionbudgets"], READ),
    ];
    let ours: [(&str, &[&str]); 3] = [("", &["serviceaccounts", "services"]), ("apps", &["deployments"]), ("policy", &["poddisruptionbudgets"])];
    if role >= TeamRole::Deployer {
        rules.extend(ours.map(|(group, resources)| allow(group, resources, &["create", "patch", "update"])));
        // A websocket is a GET, and Kubernetes checks both verbs.
        rules.push(allow("", &["pods/portforward"], &["create", "get"]));
    }
    if role >= TeamRole::Owner {
        rules.extend(ours.map(|(group, resources)| allow(group, resources, &["delete"])));
    }
    rules
}

fn allow(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    PolicyRule { api_groups: Some(vec![group.into()]), resources: Some(texts(resources)), verbs: texts(verbs), ..PolicyRule::default() }
}

/// Needs as rules; resources of one group with the same verbs share one.
fn rules<'a>(needs: impl Iterator<Item = &'a Need>) -> Vec<PolicyRule> {
    let mut rules: Vec<PolicyRule> = Vec::new();
    for need in needs {
        let resource = need.subresource.map_or_else(|| need.resource.to_owned(), |subresource| format!("{}/{subresource}", need.resource));
        let names = (!need.names.is_empty()).then(|| texts(need.names));
        let rule = PolicyRule { resource_names: names, ..allow(need.group, &[&resource], need.verbs) };
        let alike = |known: &&mut PolicyRule| known.resource_names.is_none() && rule.resource_names.is_none() && known.api_groups == rule.api_groups && known.verbs == rule.verbs;
        match rules.iter_mut().find(alike) {
            Some(known) => known.resources.get_or_insert_default().push(resource),
            None => rules.push(rule),
        }
    }
    rules
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// These objects are no team's: the watches of teams' objects do not select them.
fn metadata(name: &str) -> ObjectMeta {
    let labels = BTreeMap::from([(MANAGED_BY.to_owned(), MANAGED_BY_SLIPWAY.to_owned()), (NAME.to_owned(), "slipway-access".to_owned())]);
    ObjectMeta { name: Some(name.into()), labels: Some(labels), ..ObjectMeta::default() }
}

fn within(metadata: ObjectMeta) -> ObjectMeta {
    ObjectMeta { namespace: Some(ACCESS_NAMESPACE.into()), ..metadata }
}

fn role_ref(kind: &str) -> RoleRef {
    RoleRef { api_group: RBAC.into(), kind: kind.into(), name: OWN.into() }
}

fn subject() -> Subject {
    Subject { api_group: Some(RBAC.into()), kind: "Group".into(), name: GROUP.into(), namespace: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_is_what_people_apply() {
        insta::assert_snapshot!("manifest", Manifest::new().yaml().unwrap());
    }

    #[test]
    fn a_team_role_includes_the_one_before_it() {
        let [viewer, deployer, owner] = TeamRole::ALL.map(team_rules);
        assert!(deployer.starts_with(&viewer));
        assert!(owner.starts_with(&deployer));
        let may = |rules: &[PolicyRule], verb: &str, resource: &str| {
            rules.iter().any(|rule| rule.verbs.iter().any(|v| v == verb) && rule.resources.iter().flatten().any(|r| r == resource))
        };
        assert!(!may(&viewer, "create", "deployments") && may(&deployer, "create", "deployments"));
        assert!(!may(&deployer, "delete", "deployments") && may(&owner, "delete", "deployments"));
        assert!(!may(&viewer, "get", "pods/portforward") && may(&deployer, "get", "pods/portforward"));
        for verb in ["get", "list", "create"] {
            assert!(!may(&owner, verb, "secrets") && !may(&owner, verb, "pods/exec") && !may(&owner, verb, "rolebindings"));
        }
    }
}
