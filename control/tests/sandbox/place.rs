//! A team with a model and workspaces in the sandbox, made the way people make them.

use std::collections::BTreeMap;

use control::{Ctx, accounts, deployments, models, releases, teams, workspaces};
use domain::{
    access::TeamRole,
    account::NewPrefix,
    deployment::{DeploymentChange, NewDeployment},
    ids::{DeploymentId, ModelId, OperationId, ReleaseId, TeamId, WorkspaceId},
    model::{NewModel, NewRelease, Release},
    operation::{Operation, OperationState, Started},
    serving::Protocol,
    size::Size,
    team::{MemberChange, NewTeam},
    workspace::{Adopt, NewWorkspace, Quota},
};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::{Pod, Service, ServiceAccount},
        policy::v1::PodDisruptionBudget,
    },
};
use kube::{Api, Client, Resource, ResourceExt as _, api::ListParams};
use serde::de::DeserializeOwned;

use crate::scene::{Scene, within};

pub const REPOSITORY: &str = "forecasting/iris";

pub struct Place {
    pub team: TeamId,
    pub team_name: String,
    pub owner: Ctx,
    pub deployer: Ctx,
    pub model: ModelId,
    pub releases: [ReleaseId; 2],
}

impl Place {
    /// The team, with `olga` as its owner, `dora` as a deployer, and `iris` 1 and 2.
    pub async fn new(scene: &Scene) -> Self {
        let (owner, deployer) = (scene.person("olga").await, scene.person("dora").await);
        let name = "forecasting".to_owned();
        let team = teams::create(&scene.admin, &NewTeam { name: name.clone(), owner: Some("olga@example.com".into()), ..NewTeam::default() }).await.unwrap().id;
        teams::set_member(&scene.admin, team, &MemberChange { email: "dora@example.com".into(), role: TeamRole::Deployer }).await.unwrap();
        let checked = accounts::check(&scene.admin, scene.account).await.unwrap();
        assert_eq!(checked.check_error, None);
        accounts::add_prefix(&scene.admin, scene.account, &NewPrefix { prefix: "forecasting/".into(), team: name.clone() }).await.unwrap();
        let model = models::create(&deployer, &NewModel { team: name.clone(), name: "iris".into(), ..NewModel::default() }).await.unwrap().id;
        let first = release(&deployer, model, "1").await.unwrap().id;
        let second = release(&deployer, model, "2").await.unwrap().id;
        Self { team, team_name: name, owner, deployer, model, releases: [first, second] }
    }

    /// Asks for a workspace; its namespace has a name of its own, whatever ran on this sandbox before.
    pub async fn ask_for_workspace(&self, scene: &Scene, cluster: &str, adopt: Adopt) -> Asked {
        self.ask_for_namespace(scene, cluster, &unique("forecasting"), adopt).await
    }

    pub async fn ask_for_namespace(&self, scene: &Scene, cluster: &str, name: &str, adopt: Adopt) -> Asked {
        let quota = Quota { cpu_millis: 64_000, memory_mib: 128 * 1024, gpus: 8, pods: 200 };
        let new = NewWorkspace { name: name.into(), team: self.team_name.clone(), cluster: cluster.into(), quota, adopt };
        let started = workspaces::create(&scene.admin, &new).await.unwrap();
        Asked { id: WorkspaceId(started.object), namespace: name.into(), operation: started.operation }
    }

    /// A workspace that is ready; somebody has to work meanwhile.
    pub async fn workspace(&self, scene: &Scene, cluster: &str) -> Asked {
        let asked = self.ask_for_workspace(scene, cluster, Adopt::default()).await;
        scene.succeeds(asked.operation).await;
        asked
    }

    pub async fn deploy(&self, workspace: WorkspaceId, name: &str) -> Started {
        deployments::create(&self.deployer, &self.wanted(workspace, name)).await.unwrap()
    }

    pub fn wanted(&self, workspace: WorkspaceId, name: &str) -> NewDeployment {
        NewDeployment { release: self.releases[0], workspace, name: Some(name.into()), size: Some(Size::Tiny), replicas: Some(2), environment: Vec::new(), reason: None }
    }

