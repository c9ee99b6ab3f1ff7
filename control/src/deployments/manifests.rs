//! A revision as Kubernetes objects. Only fields that Slipway means are set: what is left out stays the cluster's.

use std::collections::BTreeMap;

use domain::{deployment::Variable, ids::DeploymentId, size::Size};
use k8s_openapi::{
    Resource,
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{
            Capabilities, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, HTTPGetAction, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements,
            SeccompProfile, SecurityContext, Service, ServiceAccount, ServicePort, ServiceSpec, TopologySpreadConstraint, Volume, VolumeMount,
        },
        policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use serde::Serialize;
use uuid::Uuid;

use crate::k8s::labels;

/// Everything that decides what the objects look like.
#[derive(Clone, Debug)]
pub struct Blueprint {
    pub installation: Uuid,
    pub deployment: DeploymentId,
    pub name: String,
    pub namespace: String,
    pub generation: i64,
    /// The wanted revision.
    pub revision: i32,
    /// The revision whose pods these are: see [`labels::REVISION`].
    pub template_revision: i32,
    /// `repository@sha256:…`
    pub image: String,
    pub port: i32,
    pub health_path: String,
    pub size: Size,
    pub replicas: i32,
    pub environment: Vec<Variable>,
}

/// The objects of a deployment, in the order in which they are applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Objects {
    pub service_account: ServiceAccount,
    pub service: Service,
    pub disruption_budget: PodDisruptionBudget,
    pub deployment: Deployment,
}

/// How often a probe is made while the model loads, in seconds.
const STARTUP_PERIOD: i32 = 2;
/// Nobody in particular: images that do not say otherwise run as this user.
const NOBODY: i64 = 65_532;

impl Blueprint {
    /// The objects.
    #[must_use]
    pub fn objects(&self) -> Objects {
        Objects { service_account: self.service_account(), service: self.service(), disruption_budget: self.disruption_budget(), deployment: self.deployment() }
    }

    /// How long a model of this size may load, in seconds. Larger ones read more.
    #[must_use]
    pub fn startup_seconds(&self) -> i32 {
        match self.size {
            Size::Tiny => 60,
            Size::Small => 120,
            Size::Medium => 300,
            Size::Large | Size::Gpu => 900,
        }
    }

    /// How long Kubernetes waits for progress, in seconds: for a node to be added, which takes minutes, the image to be pulled
    /// and the model to load.
    #[must_use]
    pub fn patience_seconds(&self) -> i32 {
        self.startup_seconds() + 600
    }

