//! Clusters against the sandbox: a real Kubernetes behind an AWS API. `SANDBOX_ENV` names the file `env` in the sandbox's state folder.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::HashMap, time::Duration};

use control::{
    Actor, Control, Ctx, Request,
    aws::AccountAccess,
    aws::eks,
    clusters, k8s, observed, reconcile,
    testing::{aws_as, settings},
};
use domain::{
    Code,
    access::{PlatformRole, TeamRole},
    audit::Source,
    cluster::{Cluster, ClusterState, NewCluster},
    ids::{AccountId, ClusterId, OperationId, TeamId, UserId},
    operation::{OperationState, StepState},
    page::PageQuery,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, ServiceAccount},
    rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding},
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

const WORKER: &str = "test-worker";

struct Sandbox {
    env: HashMap<String, String>,
}

impl Sandbox {
    fn new() -> Self {
        let path = std::env::var("SANDBOX_ENV").expect("SANDBOX_ENV names the sandbox's env file");
        let text = std::fs::read_to_string(path).expect("the sandbox's env file");
        let line = |line: &str| line.strip_prefix("export ")?.split_once('=').map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()));
        Self { env: text.lines().filter_map(line).collect() }
    }

    fn get(&self, name: &str) -> &str {
        self.env.get(name).unwrap_or_else(|| panic!("{name} is not in the sandbox's env file"))
    }

    /// The break-glass administrator of a cluster.
    async fn admin(&self, context: &str) -> kube::Client {
        let kubeconfig = kube::config::Kubeconfig::read_from(self.get("KUBECONFIG")).expect("the sandbox's kubeconfig");
        let options = kube::config::KubeConfigOptions { context: Some(context.into()), ..Default::default() };
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("a context");
        kube::Client::try_from(config).expect("a client")
    }
}

/// Faults of the sandbox; they end with this.
struct Fault<'a>(&'a Sandbox);

impl Drop for Fault<'_> {
    fn drop(&mut self) {
        self.0.control("DELETE", "");
    }
}

