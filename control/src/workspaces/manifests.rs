//! A workspace as Kubernetes objects: the namespace, what bounds it, and who may do what in it.

use std::collections::BTreeMap;

use domain::{
    access::TeamRole,
    ids::{TeamId, WorkspaceId},
    workspace::Quota,
};
use k8s_openapi::{
    api::{
        core::v1::{LimitRange, LimitRangeItem, LimitRangeSpec, Namespace, ResourceQuota, ResourceQuotaSpec, ServiceAccount},
        networking::v1::{NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec},
        rbac::v1::{RoleBinding, RoleRef, Subject},
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use uuid::Uuid;

use crate::k8s::{impersonate, labels};

/// The name of the quota and the limit range; other things there begin with it.
const NAME: &str = "slipway";

/// Everything that decides what the objects look like.
#[derive(Clone, Debug)]
pub struct Blueprint {
    pub installation: Uuid,
    pub workspace: WorkspaceId,
    pub team: TeamId,
    pub namespace: String,
    pub generation: i64,
    pub quota: Quota,
}

impl Blueprint {
    fn identity(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (labels::MANAGED_BY.into(), labels::MANAGED_BY_SLIPWAY.into()),
            (labels::WORKSPACE.into(), self.workspace.to_string()),
            (labels::TEAM.into(), self.team.to_string()),
        ])
    }

    fn meta(&self, name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.into()),
            namespace: Some(self.namespace.clone()),
            labels: Some(self.identity()),
            annotations: Some(BTreeMap::from([(labels::INSTALLATION.into(), self.installation.to_string()), (labels::GENERATION.into(), self.generation.to_string())])),
            ..ObjectMeta::default()
        }
    }

    /// The namespace. Pods that could harm the node are refused by Kubernetes itself.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        let mut metadata = ObjectMeta { namespace: None, ..self.meta(&self.namespace) };
        metadata.labels.get_or_insert_default().insert("pod-security.kubernetes.io/enforce".into(), "restricted".into());
        Namespace { metadata, ..Namespace::default() }
    }

    /// The namespace with nothing of ours on it, as it is left when it was adopted.
    #[must_use]
    pub fn released_namespace(&self) -> Namespace {
        Namespace { metadata: ObjectMeta { name: Some(self.namespace.clone()), ..ObjectMeta::default() }, ..Namespace::default() }
    }

    /// The most that all pods together may ask for.
    #[must_use]
    pub fn quota(&self) -> ResourceQuota {
        let hard = BTreeMap::from([
            ("requests.cpu".into(), Quantity(format!("{}m", self.quota.cpu_millis))),
            ("requests.memory".into(), Quantity(format!("{}Mi", self.quota.memory_mib))),
            ("requests.nvidia.com/gpu".into(), Quantity(self.quota.gpus.to_string())),
            ("pods".into(), Quantity(self.quota.pods.to_string())),
        ]);
        ResourceQuota { metadata: self.meta(NAME), spec: Some(ResourceQuotaSpec { hard: Some(hard), ..ResourceQuotaSpec::default() }), ..ResourceQuota::default() }
    }

    /// What a container gets that does not say what it needs.
    #[must_use]
    pub fn limits(&self) -> LimitRange {
        let amounts = |cpu: &str, memory: &str| Some(BTreeMap::from([("cpu".into(), Quantity(cpu.into())), ("memory".into(), Quantity(memory.into()))]));
        let memory = Some(BTreeMap::from([("memory".into(), Quantity("512Mi".into()))]));
        let item = LimitRangeItem { type_: "Container".into(), default_request: amounts("100m", "128Mi"), default: memory, ..LimitRangeItem::default() };
        LimitRange { metadata: self.meta(NAME), spec: Some(LimitRangeSpec { limits: vec![item] }) }
    }

    /// Nothing in or out by default. Names can be looked up, and the team's pods reach each other's model ports. Nothing opens
    /// the way to 169.254.169.254, where an instance hands out its role's credentials.
    #[must_use]
    pub fn policies(&self) -> [NetworkPolicy; 3] {
        let both = || Some(vec!["Ingress".to_owned(), "Egress".to_owned()]);
        let policy = |name: &str, spec: NetworkPolicySpec| NetworkPolicy { metadata: self.meta(&format!("{NAME}-{name}")), spec: Some(spec) };
        let port = |protocol: &str, port: IntOrString| NetworkPolicyPort { protocol: Some(protocol.into()), port: Some(port), ..NetworkPolicyPort::default() };
        let namespaces = |key: &str, value: &str| NetworkPolicyPeer {
            namespace_selector: Some(LabelSelector { match_labels: Some(BTreeMap::from([(key.to_owned(), value.to_owned())])), ..LabelSelector::default() }),
            ..NetworkPolicyPeer::default()
        };
        let dns = NetworkPolicyEgressRule {
            to: Some(vec![NetworkPolicyPeer {
                pod_selector: Some(LabelSelector { match_labels: Some(BTreeMap::from([("k8s-app".into(), "kube-dns".into())])), ..LabelSelector::default() }),
                ..namespaces("kubernetes.io/metadata.name", "kube-system")
            }]),
            ports: Some(vec![port("UDP", IntOrString::Int(53)), port("TCP", IntOrString::Int(53))]),
        };
        let team = || Some(vec![namespaces(labels::TEAM, &self.team.to_string())]);
        let model = || Some(vec![port("TCP", IntOrString::String(labels::MODEL_PORT.into()))]);
        [
            policy("default-deny", NetworkPolicySpec { policy_types: both(), ..NetworkPolicySpec::default() }),
            policy("dns", NetworkPolicySpec { policy_types: Some(vec!["Egress".into()]), egress: Some(vec![dns]), ..NetworkPolicySpec::default() }),
            policy(
                "models",
                NetworkPolicySpec {
                    policy_types: both(),
                    ingress: Some(vec![NetworkPolicyIngressRule { from: team(), ports: model() }]),
                    egress: Some(vec![NetworkPolicyEgressRule { to: team(), ports: model() }]),
                    ..NetworkPolicySpec::default()
                },
            ),
        ]
    }

    /// The accounts that the team acts through. They belong to the team, not to one of its workspaces, so they carry no generation.
    #[must_use]
    pub fn accounts(&self) -> [ServiceAccount; 3] {
        TeamRole::ALL.map(|role| {
            let mut metadata = ObjectMeta { namespace: Some(labels::ACCESS_NAMESPACE.into()), ..self.meta(&impersonate::service_account(self.team, role)) };
            metadata.labels.get_or_insert_default().remove(labels::WORKSPACE);
            metadata.annotations.get_or_insert_default().remove(labels::GENERATION);
            ServiceAccount { metadata, automount_service_account_token: Some(false), ..ServiceAccount::default() }
        })
    }

    /// What those accounts may do here.
    #[must_use]
    pub fn bindings(&self) -> [RoleBinding; 3] {
        TeamRole::ALL.map(|role| RoleBinding {
            metadata: self.meta(&format!("{NAME}-{}", role.as_str())),
            role_ref: RoleRef { api_group: "rbac.authorization.k8s.io".into(), kind: "ClusterRole".into(), name: impersonate::cluster_role(role).into() },
            subjects: Some(vec![Subject {
                kind: "ServiceAccount".into(),
                name: impersonate::service_account(self.team, role),
                namespace: Some(labels::ACCESS_NAMESPACE.into()),
                ..Subject::default()
            }]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blueprint() -> Blueprint {
        Blueprint {
            installation: Uuid::from_u128(1),
            workspace: WorkspaceId(Uuid::from_u128(2)),
            team: TeamId(Uuid::from_u128(3)),
            namespace: "forecasting".into(),
            generation: 1,
            quota: Quota { cpu_millis: 8000, memory_mib: 16_384, gpus: 1, pods: 20 },
        }
    }

    #[test]
    fn the_manifests_are_these() {
        let blueprint = blueprint();
        let mut documents = vec![
            serde_norway::to_string(&blueprint.namespace()).unwrap(),
            serde_norway::to_string(&blueprint.quota()).unwrap(),
            serde_norway::to_string(&blueprint.limits()).unwrap(),
        ];
        documents.extend(blueprint.policies().iter().map(|policy| serde_norway::to_string(policy).unwrap()));
        documents.extend(blueprint.accounts().iter().map(|account| serde_norway::to_string(account).unwrap()));
        documents.extend(blueprint.bindings().iter().map(|binding| serde_norway::to_string(binding).unwrap()));
        insta::assert_snapshot!(documents.join("---\n"));
    }

    #[test]
    fn no_policy_opens_an_address() {
        for policy in blueprint().policies() {
            let spec = policy.spec.unwrap();
            let peers = spec.egress.iter().flatten().flat_map(|rule| rule.to.iter().flatten()).chain(spec.ingress.iter().flatten().flat_map(|rule| rule.from.iter().flatten()));
            for peer in peers {
                assert!(peer.ip_block.is_none() && peer.namespace_selector.is_some(), "{peer:?}");
            }
            // A rule without peers would open everything.
            assert!(spec.egress.iter().flatten().all(|rule| rule.to.as_ref().is_some_and(|to| !to.is_empty())));
            assert!(spec.ingress.iter().flatten().all(|rule| rule.from.as_ref().is_some_and(|from| !from.is_empty())));
        }
    }
}