    fn identity(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (labels::MANAGED_BY.into(), labels::MANAGED_BY_SLIPWAY.into()),
            (labels::NAME.into(), self.name.clone()),
            (labels::DEPLOYMENT.into(), self.deployment.to_string()),
        ])
    }

    fn meta(&self) -> ObjectMeta {
        ObjectMeta {
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            labels: Some(self.identity()),
            annotations: Some(BTreeMap::from([
                (labels::INSTALLATION.into(), self.installation.to_string()),
                (labels::GENERATION.into(), self.generation.to_string()),
                (labels::REVISION.into(), self.revision.to_string()),
            ])),
            ..ObjectMeta::default()
        }
    }

    /// The labels by which Service, Deployment and budget find the pods; they never change, since a selector cannot.
    fn selector(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(labels::DEPLOYMENT.into(), self.deployment.to_string())])
    }

    fn service_account(&self) -> ServiceAccount {
        ServiceAccount { metadata: self.meta(), automount_service_account_token: Some(false), ..ServiceAccount::default() }
    }

    fn service(&self) -> Service {
        let port = ServicePort {
            name: Some(labels::MODEL_PORT.into()),
            port: 80,
            protocol: Some("TCP".into()),
            target_port: Some(IntOrString::String(labels::MODEL_PORT.into())),
            ..ServicePort::default()
        };
        let spec = ServiceSpec { type_: Some("ClusterIP".into()), selector: Some(self.selector()), ports: Some(vec![port]), ..ServiceSpec::default() };
        Service { metadata: self.meta(), spec: Some(spec), ..Service::default() }
    }

    fn disruption_budget(&self) -> PodDisruptionBudget {
        let spec = PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(LabelSelector { match_labels: Some(self.selector()), ..LabelSelector::default() }),
            // A pod that never became ready does not keep a node from being drained.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".into()),
            ..PodDisruptionBudgetSpec::default()
        };
        PodDisruptionBudget { metadata: self.meta(), spec: Some(spec), ..PodDisruptionBudget::default() }
    }

    fn deployment(&self) -> Deployment {
        let mut pod_labels = self.identity();
        pod_labels.insert(labels::REVISION.into(), self.template_revision.to_string());
        let spec = DeploymentSpec {
            replicas: Some(self.replicas),
            // History is kept in the database, and an old ReplicaSet is one roll back away.
            revision_history_limit: Some(3),
            progress_deadline_seconds: Some(self.patience_seconds()),
            selector: LabelSelector { match_labels: Some(self.selector()), ..LabelSelector::default() },
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".into()),
                // What serves goes on serving until its successor is ready.
                rolling_update: Some(RollingUpdateDeployment { max_unavailable: Some(IntOrString::Int(0)), max_surge: Some(IntOrString::Int(1)) }),
            }),
            template: PodTemplateSpec { metadata: Some(ObjectMeta { labels: Some(pod_labels), ..ObjectMeta::default() }), spec: Some(self.pod()) },
            ..DeploymentSpec::default()
        };
        Deployment { metadata: self.meta(), spec: Some(spec), ..Deployment::default() }
    }

    fn pod(&self) -> PodSpec {
        PodSpec {
            service_account_name: Some(self.name.clone()),
            // A model has no business with the Kubernetes API, nor with the addresses of its neighbours.
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            termination_grace_period_seconds: Some(30),
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(NOBODY),
                run_as_group: Some(NOBODY),
                fs_group: Some(NOBODY),
                seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), ..SeccompProfile::default() }),
                ..PodSecurityContext::default()
            }),
            topology_spread_constraints: Some(vec![self.spread("topology.kubernetes.io/zone"), self.spread("kubernetes.io/hostname")]),
            containers: vec![self.container()],
            volumes: Some(vec![Volume { name: "tmp".into(), empty_dir: Some(EmptyDirVolumeSource::default()), ..Volume::default() }]),
            ..PodSpec::default()
        }
    }

    /// Spread where possible: a cluster with one zone still runs it.
    fn spread(&self, key: &str) -> TopologySpreadConstraint {
        TopologySpreadConstraint {
            max_skew: 1,
            topology_key: key.into(),
            when_unsatisfiable: "ScheduleAnyway".into(),
            label_selector: Some(LabelSelector { match_labels: Some(self.selector()), ..LabelSelector::default() }),
            // Counts the replicas of one template only, so that the ones on their way out do not skew it.
            match_label_keys: Some(vec!["pod-template-hash".into()]),
            ..TopologySpreadConstraint::default()
        }
    }

    fn container(&self) -> Container {
        let ask = |name: &str, amount: String| (name.to_owned(), Quantity(amount));
        let mut requests = BTreeMap::from([ask("cpu", format!("{}m", self.size.cpu_millis())), ask("memory", format!("{}Mi", self.size.memory_mib()))]);
        // Memory is reserved whole; CPU may be borrowed while nobody else wants it.
        let mut limits = BTreeMap::from([ask("memory", format!("{}Mi", self.size.memory_mib()))]);
        if self.size.gpus() > 0 {
            requests.insert("nvidia.com/gpu".into(), Quantity(self.size.gpus().to_string()));
            limits.insert("nvidia.com/gpu".into(), Quantity(self.size.gpus().to_string()));
        }
        let environment: Vec<EnvVar> = self
            .environment
            .iter()
            // Kubernetes would replace $(NAME) in a value and takes $$ for $; what people type is what the model gets.
            .map(|variable| EnvVar { name: variable.name.clone(), value: Some(variable.value.replace('$', "$$")), ..EnvVar::default() })
            .collect();
        Container {
            name: labels::MODEL_CONTAINER.into(),
            image: Some(self.image.clone()),
            image_pull_policy: Some("IfNotPresent".into()),
            ports: Some(vec![ContainerPort { name: Some(labels::MODEL_PORT.into()), container_port: self.port, protocol: Some("TCP".into()), ..ContainerPort::default() }]),
            env: (!environment.is_empty()).then_some(environment),
            resources: Some(ResourceRequirements { requests: Some(requests), limits: Some(limits), ..ResourceRequirements::default() }),
            startup_probe: Some(self.probe(STARTUP_PERIOD, self.startup_seconds() / STARTUP_PERIOD)),
            readiness_probe: Some(self.probe(5, 3)),
            // Slower than readiness: a busy model is first taken out of the Service, and only later started again.
            liveness_probe: Some(self.probe(10, 6)),
            security_context: Some(SecurityContext {
                allow_privilege_escalation: Some(false),
                privileged: Some(false),
                read_only_root_filesystem: Some(true),
                run_as_non_root: Some(true),
                capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), ..Capabilities::default() }),
                ..SecurityContext::default()
            }),
            // The end of the log stands in for words the container did not leave.
            termination_message_policy: Some("FallbackToLogsOnError".into()),
            volume_mounts: Some(vec![VolumeMount { name: "tmp".into(), mount_path: "/tmp".into(), ..VolumeMount::default() }]),
            ..Container::default()
        }
    }

    fn probe(&self, period: i32, failures: i32) -> Probe {
        Probe {
            http_get: Some(HTTPGetAction { path: Some(self.health_path.clone()), port: IntOrString::String(labels::MODEL_PORT.into()), ..HTTPGetAction::default() }),
            period_seconds: Some(period),
            failure_threshold: Some(failures),
            timeout_seconds: Some(2),
            ..Probe::default()
        }
    }
}