    /// Deploys the second release instead.
    pub async fn renew(&self, id: DeploymentId) -> Started {
        let change = DeploymentChange { release: Some(self.releases[1]), ..DeploymentChange::default() };
        deployments::change(&self.deployer, id, &change).await.unwrap()
    }
}

/// A workspace that was asked for.
pub struct Asked {
    pub id: WorkspaceId,
    pub namespace: String,
    pub operation: OperationId,
}

pub async fn release(ctx: &Ctx, model: ModelId, tag: &str) -> control::Result<Release> {
    let new = NewRelease {
        model,
        account: None,
        region: None,
        repository: REPOSITORY.into(),
        tag: tag.into(),
        port: None,
        health_path: Some("/v2/health/ready".into()),
        // Simulated nodes answer nothing: the model is not asked about itself.
        protocol: Protocol::Http,
        size: None,
        notes: String::new(),
    };
    releases::create(ctx, &new).await
}

pub fn unique(name: &str) -> String {
    let id = uuid::Uuid::now_v7().simple().to_string();
    format!("{name}-{}", &id[24..])
}

impl Scene {
    /// Waits until the operation is over; somebody has to work meanwhile.
    pub async fn ends(&self, id: OperationId) -> Operation {
        let over = async {
            loop {
                let operation = self.operation(id).await;
                if operation.state.is_over() {
                    return operation;
                }
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        };
        match tokio::time::timeout(std::time::Duration::from_secs(60), over).await {
            Ok(operation) => operation,
            Err(_) => panic!("it does not end: {:#?}", self.operation(id).await),
        }
    }

    pub async fn succeeds(&self, id: OperationId) {
        let operation = self.ends(id).await;
        assert_eq!(operation.state, OperationState::Succeeded, "{operation:#?}");
    }

    /// Waits until the step that goes on says this; gives the whole of what it says.
    pub async fn says(&self, id: OperationId, words: &str) -> String {
        let said = async || self.operation(id).await.steps.into_iter().filter_map(|step| step.detail).find(|detail| detail.contains(words));
        within(40, &format!("an operation says {words:?}: {:#?}", self.operation(id).await), async || said().await.is_some()).await;
        said().await.unwrap_or_default()
    }

    /// The operations about a thing, oldest first: verb and outcome.
    pub async fn operations_of(&self, object: uuid::Uuid) -> Vec<(String, String)> {
        sqlx::query_as("select verb, state::text from operations where object_id = $1 order by created_at, id").bind(object).fetch_all(&self.control.pool).await.unwrap()
    }

    /// What the record says of a thing: action and outcome, in order.
    pub async fn recorded(&self, object: uuid::Uuid) -> Vec<(String, String)> {
        sqlx::query_as("select action, outcome::text from audit_events where object_id = $1 order by at, id").bind(object).fetch_all(&self.control.pool).await.unwrap()
    }

    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.control.pool).await.unwrap()
    }
}

/// How many objects of each kind a deployment has in its namespace, and how many pods.
pub async fn objects_of(admin: &Client, namespace: &str, id: DeploymentId) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    count::<Deployment>(admin, namespace, id, &mut found).await;
    count::<ReplicaSet>(admin, namespace, id, &mut found).await;
    count::<Pod>(admin, namespace, id, &mut found).await;
    count::<Service>(admin, namespace, id, &mut found).await;
    count::<ServiceAccount>(admin, namespace, id, &mut found).await;
    count::<PodDisruptionBudget>(admin, namespace, id, &mut found).await;
    found
}

async fn count<K>(admin: &Client, namespace: &str, id: DeploymentId, found: &mut BTreeMap<String, usize>)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(admin.clone(), namespace);
    let items = api.list(&ListParams::default()).await.unwrap().items;
    let count = items.iter().filter(|object| object.labels().values().any(|value| *value == id.to_string())).count();
    if count > 0 {
        found.insert(K::kind(&()).into_owned(), count);
    }
}

/// One of everything, for so many replicas and with no other revision.
pub fn whole(replicas: usize) -> BTreeMap<String, usize> {
    let once = ["Deployment", "ReplicaSet", "Service", "ServiceAccount", "PodDisruptionBudget"];
    once.into_iter().map(|kind| (kind.to_owned(), 1)).chain([("Pod".to_owned(), replicas)]).collect()
}
