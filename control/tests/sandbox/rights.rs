//! What Kubernetes lets teams and Slipway do, and the way in by hand.

use control::{aws::eks, clusters, k8s};
use domain::{access::TeamRole, cluster::ClusterState, ids::TeamId};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, ServiceAccount},
    rbac::v1::RoleBinding,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use sqlx::PgPool;

use crate::scene::{Scene, object};

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