impl Objects {
    /// Kind and name of each, in order.
    #[must_use]
    pub fn names(&self) -> Vec<(&'static str, String)> {
        let name = |meta: &ObjectMeta| meta.name.clone().unwrap_or_default();
        vec![
            (ServiceAccount::KIND, name(&self.service_account.metadata)),
            (Service::KIND, name(&self.service.metadata)),
            (PodDisruptionBudget::KIND, name(&self.disruption_budget.metadata)),
            (Deployment::KIND, name(&self.deployment.metadata)),
        ]
    }

    /// The manifests as the YAML people know from kubectl.
    ///
    /// # Errors
    /// When an object cannot be written, which would be ours to mend.
    pub fn yaml(&self) -> anyhow::Result<String> {
        let documents = [document(&self.service_account)?, document(&self.service)?, document(&self.disruption_budget)?, document(&self.deployment)?];
        Ok(documents.join("---\n"))
    }
}

fn document<T: Serialize>(object: &T) -> anyhow::Result<String> {
    // Through a value, which sorts the keys and keeps apiVersion and kind on top as they come.
    Ok(serde_norway::to_string(object)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blueprint() -> Blueprint {
        Blueprint {
            installation: Uuid::from_u128(1),
            deployment: DeploymentId(Uuid::from_u128(2)),
            name: "iris-main".into(),
            namespace: "forecasting".into(),
            generation: 3,
            revision: 3,
            template_revision: 2,
            image: format!("123456789012.dkr.ecr.us-east-1.amazonaws.com/forecasting/iris@sha256:{}", "a".repeat(64)),
            port: 8080,
            health_path: "/v2/health/ready".into(),
            size: Size::Small,
            replicas: 2,
            environment: vec![
                Variable { name: "LOG_LEVEL".into(), value: "debug".into() },
                Variable { name: "HOSTILE".into(), value: "$(HOME) $$(HOME) 5$\"\n--- </script>".into() },
            ],
        }
    }

    #[test]
    fn the_manifests_are_these() {
        insta::assert_snapshot!(blueprint().objects().yaml().unwrap());
    }

    #[test]
    fn a_gpu_replica_asks_for_its_gpu() {
        let objects = Blueprint { size: Size::Gpu, ..blueprint() }.objects();
        let container = &objects.deployment.spec.unwrap().template.spec.unwrap().containers[0];
        let resources = container.resources.as_ref().unwrap();
        for side in [resources.requests.as_ref().unwrap(), resources.limits.as_ref().unwrap()] {
            assert_eq!(side["nvidia.com/gpu"], Quantity("1".into()));
        }
    }

    #[test]
    fn scaling_leaves_the_pods_alone() {
        let template = |blueprint: Blueprint| blueprint.objects().deployment.spec.unwrap().template;
        let scaled = Blueprint { replicas: 5, revision: 4, generation: 4, ..blueprint() };
        assert_eq!(template(blueprint()), template(scaled));
    }

    #[test]
    fn what_people_type_is_what_the_model_gets() {
        let objects = blueprint().objects();
        let container = &objects.deployment.spec.unwrap().template.spec.unwrap().containers[0];
        let value = container.env.as_ref().unwrap()[1].value.as_deref().unwrap();
        assert_eq!(value, "$$(HOME) $$$$(HOME) 5$$\"\n--- </script>");
    }

    #[test]
    fn manifests_read_back_as_what_they_were() {
        let objects = blueprint().objects();
        let yaml = objects.yaml().unwrap();
        let last = yaml.split("\n---\n").last().unwrap();
        let read: Deployment = serde_norway::from_str(last).unwrap();
        assert_eq!(read, objects.deployment);
    }
}