impl Sandbox {
    fn strike(&self, fault: serde_json::Value) -> Fault<'_> {
        self.control("POST", &fault.to_string());
        Fault(self)
    }

    fn control(&self, method: &str, body: &str) {
        use std::io::{Read as _, Write as _};
        let address = self.get("AWS_ENDPOINT_URL").trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(address).expect("the sandbox");
        write!(stream, "{method} /_sandbox/faults HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
}

struct Scene {
    sandbox: Sandbox,
    control: Control,
    admin: Ctx,
    access: AccountAccess,
}

impl Scene {
    async fn new(pool: PgPool) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let sandbox = Sandbox::new();
        let aws = aws_as(sandbox.get("AWS_ENDPOINT_URL"), sandbox.get("AWS_ACCESS_KEY_ID"), sandbox.get("AWS_SECRET_ACCESS_KEY"));
        let control = Control::with_aws(pool, settings(), aws).await.unwrap();
        let user = UserId::generate();
        sqlx::query("insert into users (id, email, name, password_hash, platform_role) values ($1, 'admin@example.com', 'admin', 'none', 'admin')")
            .bind(user.0)
            .execute(&control.pool)
            .await
            .unwrap();
        let access = AccountAccess {
            role_arn: Some(sandbox.get("SLIPWAY_AWS_ROLE_ARN").into()),
            external_id: sandbox.get("SLIPWAY_AWS_EXTERNAL_ID").into(),
            on_behalf_of: "slipway-worker".into(),
        };
        sqlx::query("insert into accounts (id, name, role_arn, external_id, regions) values ($1, 'main', $2, $3, $4)")
            .bind(AccountId::generate().0)
            .bind(&access.role_arn)
            .bind(&access.external_id)
            .bind([sandbox.get("AWS_REGION")])
            .execute(&control.pool)
            .await
            .unwrap();
        let admin = Ctx::new(control.clone(), Actor::user(user, "admin".into(), Some(PlatformRole::Admin)), Source::Api, Request::default());
        Self { sandbox, control, admin, access }
    }

    fn config(&self) -> aws_config::SdkConfig {
        self.control.aws.config(&self.access, self.sandbox.get("AWS_REGION"))
    }

    async fn attach(&self, name: &str) -> Cluster {
        let new = NewCluster { account: "main".into(), region: self.sandbox.get("AWS_REGION").into(), eks_name: name.into(), name: None };
        clusters::attach(&self.admin, &new).await.unwrap()
    }

    /// Takes away whatever an earlier test left of Slipway's access.
    async fn clean(&self, name: &str) {
        let principal = self.access.role_arn.as_deref().unwrap();
        let key = self.sandbox.get("SANDBOX_ADMIN_ACCESS_KEY_ID");
        let as_admin = aws_as(self.sandbox.get("AWS_ENDPOINT_URL"), key, self.sandbox.get("SANDBOX_ADMIN_SECRET_ACCESS_KEY")).ambient(self.sandbox.get("AWS_REGION"));
        let gone = aws_sdk_eks::Client::new(&as_admin).delete_access_entry().cluster_name(name).principal_arn(principal).send().await;
        if let Err(error) = gone {
            assert!(error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()), "{error:?}");
        }
        let client = self.sandbox.admin(name).await;
        let params = DeleteParams::foreground();
        for role in ["slipway", "slipway-viewer", "slipway-deployer", "slipway-owner"] {
            drop(Api::<ClusterRole>::all(client.clone()).delete(role, &params).await);
        }
        drop(Api::<ClusterRoleBinding>::all(client.clone()).delete("slipway", &params).await);
        for binding in Api::<RoleBinding>::all(client.clone()).list(&ListParams::default().labels("slipway-test=yes")).await.unwrap() {
            let namespace = binding.metadata.namespace.clone().unwrap();
            drop(Api::<RoleBinding>::namespaced(client.clone(), &namespace).delete(binding.metadata.name.as_deref().unwrap(), &params).await);
        }
    }

    /// One look of the reconciler; with `dies`, the worker dies so long into it.
    async fn look(&self, dies: Option<Duration>) {
        let pool = &self.control.pool;
        sqlx::query("update reconcile set not_before = now()").execute(pool).await.unwrap();
        for claim in reconcile::claim(pool, WORKER, 10).await.unwrap() {
            let work = async {
                let next = clusters::reconcile::run(&self.control, &claim).await.unwrap();
                reconcile::settle(pool, &claim, &next).await.unwrap();
            };
            match dies {
                None => work.await,
                Some(after) => {
                    let _ = tokio::time::timeout(after, work).await;
                    // Its claim ends by itself; nobody waits a minute for that here.
                    sqlx::query("update reconcile set lease_until = now()").execute(pool).await.unwrap();
                    sqlx::query("delete from scopes").execute(pool).await.unwrap();
                }
            }
        }
    }

    async fn until(&self, id: ClusterId, what: &str, reached: impl Fn(&Cluster) -> bool) -> Cluster {
        for _ in 0..40 {
            self.look(None).await;
            let cluster = clusters::get(&self.admin, id).await.unwrap();
            if reached(&cluster) {
                return cluster;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("{what}: {:?}", clusters::get(&self.admin, id).await.unwrap());
    }

    /// Sets up access and waits until that is over.
    async fn set_up(&self, id: ClusterId) {
        let started = clusters::set_up_access(&self.admin, id).await.unwrap();
        self.over(started.operation).await;
    }

    /// Looks until the operation is over, and once more.
    async fn over(&self, id: OperationId) {
        for _ in 0..60 {
            self.look(None).await;
            if control::operations::get(&self.admin, id).await.unwrap().state.is_over() {
                return self.look(None).await;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("the setup does not end: {:?}", control::operations::get(&self.admin, id).await.unwrap());
    }

    async fn is_admin(&self, name: &str) -> bool {
        eks::entry(&self.config(), name, self.access.role_arn.as_deref().unwrap()).await.unwrap().is_some_and(|entry| entry.is_admin)
    }
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
#[ignore = "needs a running sandbox, named by SANDBOX_ENV"]
async fn a_cluster_is_found_attached_set_up_and_detached(pool: PgPool) {
    let scene = Scene::new(pool).await;
    scene.clean("fleet").await;
    let found = clusters::found(&scene.admin).await.unwrap();
    assert!(found.unseen.is_empty(), "{:?}", found.unseen);
    assert!(found.clusters.iter().any(|cluster| cluster.eks_name == "fleet" && cluster.attached.is_none()));

    let cluster = scene.attach("fleet").await;
    assert!(clusters::found(&scene.admin).await.unwrap().clusters.iter().any(|found| found.attached == Some(cluster.id)));
    let stranger = scene.until(cluster.id, "it does not know Slipway", |cluster| cluster.state == ClusterState::NeedsAccess).await;
    assert!(stranger.state_raw.is_some() || stranger.access.iter().any(|check| !check.allowed), "{stranger:?}");
    let help = clusters::access_help(&scene.admin, cluster.id).await.unwrap();
    assert_eq!(Some(help.principal_arn.as_str()), scene.access.role_arn.as_deref());
    assert!(help.one_click, "{help:?}");

    let started = clusters::set_up_access(&scene.admin, cluster.id).await.unwrap();
    assert!(clusters::set_up_access(&scene.admin, cluster.id).await.unwrap_err().is(Code::Conflict));
    scene.over(started.operation).await;
    let connected = clusters::get(&scene.admin, cluster.id).await.unwrap();
    assert_eq!(connected.state, ClusterState::Connected);
    assert!(connected.access.iter().all(|check| check.allowed), "{connected:?}");
    let operation = control::operations::get(&scene.admin, started.operation).await.unwrap();
    assert_eq!(operation.state, OperationState::Succeeded, "{operation:?}");
    assert!(operation.steps.iter().all(|step| step.state == StepState::Done), "{operation:?}");
    assert!(!scene.is_admin("fleet").await, "the policy was left behind");
    assert!(connected.kubernetes_version.as_deref().is_some_and(|version| version.starts_with("1.")), "{connected:?}");
    assert_eq!(connected.enforces_network_policies, Some(false));

    clusters::detach(&scene.admin, cluster.id).await.unwrap();
    scene.look(None).await;
    assert!(clusters::get(&scene.admin, cluster.id).await.unwrap_err().is(Code::NotFound));
    let roles = Api::<ClusterRole>::all(scene.sandbox.admin("fleet").await);
    assert!(roles.get_opt("slipway-owner").await.unwrap().is_some(), "detaching touches nothing");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
#[ignore = "needs a running sandbox, named by SANDBOX_ENV"]
async fn a_worker_that_dies_anywhere_leaves_no_admin_policy_behind(pool: PgPool) {
    let scene = Scene::new(pool).await;
    scene.clean("fleet").await;
    let cluster = scene.attach("fleet").await;
    scene.until(cluster.id, "it does not know Slipway", |cluster| cluster.state == ClusterState::NeedsAccess).await;
    let started = clusters::set_up_access(&scene.admin, cluster.id).await.unwrap();
    // Each life of the worker is a little longer than the one before, so that it dies in every step.
    for life in (5..400).step_by(9) {
        scene.look(Some(Duration::from_millis(life))).await;
    }
    scene.over(started.operation).await;
    let operation = control::operations::get(&scene.admin, started.operation).await.unwrap();
    assert_eq!(operation.state, OperationState::Succeeded, "{operation:?}");
    assert!(!scene.is_admin("fleet").await, "the policy was left behind");
    let noted: bool = sqlx::query_scalar("select admin_policy_borrowed_at is not null from clusters").fetch_one(&scene.control.pool).await.unwrap();
    assert!(!noted);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
#[ignore = "needs a running sandbox, named by SANDBOX_ENV"]
async fn an_admin_who_loses_the_role_in_the_middle_stops_the_setup(pool: PgPool) {
    let scene = Scene::new(pool).await;
    scene.clean("fleet").await;
    let cluster = scene.attach("fleet").await;
    scene.until(cluster.id, "it does not know Slipway", |cluster| cluster.state == ClusterState::NeedsAccess).await;
    let started = clusters::set_up_access(&scene.admin, cluster.id).await.unwrap();
    for _ in 0..20 {
        scene.look(None).await;
        if scene.is_admin("fleet").await {
            break;
        }
    }
    assert!(scene.is_admin("fleet").await);
    sqlx::query("update users set platform_role = null").execute(&scene.control.pool).await.unwrap();
    for _ in 0..20 {
        scene.look(None).await;
    }
    let operation = control::operations::get(&scene.admin, started.operation).await.unwrap();
    assert_eq!((operation.state, operation.failure.map(|failure| failure.code)), (OperationState::Failed, Some("not_allowed_any_more".into())));
    assert!(!scene.is_admin("fleet").await, "the policy was left behind");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
#[ignore = "needs a running sandbox, named by SANDBOX_ENV"]
async fn kubernetes_itself_holds_teams_and_slipway_to_their_roles(pool: PgPool) {
    let scene = Scene::new(pool).await;
    scene.clean("lab").await;
    let cluster = scene.attach("lab").await;
    scene.until(cluster.id, "it does not know Slipway", |cluster| cluster.state == ClusterState::NeedsAccess).await;
    scene.set_up(cluster.id).await;
    let own = scene.control.k8s.own(&scene.control, cluster.id).await.unwrap();
    let (team, other) = (TeamId::generate(), TeamId::generate());
    let namespace = format!("t-{}", team.0.simple());
    Api::<Namespace>::all(own.clone()).create(&PostParams::default(), &object(json!({"metadata": {"name": namespace}}))).await.unwrap();
    for role in TeamRole::ALL {
        let account = k8s::impersonate::service_account(team, role);
        let made = Api::<ServiceAccount>::namespaced(own.clone(), "slipway-access")
            .create(&PostParams::default(), &object(json!({"metadata": {"name": account}, "automountServiceAccountToken": false})))
            .await;
        made.unwrap();
        let binding = object(json!({
            "metadata": {"name": k8s::impersonate::cluster_role(role), "labels": {"slipway-test": "yes"}},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": k8s::impersonate::cluster_role(role)},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "slipway-access"}],
        }));
        Api::<RoleBinding>::namespaced(own.clone(), &namespace).create(&PostParams::default(), &binding).await.unwrap();
    }
    let as_role = async |team, role| {
        let client = scene.control.k8s.as_team(&scene.control, cluster.id, team, role, "somebody").await.unwrap();
        Api::<Deployment>::namespaced(client, &namespace)
    };
    let deployment: Deployment = object(json!({
        "metadata": {"name": "iris"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "model", "image": "iris"}]}}}
    }));
    let kind = |result: Result<(), kube::Error>| result.map_err(|error| k8s::Error::from(error).kind);
    let make = async |team, role| kind(as_role(team, role).await.create(&PostParams::default(), &deployment).await.map(drop));
    assert!(matches!(make(team, TeamRole::Viewer).await, Err(k8s::Kind::Forbidden)));
    assert!(matches!(make(other, TeamRole::Owner).await, Err(k8s::Kind::Forbidden)), "another team");
    assert!(make(team, TeamRole::Deployer).await.is_ok());
    assert!(kind(as_role(team, TeamRole::Viewer).await.get("iris").await.map(drop)).is_ok());
    let delete = async |role| kind(as_role(team, role).await.delete("iris", &DeleteParams::default()).await.map(drop));
    assert!(matches!(delete(TeamRole::Deployer).await, Err(k8s::Kind::Forbidden)));
    assert!(delete(TeamRole::Owner).await.is_ok());

    // Slipway itself is no admin and can be nobody else.
    assert!(matches!(kind(Api::<Deployment>::namespaced(own.clone(), &namespace).create(&PostParams::default(), &deployment).await.map(drop)), Err(k8s::Kind::Forbidden)));
    assert!(matches!(kind(Api::<k8s_openapi::api::core::v1::Secret>::all(own.clone()).list(&ListParams::default()).await.map(drop)), Err(k8s::Kind::Forbidden)));
    let escalation = object::<RoleBinding>(json!({
        "metadata": {"name": "own"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}, "subjects": [{"kind": "Group", "name": "slipway", "apiGroup": "rbac.authorization.k8s.io"}],
    }));
    assert!(matches!(kind(Api::<RoleBinding>::namespaced(own.clone(), &namespace).create(&PostParams::default(), &escalation).await.map(drop)), Err(k8s::Kind::Forbidden)));
    for (header, value) in [("impersonate-user", "admin"), ("impersonate-user", "system:serviceaccount:kube-system:default"), ("impersonate-user", "system:admin")] {
        let request = http::Request::get("/api/v1/namespaces/default").header(header, value).body(Vec::new()).unwrap();
        assert!(matches!(kind(own.request::<Namespace>(request).await.map(drop)), Err(k8s::Kind::Forbidden)), "{value}");
    }
    let grouped = http::Request::get("/api/v1/namespaces/default")
        .header("impersonate-user", format!("system:serviceaccount:slipway-access:{}", k8s::impersonate::service_account(team, TeamRole::Viewer)))
        .header("impersonate-group", "system:masters")
        .body(Vec::new())
        .unwrap();
    assert!(matches!(kind(own.request::<Namespace>(grouped).await.map(drop)), Err(k8s::Kind::Forbidden)));
    Api::<Namespace>::all(own).delete(&namespace, &DeleteParams::default()).await.unwrap();
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
#[ignore = "needs a running sandbox, named by SANDBOX_ENV"]
async fn nodes_are_seen_and_whoever_takes_over_goes_on(pool: PgPool) {
    let scene = Scene::new(pool).await;
    scene.clean("fleet").await;
    let cluster = scene.attach("fleet").await;
    scene.until(cluster.id, "it does not know Slipway", |cluster| cluster.state == ClusterState::NeedsAccess).await;
    scene.set_up(cluster.id).await;
    let (first, second) = (CancellationToken::new(), CancellationToken::new());
    let watching = tokio::spawn(observed::run(scene.control.clone(), first.clone()));
    let nodes = async || clusters::nodes(&scene.admin, cluster.id, &PageQuery::default()).await.unwrap().items;
    let seen = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let seen = nodes().await;
            if !seen.is_empty() {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await
    .expect("nodes within 30 s");
    assert!(seen.iter().all(|node| node.zone.is_some() && node.allocatable.cpu_millis > 0), "{seen:?}");
    assert!(seen.iter().any(|node| node.allocatable.gpus > 0), "{seen:?}");
    // It stops: the other one takes the lease at once, since it was given back.
    first.cancel();
    watching.await.unwrap().unwrap();
    sqlx::query("delete from observed_nodes").execute(&scene.control.pool).await.unwrap();
    let watching = tokio::spawn(observed::run(scene.control.clone(), second.clone()));
    tokio::time::timeout(Duration::from_secs(15), async {
        while nodes().await.len() != seen.len() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await
    .expect("the other one goes on");
    second.cancel();
    watching.await.unwrap().unwrap();
    let epoch: i64 = sqlx::query_scalar("select epoch from leases where name like 'cluster:%'").fetch_one(&scene.control.pool).await.unwrap();
    assert_eq!(epoch, 2);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
#[ignore = "needs a running sandbox, named by SANDBOX_ENV"]
async fn a_cluster_that_is_down_or_has_revoked_slipway_says_so_and_heals_by_itself(pool: PgPool) {
    let scene = Scene::new(pool).await;
    scene.clean("fleet").await;
    let cluster = scene.attach("fleet").await;
    scene.until(cluster.id, "it does not know Slipway", |cluster| cluster.state == ClusterState::NeedsAccess).await;
    scene.set_up(cluster.id).await;
    let stop = CancellationToken::new();
    let watching = tokio::spawn(observed::run(scene.control.clone(), stop.clone()));
    let synced = async || sqlx::query_scalar::<_, i64>("select count(*) from observed_nodes").fetch_one(&scene.control.pool).await.unwrap();
    let within = async |what: &str, seconds: u64, reached: &dyn Fn(i64) -> bool| {
        for _ in 0..seconds * 5 {
            if reached(synced().await) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{what}");
    };
    within("nodes are seen", 30, &|nodes| nodes > 0).await;

    let down = scene.sandbox.strike(json!({"kind": "api-server-down", "cluster": "fleet", "seconds": 120}));
    let seen = scene.until(cluster.id, "it is down", |cluster| cluster.state == ClusterState::Unreachable).await;
    assert!(seen.state_message.is_some() && seen.state_raw.is_some(), "{seen:?}");
    assert!(seen.nodes > 0, "what was seen stays, with its age");
    sqlx::query("delete from observed_nodes").execute(&scene.control.pool).await.unwrap();
    sqlx::query("update reconcile set not_before = now() + interval '1 hour', attempts = 9").execute(&scene.control.pool).await.unwrap();
    drop(down);
    // Nobody looks at it here but its watch, which finds it up again, and has the reconciler look.
    let due = async || sqlx::query_scalar::<_, bool>("select bool_and(not_before <= now()) from reconcile").fetch_one(&scene.control.pool).await.unwrap();
    let healed = async {
        while !due().await {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), healed).await.expect("the watch notices");
    scene.until(cluster.id, "it is up again", |cluster| cluster.state == ClusterState::Connected).await;

    let roles = Api::<ClusterRoleBinding>::all(scene.sandbox.admin("fleet").await);
    roles.delete("slipway", &DeleteParams::default()).await.unwrap();
    let revoked = scene.until(cluster.id, "it revoked Slipway", |cluster| cluster.state == ClusterState::NeedsAccess).await;
    assert!(revoked.access.iter().any(|check| !check.allowed), "{revoked:?}");
    scene.set_up(cluster.id).await;
    assert_eq!(clusters::get(&scene.admin, cluster.id).await.unwrap().state, ClusterState::Connected);
    stop.cancel();
    watching.await.unwrap().unwrap();
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
#[ignore = "needs a running sandbox, named by SANDBOX_ENV"]
async fn what_the_page_shows_to_do_by_hand_lets_slipway_in(pool: PgPool) {
    let scene = Scene::new(pool).await;
    scene.clean("fleet").await;
    let cluster = scene.attach("fleet").await;
    scene.until(cluster.id, "it does not know Slipway", |cluster| cluster.state == ClusterState::NeedsAccess).await;
    let help = clusters::access_help(&scene.admin, cluster.id).await.unwrap();
    let client = scene.sandbox.admin("fleet").await;
    // The manifest, as `kubectl apply --server-side` would.
    for document in help.manifest.split("---\n") {
        let object: kube::api::DynamicObject = serde_norway::from_str(document).unwrap();
        let (kind, name) = (kube::core::GroupVersionKind::try_from(object.types.as_ref().unwrap()).unwrap(), object.metadata.name.clone().unwrap());
        let resource = kube::core::ApiResource::from_gvk(&kind);
        let api: Api<kube::api::DynamicObject> = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        api.patch(&name, &PatchParams::apply("kubectl"), &Patch::Apply(&object)).await.unwrap();
    }
    // The lines for aws-auth, among those that are there already.
    let maps = Api::<ConfigMap>::namespaced(client, "kube-system");
    let before = maps.get_opt("aws-auth").await.unwrap();
    let lines: std::collections::BTreeMap<String, String> = serde_norway::from_str(&help.aws_auth_lines.unwrap()).unwrap();
    let mut data = before.as_ref().and_then(|map| map.data.clone()).unwrap_or_default();
    for (list, lines) in lines {
        data.entry(list).or_default().push_str(&lines);
    }
    let mapped: ConfigMap = object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "aws-auth"}, "data": data}));
    maps.patch("aws-auth", &PatchParams::apply("slipway-test").force(), &Patch::Apply(&mapped)).await.unwrap();
    let seen = scene.until(cluster.id, "it knows Slipway", |cluster| cluster.state == ClusterState::Connected).await;
    assert!(seen.access.iter().all(|check| check.allowed), "{seen:?}");
    assert!(eks::entry(&scene.config(), "fleet", scene.access.role_arn.as_deref().unwrap()).await.unwrap().is_none(), "by aws-auth alone");
    match before {
        Some(before) => drop(
            maps.replace(
                "aws-auth",
                &PostParams::default(),
                &ConfigMap { metadata: kube::api::ObjectMeta { resource_version: None, managed_fields: None, ..before.metadata.clone() }, ..before },
            )
            .await
            .unwrap(),
        ),
        None => drop(maps.delete("aws-auth", &DeleteParams::default()).await.unwrap()),
    }
    scene.until(cluster.id, "it forgot Slipway", |cluster| cluster.state == ClusterState::NeedsAccess).await;
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
#[ignore = "needs a running sandbox, named by SANDBOX_ENV"]
async fn an_aws_that_throttles_or_loses_answers_delays_a_setup_only(pool: PgPool) {
    let scene = Scene::new(pool).await;
    scene.clean("fleet").await;
    let cluster = scene.attach("fleet").await;
    scene.until(cluster.id, "it does not know Slipway", |cluster| cluster.state == ClusterState::NeedsAccess).await;
    let lost = scene.sandbox.strike(json!({"kind": "aws-answer-lost", "action": "CreateAccessEntry", "times": 1}));
    let lost_too = scene.sandbox.strike(json!({"kind": "aws-answer-lost", "action": "AssociateAccessPolicy", "times": 2}));
    let throttled = scene.sandbox.strike(json!({"kind": "aws-throttle", "service": "eks", "action": "DisassociateAccessPolicy", "times": 5}));
    scene.set_up(cluster.id).await;
    assert!(!scene.is_admin("fleet").await, "the policy was left behind");
    drop((lost, lost_too, throttled));
}

fn object<K: serde::de::DeserializeOwned>(value: serde_json::Value) -> K {
    serde_json::from_value(value).unwrap()
}
